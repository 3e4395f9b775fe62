"""Environments as they are listed, checked, and gone on in."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets.errors import BadInput, DataDamaged, EnvironmentUnavailable
from repro_assets.pins.version_file import register
from repro_assets.resources.environments.conda_env import load_environment
from repro_assets.settings import Settings
from repro_assets.verbs.environments import (
    CheckedEnvironment,
    check_environments,
    list_environments,
    make_environment,
    pin_of,
    require_whole,
)

PROJECT = Path(__file__).parents[3]
MINOR = f"3.{sys.version_info[1]}"
YAML = "name: NAME\ndependencies:\n  - python >=3.11,<3.13\n  - openjdk >=17,<22\n"
MISSING = f"no-such-package==1.0 --hash=sha256:{'a' * 64}\n"
PRESENT = f"pytest=={pytest.__version__} --hash=sha256:{'a' * 64}\n"
# What stands in for the interpreter of an environment: it says how it was started.
ECHO = '#!/bin/sh\nprintf "%s\\n" "$@" "PYTHONPATH=$PYTHONPATH"\n'
KEY = "covid_cases-v000000--job_changes-v000000"


@pytest.fixture
def here(state: Settings, tmp_path, monkeypatch) -> Settings:
    """An installation with two environments, `other` and `present`, the second of which runs; Java is 17."""
    (tmp_path / "envs/conda").mkdir(parents=True)
    for name, lock in (("other", MISSING), ("present", PRESENT)):
        (tmp_path / f"envs/conda/{name}.yaml").write_text(YAML.replace("NAME", name))
        (tmp_path / f"envs/conda/{name}.lock").write_text(lock)
    register(tmp_path / "envs")
    (tmp_path / "jdk/bin").mkdir(parents=True)
    (tmp_path / "jdk/bin/java").touch(0o755)
    (tmp_path / "jdk/release").write_text('JAVA_VERSION="17.0.1"\n')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    return dataclasses.replace(state, envs=tmp_path / "envs")


def make_fake(name: str, here: Settings) -> Path:
    """A folder that counts as made, whose interpreter is a script."""
    env = load_environment(name, here)
    pin = pin_of(env, MINOR, 17)
    home = here.var / "envs" / f"{name}-{pin.digest[:16]}"
    (home / "bin").mkdir(parents=True)
    (home / "bin/python").write_text(ECHO)
    (home / "bin/python").chmod(0o755)
    (home / "environment.yaml").write_text(env.yaml)
    (home / "environment.lock").write_text(env.lock)
    marker = {"schema": "repro-made-environment/1", "pin": dataclasses.asdict(pin), "packages": 1}
    (home / "made.json").write_text(json.dumps(marker))
    return home


def test_every_environment_is_listed_with_what_is_made_and_what_runs(here) -> None:
    home = make_fake("other", here)

    rows = list_environments(here)

    assert [(row.name, row.running, row.made, row.where) for row in rows] == [
        ("other", False, True, str(home)),
        ("present", True, False, None),
    ]
    assert [(row.python, row.java, row.packages, row.committed) for row in rows] == [(MINOR, 17, 1, True)] * 2


def test_an_environment_made_for_an_old_run_is_listed_though_its_files_are_gone(here) -> None:
    make_fake("other", here)
    (here.envs / "conda/other.yaml").unlink()

    rows = list_environments(here)

    assert [(row.name, row.committed) for row in rows] == [("present", True), ("other", False)]


def test_an_environment_that_is_made_is_left_as_it_is(here) -> None:
    home = make_fake("other", here)

    made, is_new = make_environment("other", None, here, pytest.fail)

    assert (made.home, is_new) == (home, False)


def test_an_environment_that_is_not_made_can_not_be_checked(here) -> None:
    with pytest.raises(EnvironmentUnavailable, match="`repro env make other` makes it"):
        check_environments("other", None, here)
    with pytest.raises(EnvironmentUnavailable, match=r"`repro env make other --python 3\.12` makes it"):
        check_environments("other", "3.12", here)
    with pytest.raises(BadInput, match="one of other, present"):
        check_environments("neither", None, here)


def test_an_environment_whose_interpreter_does_not_answer_is_refused(here) -> None:
    make_fake("other", here)

    with pytest.raises(EnvironmentUnavailable, match="can't be started"):
        check_environments("other", None, here)


def test_a_mismatch_is_an_error_with_exit_code_1(here) -> None:
    home = make_fake("other", here)
    # This interpreter, whose packages are elsewhere: nothing that the lock asks for is in the folder.
    (home / "bin/python").unlink()
    (home / "bin/python").symlink_to(sys.executable)

    (checked,) = check_environments("other", None, here)

    assert [one.kind for one in checked.mismatches] == ["missing"]
    with pytest.raises(DataDamaged, match=r"no-such-package missing, expected 1\.0") as refused:
        require_whole([checked])
    assert refused.value.exit_code == 1
    require_whole([CheckedEnvironment(checked.made, ())])


def repro(here: Settings, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "repro_assets.cli", *arguments],
        cwd=PROJECT,
        env={**os.environ, "REPRO_VAR": str(here.var), "REPRO_ENVS": str(here.envs), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("verb", ["run", "backfill"])
def test_a_command_goes_on_in_the_environment_that_was_asked_for(here, verb) -> None:
    home = make_fake("other", here)

    done = repro(here, verb, KEY, "--environment", "other", "--json", PYTHONPATH="/else/where")

    started = ["-P", "-m", "repro_assets.cli", verb, KEY, "--environment", "other", "--json"]
    assert done.stdout.splitlines() == [*started, f"PYTHONPATH={PROJECT}{os.pathsep}/else/where"]
    assert done.stderr == f"carried out in other: {home}/bin/python\n"


@pytest.mark.parametrize(
    "arguments",
    [["--environment", "present"], ["--environment", "other", "--record"]],
    ids=["the running one", "mismatches are to be written down"],
)
def test_a_command_stays_where_it_is(here, arguments) -> None:
    for name in ("other", "present"):
        make_fake(name, here)

    done = repro(here, "run", KEY, *arguments)

    assert done.stdout == ""
    assert "carried out" not in done.stderr
    assert done.returncode in (2, 3)


def test_the_documents_of_the_commands_carry_their_schemas(here) -> None:
    make_fake("other", here)

    listed, made = (json.loads(repro(here, "env", *words, "--json").stdout) for words in (["list"], ["make", "other"]))

    assert listed["schema"] == "repro-env-list/1"
    assert [row["name"] for row in listed["environments"]] == ["other", "present"]
    assert (made["schema"], made["state"], made["name"]) == ("repro-env-make/1", "was made before", "other")


def test_the_command_that_checks_says_what_differs_and_exits_1(here) -> None:
    home = make_fake("other", here)
    (home / "bin/python").unlink()
    (home / "bin/python").symlink_to(sys.executable)

    done = repro(here, "env", "check", "other", "--json")

    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["schema"] == "repro-env-check/1"
    assert document["environments"][0]["mismatches"][0]["package"] == "no-such-package"
    assert done.stderr.startswith("repro: the environment is not its lock, 1 mismatches")


def test_what_is_listed_for_people_names_the_command_that_makes_what_is_missing(here) -> None:
    done = repro(here, "env", "list")

    assert done.stdout == ""
    assert "`repro env make other`" in done.stderr
