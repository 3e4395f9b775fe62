"""Every argument of the command line, with every hostile value: refused in one line before anything is opened or written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from repro_assets import cli
from repro_assets_tests.unit.hostile import HOSTILE

KEY = "covid_cases-v000000--job_changes-v000000"
# `{}` is where the value goes.
ENTRY_POINTS = {
    "a command": ["{}"],
    "an option": ["versions", "--x{}"],
    "run KEY": ["run", "{}"],
    "run --environment": ["run", KEY, "--environment={}"],
    "run --cluster": ["run", KEY, "--cluster={}"],
    "run --set, whole": ["run", KEY, "--set={}"],
    "run --set, its asset": ["run", KEY, "--set={}.family=random_forest"],
    "run --set, its name": ["run", KEY, "--set=model.{}=1"],
    "run --set, a word": ["run", KEY, "--set=model.family={}"],
    "run --set, a number": ["run", KEY, "--set=predictions.threshold={}"],
    "run --set, a salt": ["run", KEY, "--set=train_test_snapshot.salt={}"],
    "run --set, an asset's words": ["run", KEY, "--set=features.{}"],
    "backfill KEY": ["backfill", "{}"],
    "backfill --set": ["backfill", KEY, "--set={}"],
    "backfill --environment": ["backfill", KEY, "--environment={}"],
    "demo --covid": ["demo", "--covid=./{}", f"--jobs={__file__}"],
    "demo --jobs": ["demo", "--covid=.", "--jobs=./{}"],
    "backfill --cluster": ["backfill", "--all", "--cluster={}"],
    "show RUN": ["show", "{}"],
    "reproduce RUN": ["reproduce", "{}"],
    "preflight RUN": ["preflight", "{}"],
    "promote RUN": ["promote", "{}"],
    "diff RUN, the first": ["diff", "{}", KEY],
    "diff RUN, the second": ["diff", KEY, "{}"],
    "reproduce --with": ["reproduce", KEY, "--with={}"],
    "reproduce --with, a key": ["reproduce", KEY, "--with=data={}"],
    "reproduce --with, a commit": ["reproduce", KEY, "--with=code={}"],
    "reproduce --with, an environment": ["reproduce", KEY, "--with=environment={}"],
    "reproduce --with, a cluster": ["reproduce", KEY, "--with=cluster={}"],
    "reproduce --with, a run": ["reproduce", KEY, "--with=code=@{}"],
    "blame RUN, the first": ["blame", "{}", KEY],
    "blame RUN, the second": ["blame", KEY, "{}"],
    "grid RUN": ["grid", "{}"],
    "grid --code": ["grid", "--code={}"],
    "grid --metric": ["grid", "--metric={}"],
    "grid --metric, its name": ["grid", "--metric=predictions.{}/\\"],
    "grid --plot": ["grid", "--plot={}"],
    "probe RUN": ["probe", "{}"],
    "probe --variant": ["probe", KEY, "--variant={}"],
    "probe --cluster": ["probe", KEY, "--cluster={}"],
    "cluster show NAME": ["cluster", "show", "{}"],
    "cluster check NAME": ["cluster", "check", "{}"],
    "cluster up NAME": ["cluster", "up", "{}"],
    "cluster down NAME": ["cluster", "down", "{}"],
    "cluster diff NAME, the first": ["cluster", "diff", "{}", "local-v1"],
    "cluster diff NAME, the second": ["cluster", "diff", "local-v1", "{}"],
    "vacuum TABLE": ["vacuum", "{}"],
    "vacuum --safe-hours": ["vacuum", "covid_cases", "--safe-hours={}"],
    "gc --safe-hours": ["gc", "--safe-hours={}"],
    "verify KEY": ["verify", "{}"],
    "unpin KEY": ["unpin", "{}", "--why=x"],
    "forget TABLE": ["forget", "{}", "1", "--why=x"],
    "forget --safe-hours": ["forget", "job_changes", "1", "--why=x", "--safe-hours={}"],
    "forget ENROLLEE_ID": ["forget", "job_changes", "{}", "--why=x"],
    "trace ASSET": ["trace", "{}", "1"],
    "trace ENROLLEE_ID": ["trace", "predictions", "{}"],
    "trace --key": ["trace", "predictions", "1", "--key={}"],
    "pin TABLE@N": ["pin", "{}"],
    "pin TABLE@N, its table": ["pin", "{}@1"],
    "pin TABLE@N, its version": ["pin", "covid_cases@{}"],
    "pin --as-of": ["pin", "--as-of={}"],
    "pin --published-as-of": ["pin", "--published-as-of={}"],
    "sql QUERY": ["sql", "{}"],
    "sql --limit": ["sql", "SELECT 1", "--limit={}"],
    "ingest TABLE": ["ingest", "{}"],
    # What is readable is read, wherever it lies: below this folder nothing is.
    "ingest FILE": ["ingest", "covid_cases", "./{}"],
    "ingest FILE, of people": ["ingest", "job_changes", "./{}"],
    "ingest --accept": ["ingest", "covid_cases", __file__, "--accept={}"],
    "ingest --accept, of people": ["ingest", "job_changes", __file__, "--accept={}"],
    "ingest --from-git": ["ingest", "covid_cases", "--from-git=./{}"],
    "ingest --path": ["ingest", "covid_cases", "--from-git=.", "--path={}"],
    "ingest --since": ["ingest", "covid_cases", "--from-git=.", "--since={}"],
    "env make NAME": ["env", "make", "{}"],
    "env make --python": ["env", "make", "ml-v1", "--python={}"],
    "env check NAME": ["env", "check", "{}"],
    "env check --python": ["env", "check", "ml-v1", "--python={}"],
    "ui --dagster-port": ["ui", "--dagster-port={}"],
    "ui --mlflow-port": ["ui", "--mlflow-port={}"],
}

# A reason is prose: a quote or a command in it is a reason like any other, since it is written down and nothing else.
REASONS = {
    "unpin --why": ["unpin", KEY, "--why={}"],
    "forget --why": ["forget", "job_changes", "1", "--why={}"],
}
NO_REASONS = {name: HOSTILE[name] for name in ("nothing", "a blank", "a line break", "NUL", "an escape sequence")} | {
    "501 characters": "a" * 501,
    "a secret": "ghp_" + "aB3d" * 9,
}


# Built once: Typer would build all commands again for each of several hundred calls.
BUILT = typer.main.get_command(cli.app)


@pytest.fixture
def state(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """An installation that does not exist yet; `main` sets variables and a hook, which go again."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("REPRO_", "MLFLOW_TRACKING", "DAGSTER_"))]:
        del os.environ[name]
    monkeypatch.setattr(cli, "app", BUILT)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.chdir(tmp_path)
    os.environ["REPRO_VAR"] = str(tmp_path / "var")
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def refused(monkeypatch, capsys, arguments: list[str]) -> str:
    """The one line that a command answers with and nothing else."""
    monkeypatch.setattr(sys, "argv", ["repro", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert err.endswith("\n")
    return err[:-1]


@pytest.mark.parametrize("value", HOSTILE.values(), ids=list(HOSTILE))
@pytest.mark.parametrize("entry", ENTRY_POINTS.values(), ids=list(ENTRY_POINTS))
def test_a_hostile_value_is_refused_in_one_line_and_leaves_nothing(state, monkeypatch, capsys, entry, value) -> None:
    line = refused(monkeypatch, capsys, [part.replace("{}", value) for part in entry])

    assert line.startswith("repro: ")
    assert line.isprintable()
    assert "Traceback" not in line
    assert list(state.rglob("*")) == []


@pytest.mark.parametrize("value", NO_REASONS.values(), ids=list(NO_REASONS))
@pytest.mark.parametrize("entry", REASONS.values(), ids=list(REASONS))
def test_what_is_no_reason_is_refused_before_a_store_is_asked(state, monkeypatch, capsys, entry, value) -> None:
    line = refused(monkeypatch, capsys, [part.replace("{}", value) for part in entry])

    assert line.startswith("repro: ")
    assert line.isprintable()
    assert list(state.rglob("*")) == []


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(["ingest", "covid_cases", "{}.csv"], id="a file"),
        pytest.param(["ingest", "covid_cases", "--from-git={}"], id="a clone"),
        pytest.param(["demo", "--covid={}", f"--jobs={__file__}"], id="a folder"),
        pytest.param(["grid", "--plot={}.png"], id="a picture"),
    ],
)
@pytest.mark.parametrize("value", ["a" * 300, "a/" * 1_500 + "a"], ids=["a long name", "a long path"])
def test_a_path_that_no_system_takes_is_refused_as_one(state, monkeypatch, capsys, entry, value) -> None:
    line = refused(monkeypatch, capsys, [part.replace("{}", value) for part in entry])

    assert line.startswith("repro: not a path: stored ")
    assert list(state.rglob("*")) == []


def commands(command: Any, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the tree with the words that lead to it."""
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, below in command.commands.items():
        yield from commands(below, *words, name)


def takes_a_text(parameter: Any) -> bool:
    return not getattr(parameter, "is_flag", False) and parameter.name != "help"


def tried(command: Any, words: tuple[str, ...], entry: list[str]) -> set[str]:
    """The parameters of a command that an entry point puts a hostile value into."""
    if tuple(entry[: len(words)]) != words:
        return set()
    context = command.context_class(command, info_name=" ".join(words))
    context.ignore_unknown_options = True  # one of the hostile values is an option that there isn't
    values, _, _ = command.make_parser(context).parse_args(entry[len(words) :])
    return {name for name, value in values.items() if "{}" in str(value)}


COMMANDS = dict(commands(BUILT))


@pytest.mark.parametrize(("words", "command"), COMMANDS.items(), ids=[" ".join(words) for words in COMMANDS])
def test_every_parameter_of_every_command_is_tried(words, command) -> None:
    entries = [*ENTRY_POINTS.values(), *REASONS.values()]
    known = set().union(*(tried(command, words, entry) for entry in entries))

    assert {parameter.name for parameter in command.params if takes_a_text(parameter)} <= known


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "x" * 300], ids=["two lines", "an escape", "300 characters"])
@pytest.mark.parametrize("variable", ["REPRO_VAR", "REPRO_LAKE", "MLFLOW_TRACKING_URI", "DAGSTER_HOME"])
def test_a_hostile_location_is_refused_by_every_command(state, monkeypatch, capsys, variable, name) -> None:
    monkeypatch.setenv(variable, f"{state}/{name}")

    line = refused(monkeypatch, capsys, ["versions"])

    assert line.startswith(f"repro: not a location [{variable}]")
    assert line.isprintable()
    assert list(state.rglob("*")) == []


SECRETS = {
    "by its form": "train_test_snapshot.salt=ghp_" + "aB3d" * 9,
    "in an address": "train_test_snapshot.salt=https://me:" + "hunter2-planted@host",
    "of an asset that there isn't": "x.y=ghp_" + "aB3d" * 9,
}


@pytest.mark.parametrize("assignment", SECRETS.values(), ids=list(SECRETS))
def test_a_parameter_with_a_secret_is_refused_without_it(state, monkeypatch, capsys, assignment) -> None:
    line = refused(monkeypatch, capsys, ["run", KEY, "--set", assignment])

    assert "looks like a secret" in line
    assert assignment.partition("=")[2] not in line
    assert list(state.rglob("*")) == []


def test_a_value_nested_without_end_is_refused(state, monkeypatch, capsys) -> None:
    assert "not a value" in refused(monkeypatch, capsys, ["run", KEY, "--set", "model.C=" + "[" * 10_000])


def test_an_argument_without_end_is_refused_by_its_place(state, monkeypatch, capsys) -> None:
    line = refused(monkeypatch, capsys, ["sql", "SELECT " + "1" * 100_000])

    assert line == "repro: an argument is too long [argument 2]: stored 100,007 characters"


@pytest.mark.parametrize("function", ["reflect", "java_method", "TRY_REFLECT"])
def test_a_query_that_calls_java_is_refused(state, monkeypatch, capsys, function) -> None:
    query = f"SELECT {function}('java.lang.Runtime', 'getRuntime')"

    assert "can't call Java" in refused(monkeypatch, capsys, ["sql", query])


def test_a_secret_of_this_process_is_in_no_message(state, monkeypatch, capsys) -> None:
    monkeypatch.setenv("SERVICE_PASSWORD", "hunter2-planted")

    line = refused(monkeypatch, capsys, ["run", "hunter2-planted"])

    assert "hunter2" not in line
