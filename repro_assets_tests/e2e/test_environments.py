"""The committed environments, for real: resolved, made, and able to run this project's sources. Downloads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets import settings
from repro_assets.pins.environment import parse_lock
from repro_assets.resources.environments.uv_tool import find_uv
from repro_assets.sample.generate import generate
from repro_assets_tests.installation import Installation

PROJECT = Path(__file__).parents[2]
# As a reproduction has it: the environment's interpreter alone, the sources first on its path.
IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import repro_assets, sklearn
for module in pkgutil.walk_packages(repro_assets.__path__, "repro_assets."):
    importlib.import_module(module.name)
print(sklearn.__version__)
"""


@pytest.fixture(scope="module", autouse=True)
def _uv() -> None:
    if find_uv(PROJECT) is None:
        pytest.skip("uv is neither on PATH nor in .tools: `make setup` installs it")


def lock(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    uv = find_uv(PROJECT)
    assert uv is not None
    path = f"{uv.parent}{os.pathsep}{os.environ['PATH']}"
    command = [str(folder / "scripts/lock.sh"), *arguments]
    return subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)


@pytest.fixture
def tree(tmp_path) -> Path:
    """What locks are resolved from, without the second environment."""
    for folder in ("envs", "scripts"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    (tmp_path / "repro_assets").mkdir()
    for name in ("pyproject.toml", "README.md", "repro_assets/settings.py"):
        shutil.copy(PROJECT / name, tmp_path / name)
    for path in (tmp_path / "envs/conda").glob("ml-v2.*"):
        path.unlink()
    return tmp_path


@pytest.mark.slow
def test_the_second_environment_is_what_the_committed_command_resolves(tree) -> None:
    done = lock(tree, "ml-v2", "scikit-learn==1.8.0")

    assert done.returncode == 0, done.stderr
    found, committed = (parse_lock((root / "envs/conda/ml-v2.lock").read_text()) for root in (tree, PROJECT))
    # Not the hashes: a publisher may add a file for another platform to a version.
    assert [(one.name, one.version, one.marker) for one in found] == [
        (one.name, one.version, one.marker) for one in committed
    ]
    assert (tree / "envs/conda/ml-v2.yaml").read_text() == (PROJECT / "envs/conda/ml-v2.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("ml-v1", "give a new name"), ("../ml-v3", "a name is of"), ("Ml", "a name is of")],
    ids=["there already", "a path", "capitals"],
)
def test_a_lock_is_never_resolved_under_a_name_that_is_taken_or_none(tree, name, reason) -> None:
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}

    done = lock(tree, name, "scikit-learn==1.8.0")

    assert (done.returncode, reason in done.stderr) == (2, True)
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == before


def made(name: str) -> Path:
    """The interpreter of an environment; in the project's own `var`, so that it is made once and not by every call."""
    environ = {**os.environ, "REPRO_VAR": str(settings.load({}).var)}

    def env(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "repro_assets.cli", "env", *arguments]
        return subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, check=False)

    done, checked = env("make", name), env("check", name)
    assert done.returncode == 0, done.stderr
    assert (checked.returncode, "as its lock says" in checked.stderr) == (0, True), checked.stderr
    return Path(done.stderr.splitlines()[-1].rsplit(", ", 1)[1])


@pytest.mark.builds
def test_the_second_environment_can_be_made_checked_and_imports_every_module_of_this_project() -> None:
    python = made("ml-v2")
    done = subprocess.run(
        [python, "-I", "-c", IMPORT_ALL, str(PROJECT)], cwd="/", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1.8.0\n"), done.stderr


@pytest.mark.builds
@pytest.mark.spark
def test_a_run_made_under_one_environment_is_identical_from_it_while_another_is_live(tmp_path: Path) -> None:
    own, live = made("ml-v1"), made("ml-v2")
    installation, feed = Installation.make(tmp_path / "state"), generate(tmp_path / "feed", versions=1)
    for table, files in (("covid_cases", feed.covid_files), ("job_changes", feed.job_files)):
        installation.json("ingest", table, *map(str, files))
    (run,) = installation.json("backfill", "--all")["runs"]
    command = [str(live), "-P", "-m", "repro_assets.cli", "reproduce", run["key"], "--strict", "--json"]
    environ = {**installation.environment(), "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    started = next(line for line in done.stderr.splitlines() if line.startswith("capsule "))
    assert started.endswith("/".join(own.parts[-3:]))
    assert "InconsistentVersionWarning" not in done.stderr
    assert json.loads(done.stdout)["verdict"] == "IDENTICAL"


@pytest.mark.builds
@pytest.mark.spark
def test_a_run_under_the_other_environment_says_what_that_does_and_names_the_package(tmp_path: Path) -> None:
    made("ml-v1")
    made("ml-v2")
    installation, feed = Installation.make(tmp_path / "state"), generate(tmp_path / "feed", versions=1)
    for table, files in (("covid_cases", feed.covid_files), ("job_changes", feed.job_files)):
        installation.json("ingest", table, *map(str, files))
    (run,) = installation.json("backfill", "--all")["runs"]
    done = installation.repro("reproduce", run["key"], "--with", "environment=ml-v2", "--json")
    found = json.loads(done.stdout)
    assert found["swapped"] == ["environment"]
    assert found["components"]["environment"]["found"]["name"] == "ml-v2"
    changed = found["changes"]["environment"]["packages"]["changed"]
    assert changed["scikit-learn"] == {"from": "1.9.1", "to": "1.8.0"}
    if found["verdict"] == "DIVERGED":
        assert (done.returncode, found["first_difference"]) == (1, "model")
    else:
        assert (done.returncode, found["verdict"]) in ((0, "IDENTICAL"), (0, "EQUIVALENT"))
        assert found["largest_difference"] is not None
