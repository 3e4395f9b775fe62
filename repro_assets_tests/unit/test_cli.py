"""The command line: usage, exit codes, one line per error, and a clean stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from repro_assets import cli
from repro_assets.errors import Blocked, DataDamaged, Outside, ReproError
from repro_assets.verbs import commands_data
from repro_assets_tests.unit.delta_log import write_commit, write_table

COMMANDS = [
    ["ingest"],
    ["ingest", "covid_cases"],
    ["ingest", "job_changes"],
    ["versions"],
    ["pin"],
    ["run"],
    ["backfill"],
    ["show"],
    ["preflight"],
    ["reproduce"],
    ["diff"],
    ["blame"],
    ["grid"],
    ["promote"],
    ["trace"],
    ["probe"],
    ["sql"],
    ["demo"],
    ["ui"],
    ["env"],
    ["env", "list"],
    ["env", "make"],
    ["env", "check"],
    ["cluster"],
    ["cluster", "list"],
    ["cluster", "show"],
    ["cluster", "check"],
    ["cluster", "diff"],
    ["cluster", "up"],
    ["cluster", "down"],
    ["vacuum"],
    ["unpin"],
    ["verify"],
    ["gc"],
    ["doctor"],
    ["forget"],
]
NEVER_MADE = "covid_cases-v000099--job_changes-v000001"


def call(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that needs no state."""
    result = CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """An empty installation, for this process and those it starts; `main` sets variables, which go again."""
    before = dict(os.environ)
    for name in ("REPRO_LAKE", "REPRO_CAPSULES", "MLFLOW_TRACKING_URI", "DAGSTER_HOME", "REPRO_ENVS", "REPRO_PROJECT"):
        os.environ.pop(name, None)
    os.environ["REPRO_VAR"] = str(tmp_path / "var")
    yield tmp_path / "var"
    os.environ.clear()
    os.environ.update(before)


def repro(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`repro` as a person calls it."""
    return subprocess.run(
        [sys.executable, "-m", "repro_assets.cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_explains_itself(command, option) -> None:
    code, out, _ = call(*command, option)

    assert code == 0
    assert f"Usage: repro {' '.join(command)}" in out


def test_the_help_lists_every_command_with_a_sentence() -> None:
    code, out, _ = call("--help")

    assert code == 0
    for command in COMMANDS:
        line = next(line for line in out.splitlines() if line.strip("│ ").startswith(f"{command[0]} "))
        assert len(line.strip("│ ").split()) > 3


def test_no_command_is_missing_above() -> None:
    assert set(typer.main.get_command(cli.app).commands) == {command[0] for command in COMMANDS}


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="nothing"),
        pytest.param(["ingest"], id="no table"),
        pytest.param(["ingest", "other"], id="another table"),
        pytest.param(["bogus"], id="no such command"),
        pytest.param(["versions", "--bogus"], id="no such option"),
        pytest.param(["versions", "extra"], id="an argument too many"),
        pytest.param(["run"], id="no key"),
        pytest.param(["run", NEVER_MADE, "--set"], id="an option without its value"),
        pytest.param(["show"], id="no run"),
        pytest.param(["env"], id="no verb of environments"),
        pytest.param(["env", "make"], id="no environment"),
        pytest.param(["ui", "--dagster-port", "many"], id="a port that is no number"),
    ],
)
def test_wrong_usage_exits_2_and_says_why(arguments) -> None:
    code, out, err = call(*arguments)

    assert code == 2
    assert out + err
    assert "Traceback" not in out + err


REFUSED = {
    "a key that is none": (["run", "x"], "not a data version key"),
    "a key with a path": (["run", "../../etc"], "not a data version key"),
    "an environment that there isn't": (["run", NEVER_MADE, "--environment", "x"], "x"),
    "a parameter that there isn't": (["run", NEVER_MADE, "--set", "model.seed=1"], "no such model parameter"),
    "no data versions to backfill": (["backfill"], "either KEY"),
    "keys and all of them": (["backfill", NEVER_MADE, "--all"], "either KEY"),
    "a backfill's key that is none": (["backfill", "x"], "not a data version key"),
    "a backfill's key that never was": (["backfill", NEVER_MADE], "99"),
    "a backfill's parameter that there isn't": (["backfill", "--all", "--set", "model.seed=1"], "no such model"),
    "a query that writes": (["sql", "DROP TABLE covid_cases"], "only reads"),
    "two forms of one answer": (["sql", "SELECT 1", "--json", "--csv"], "two forms"),
    "a table version that is none": (["pin", "other@1"], "not a table version"),
    "a time that is none": (["pin", "--as-of", "yesterday"], "not a time"),
    "two times": (["pin", "--as-of", "2020-06-12", "--published-as-of", "2020-06-12"], "only one of the three"),
    "an environment to make that there isn't": (["env", "make", "x"], "one of ml-v1, ml-v2"),
    "an environment to check that there isn't": (["env", "check", "x"], "one of ml-v1, ml-v2"),
    "a run that is none": (["show", "'; DROP"], "no such run"),
    "no run to look at": (["preflight"], "one run, or --all"),
    "one run and all of them": (["preflight", NEVER_MADE, "--all"], "one run, or --all"),
    "a run that is none to look at": (["preflight", "'; DROP"], "no such run"),
    "half of the demo's files": (["demo", "--covid", "."], "--covid DIR_OR_GIT --jobs"),
    "one port twice": (["ui", "--dagster-port", "5000"], "same port"),
    "files and a clone": (["ingest", "covid_cases", "a.csv", "--from-git", "."], "two ways"),
    "an anomaly that there is none of": (["ingest", "job_changes", "a.csv", "--accept", "typo"], "no such anomaly"),
    "a clone's option without a clone": (["ingest", "covid_cases", "--since", "x"], "--from-git"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=list(REFUSED))
def test_bad_input_is_one_line_and_exit_code_2(here, monkeypatch, capsys, arguments, said) -> None:
    write_table(here / "lake", "covid_cases", 10)
    write_table(here / "lake", "job_changes", 10)
    monkeypatch.setattr(sys, "argv", ["repro", *arguments])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("repro: ")
    assert said in err


@pytest.mark.parametrize(
    "error",
    [ReproError("bad"), Blocked("gone"), DataDamaged("broken"), Outside("down")],
    ids=lambda error: type(error).__name__,
)
def test_an_error_ends_in_its_own_exit_code(here, monkeypatch, capsys, error) -> None:
    def fail(json: bool) -> None:
        raise error

    monkeypatch.setattr(commands_data, "versions", fail)
    monkeypatch.setattr(sys, "argv", ["repro", "versions", "--json"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == error.exit_code
    assert capsys.readouterr() == ("", f"repro: {error}\n")


def test_an_interrupt_is_one_line_and_exit_code_130(here, monkeypatch, capsys) -> None:
    def interrupted(json: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands_data, "versions", interrupted)
    monkeypatch.setattr(sys, "argv", ["repro", "versions"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 130
    assert "Traceback" not in capsys.readouterr().err


def test_versions_of_an_empty_installation_are_an_empty_document(here) -> None:
    done = repro("versions", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"schema": "repro-versions/1", "versions": []}


def test_json_is_one_document_on_stdout_and_nothing_else(here) -> None:
    write_table(here / "lake", "covid_cases", 10, 20)
    write_table(here / "lake", "job_changes", 10)
    for table in ("covid_cases", "job_changes"):
        (here / "lake" / "raw" / table / "part-0.parquet").write_bytes(b"rows")

    pinned = repro("pin", "covid_cases@0", "--json")
    listed = repro("versions", "--json")

    key = "covid_cases-v000000--job_changes-v000000"
    assert json.loads(pinned.stdout) == {"schema": "repro-pin/1", "key": key}
    assert [row["key"] for row in json.loads(listed.stdout)["versions"]] == [key, key.replace("0--", "1--")]
    assert set(json.loads(listed.stdout)["versions"][0]) == {"key", "tables", "state", "runs", "given_up"}


def test_the_lines_for_people_go_to_stderr(here) -> None:
    write_table(here / "lake", "covid_cases", 10)
    write_table(here / "lake", "job_changes", 10)

    done = repro("versions", COLUMNS="20")

    assert done.stdout == ""
    assert "covid_cases-v000000--job_changes-v000000" in done.stderr


def test_a_version_that_never_was_exits_2_before_anything_starts(here) -> None:
    write_table(here / "lake", "covid_cases", 10)
    write_table(here / "lake", "job_changes", 10)

    done = repro("run", NEVER_MADE, "--json")

    assert (done.returncode, done.stdout) == (2, "")
    assert "covid_cases has no version 99" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_version_that_is_gone_exits_3(here) -> None:
    write_table(here / "lake", "covid_cases", 10, 20)
    write_table(here / "lake", "job_changes", 10)
    next((here / "lake" / "raw" / "covid_cases" / "_delta_log").glob("*0.json")).unlink()

    done = repro("run", "covid_cases-v000000--job_changes-v000000", "--json")

    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_damaged_log_exits_1(here) -> None:
    write_table(here / "lake", "job_changes", 10)
    write_commit(here / "lake", "covid_cases", 0, b"{")

    done = repro("versions", "--json")

    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_lake_in_a_store_that_nobody_knows_is_one_line(here) -> None:
    done = repro("versions", REPRO_LAKE="nosuchstore://bucket/lake")

    assert done.returncode in (2, 4)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_starts_no_engine_and_loads_none() -> None:
    script = (
        "import sys, repro_assets.cli as cli\n"
        "try: cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('pyspark', 'mlflow', 'sklearn', 'dagster', 'pandas') if name in sys.modules],"
        " file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[]"
