"""Secrets are planted wherever a user has them; after a failing run and a whole one, none of them is anywhere below `var/`."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from repro_assets import settings as settings_module
from repro_assets.pins.version_file import register
from repro_assets.sample.generate import generate
from repro_assets_tests.installation import Installation, wait_until

pytestmark = [pytest.mark.spark, pytest.mark.long]

# Put together here, so that this file can be captured; none opens anything.
PLANTED = {
    "a variable named so": "planted-" + "variable-1a2b",
    "the tracking server's password": "planted-" + "tracking-3c4d",
    "the git remote's token": "ghp_" + "pL4n" * 9,
    "a variable that the cluster file names": "planted-" + "cluster-5e6f",
    "a literal in a cluster file": "planted-" + "literal-7a8b",
    "the password among a JDBC address's settings": "planted-" + "jdbc-9c0d",
    "the name of a published file": "ghp_" + "nA5e" * 9,
}
VARIABLE, TRACKING, REMOTE, CLUSTER, LITERAL, JDBC, FILE = PLANTED.values()
SETTING = "spark.hadoop.repro.example.password"

# `repro run` whose last stage fails as a client does that repeats what it was given, in a message nobody can change.
FAILING = """
import os, sys
import psutil
from repro_assets import cli
from repro_assets.defs.assets import predictions

class ClientError(Exception):
    def __str__(self):
        return "no answer to " + os.environ["SERVICE_PASSWORD"] + " by " + os.environ["WAREHOUSE"]

def fail(*_):
    started = [one for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]
    commands = [" ".join(one.cmdline()) for one in started]
    print("on a command line:", any(os.environ["EXAMPLE_VALUE"] in one for one in commands), file=sys.stderr)
    try:
        raise ClientError
    except ClientError as error:
        raise RuntimeError("jdbc:db://me:" + os.environ["SERVICE_PASSWORD"] + "@host: " + str(error)) from error

predictions.predict = fail
cli.main()
"""


@contextmanager
def tracking_server(folder: Path) -> Iterator[str]:
    """A tracking server of its own on loopback; gives its address with the planted password."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(parents=True)
    program = Path(sys.executable).parent / "mlflow"
    command = [program, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    with open(folder / "server.log", "wb") as log:
        server = subprocess.Popen(
            [*map(str, command), *stores],
            stdout=log,
            stderr=log,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )

    def answers() -> bool | None:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0 or None

    try:
        wait_until(answers, seconds=400)
        yield f"http://me:{TRACKING}@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


def source_tree(folder: Path) -> Path:
    """A small project in git, whose remote has a token; with cluster files that name and that hold a secret."""
    here = settings_module.load({})
    folder.mkdir()
    for name in ("pyproject.toml", "dagster.yaml"):
        shutil.copy(here.project / name, folder / name)
    shutil.copytree(
        here.project / "repro_assets", folder / "repro_assets", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(here.envs / "conda", folder / "envs" / "conda")
    (folder / "envs" / "clusters").mkdir()
    for name, value in (("private-v1", {"env": "EXAMPLE_VALUE"}), ("leaky-v1", LITERAL)):
        document = json.loads((here.envs / "clusters" / "local-v1.json").read_text())
        document["spark_conf"][SETTING] = value
        (folder / "envs" / "clusters" / f"{name}.json").write_text(json.dumps(document, indent=2))
    register(folder / "envs")
    leaky = folder / "envs" / "clusters" / "leaky-v1.json"
    (folder / ".gitignore").write_text(f"{leaky.relative_to(folder)}\n")
    for command in (
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", f"https://oauth2:{REMOTE}@git.example.org/team/p.git"],
        ["add", "."],
        ["-c", "user.name=me", "-c", "user.email=me@example.org", "commit", "-qm", "The project"],
    ):
        subprocess.run(["git", "-C", str(folder), *command], check=True, capture_output=True)
    return folder


def found_below(folder: Path, secret: str) -> list[str]:
    """Files that hold a secret, by bytes; what is compressed is read as it was."""
    found = []
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content += gzip.decompress(content)
        if secret.encode() in content or secret.encode("utf-16-le") in content:
            found.append(str(path.relative_to(folder)))
    return found


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, dict[str, str]]]:
    """An installation after a refused, a failing and a whole run, and all that each command said."""
    folder = tmp_path_factory.mktemp("secrets")
    installation = Installation.make(folder)
    project = source_tree(folder / "project")
    feed = generate(folder / "feed", versions=1)
    with tracking_server(installation.var / "mlflow") as address:
        env = {
            "MLFLOW_TRACKING_URI": address,
            "REPRO_PROJECT": str(project),
            "REPRO_ENVS": str(project / "envs"),
            "SERVICE_PASSWORD": VARIABLE,
            "EXAMPLE_VALUE": CLUSTER,
            "WAREHOUSE": f"jdbc:sqlserver://db.example.org:1433;databaseName=people;user=me;password={JDBC}",
        }
        shutil.copy(settings_module.load({}).envs / "clusters" / "local-v1.json", project / "envs" / "clusters")
        register(project / "envs")
        installation.json("ingest", "covid_cases", *map(str, feed.covid_files), env=env)
        installation.json("ingest", "job_changes", *map(str, feed.job_files), env=env)
        key = installation.json("versions", env=env)["versions"][0]["key"]
        named = folder / f"{FILE}.csv.gz"
        shutil.copy(feed.covid_files[0], named)
        commands = {
            "named": installation.repro("ingest", "covid_cases", str(named), env=env),
            "refused": installation.repro("run", key, "--cluster", "leaky-v1", env=env),
            "unset": installation.repro("run", key, "--cluster", "private-v1", env={**env, "EXAMPLE_VALUE": ""}),
            "failing": subprocess.run(
                [sys.executable, "-c", FAILING, "run", key, "--cluster", "private-v1"],
                env=installation.environment(env),
                cwd=installation.var,
                capture_output=True,
                text=True,
                check=False,
            ),
            "whole": installation.repro("run", key, "--cluster", "private-v1", "--json", env=env),
            "shown": installation.repro("show", key, "--json", env=env),
            "again": installation.repro("backfill", key, "--cluster", "private-v1", env=env),
            "reproduced": installation.repro("reproduce", key, "--keep", env=env),
            "blocked": installation.repro("reproduce", key, env={**env, "EXAMPLE_VALUE": ""}),
            **{
                " ".join(words): installation.repro(*words, env=env)
                for words in (
                    ("preflight", key),
                    ("verify", "--all"),
                    ("vacuum", "covid_cases"),
                    ("gc",),
                    ("doctor",),
                )
            },
        }
        yield installation, {name: f"{done.returncode}\n{done.stdout}{done.stderr}" for name, done in commands.items()}


def test_the_runs_were_what_they_are_meant_to_be(said) -> None:
    _, outputs = said

    assert outputs["named"].startswith("2\n")
    assert "a published file's name holds what looks like a secret" in outputs["named"]
    assert outputs["refused"].startswith("2\n")
    assert f"the setting {SETTING} holds a secret" in outputs["refused"]
    assert outputs["unset"].startswith("2\n")
    assert "EXAMPLE_VALUE not set" in outputs["unset"]
    assert outputs["failing"].startswith("1\n")  # an error that is none of the project's: with its traceback
    assert "jdbc:db://***@host: no answer to (redacted) by jdbc:sqlserver://db.example.org" in outputs["failing"]
    assert outputs["whole"].startswith("0\n")


def test_what_follows_a_run_was_what_it_is_meant_to_be(said) -> None:
    _, outputs = said

    # The doctor misses the project's .env.
    expected = {"named": "2", "refused": "2", "unset": "2", "failing": "1", "blocked": "3", "doctor": "1"}
    wrong = [f"{name}: {text}" for name, text in outputs.items() if text.splitlines()[0] != expected.get(name, "0")]
    assert wrong == []
    assert "IDENTICAL" in outputs["reproduced"]
    assert "EXAMPLE_VALUE" in outputs["blocked"]


def test_the_secret_of_the_cluster_is_on_no_command_line(said) -> None:
    assert "on a command line: False" in said[1]["failing"]


def test_what_is_shown_names_the_variable_and_the_remote_without_its_token(said) -> None:
    assert "EXAMPLE_VALUE" in said[1]["shown"]
    assert "https://git.example.org/team/p.git" in said[1]["shown"]


@pytest.mark.parametrize("secret", PLANTED.values(), ids=list(PLANTED))
def test_no_planted_secret_is_anywhere_below_var(said, secret) -> None:
    assert found_below(said[0].var, secret) == []


@pytest.mark.parametrize("secret", PLANTED.values(), ids=list(PLANTED))
def test_no_planted_secret_was_said(said, secret) -> None:
    assert [name for name, output in said[1].items() if secret in output] == []


def test_the_search_finds_what_is_there(said, tmp_path) -> None:
    (tmp_path / "plain").write_text(f"x{VARIABLE}x")
    (tmp_path / "packed.gz").write_bytes(gzip.compress(VARIABLE.encode()))

    assert sorted(found_below(tmp_path, VARIABLE)) == ["packed.gz", "plain"]
    assert found_below(said[0].var, "covid_cases")
