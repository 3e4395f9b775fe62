"""Workspaces of reproductions: made for one process, removed with it, and told to whoever wants to take its data away."""

from __future__ import annotations

import dataclasses
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets.errors import Outside
from repro_assets.pins.retention import Holder
from repro_assets.resources.process_owner import owner_of
from repro_assets.resources.reproduction.workspaces import note_child, of_reproductions, workspace
from repro_assets.settings import Settings
from repro_assets.settings import load as load_settings

KEY = "covid_cases-v000003--job_changes-v000001"
GONE = {"host": socket.gethostname(), "pid": 2**22 - 1, "started": 1.0}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"REPRO_VAR": str(tmp_path / "var")})


def test_a_workspace_is_removed_whatever_happens_in_it(settings: Settings) -> None:
    def fail() -> None:
        with workspace(settings, KEY) as place:
            assert place.folder.is_dir()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list((settings.var / "reproductions").iterdir()) == []


def test_a_workspace_that_is_to_be_kept_stays_whoever_comes_later(settings: Settings, tmp_path: Path) -> None:
    keeps = f"""
import pathlib
from repro_assets.resources.reproduction.workspaces import workspace
from repro_assets.settings import load
with workspace(load({{"REPRO_VAR": {str(settings.var)!r}}}), {KEY!r}, keep=True) as place:
    pathlib.Path({str(tmp_path / "kept")!r}).write_text(str(place.folder))
"""
    subprocess.run([sys.executable, "-c", keeps], check=True)
    kept = Path((tmp_path / "kept").read_text())
    with workspace(settings, KEY):
        assert kept.is_dir()


def test_the_old_process_of_a_killed_command_is_ended_by_whoever_comes_next(settings: Settings) -> None:
    abandoned = settings.var / "reproductions" / "abandoned"
    abandoned.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as old:
        owner = {**GONE, "child": owner_of(old.pid)}
        (abandoned / "owner.json").write_text(json.dumps(owner))
        with workspace(settings, KEY):
            assert not abandoned.exists()
        assert old.wait(30) == -signal.SIGKILL


def test_a_workspace_is_nobody_elses(settings: Settings) -> None:
    with workspace(settings, KEY) as place:
        assert place.folder.stat().st_mode & 0o077 == 0


def test_workspaces_of_processes_that_are_gone_are_removed_and_no_other(settings: Settings) -> None:
    root = settings.var / "reproductions"
    owners = {
        "gone": GONE,
        "elsewhere": {"host": "another-host", "pid": 1, "started": 1.0},
    }
    for name, owner in owners.items():
        (root / name).mkdir(parents=True)
        (root / name / "owner.json").write_text(json.dumps(owner))
    (root / "being made").mkdir()
    with workspace(settings, KEY) as place:
        assert sorted(path.name for path in root.iterdir()) == sorted(["being made", "elsewhere", place.folder.name])


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "file").touch()
    nowhere = dataclasses.replace(settings, var=tmp_path / "file")
    with pytest.raises(Outside, match="a workspace can't be made"), workspace(nowhere, KEY):
        pass


def test_a_reproduction_under_way_needs_its_data_version(settings: Settings) -> None:
    root = settings.var / "reproductions"
    with workspace(settings, KEY) as place:
        with subprocess.Popen([sys.executable, "-c", ""]) as child:
            note_child(place, child.pid)
        [holder] = of_reproductions(root)
        assert (holder.key, holder.running) == (KEY, True)
        assert "reproduction of process" in holder.who
    assert of_reproductions(root) == []


def test_a_reproduction_whose_process_is_gone_needs_nothing_and_one_of_another_host_may(settings: Settings) -> None:
    root = settings.var / "reproductions"
    for name, owner in {"gone": GONE, "elsewhere": {**GONE, "host": "another-host"}}.items():
        (root / name).mkdir(parents=True)
        (root / name / "owner.json").write_text(json.dumps({**owner, "data_version": KEY}))
    who = f"the reproduction of process {GONE['pid']} on another-host, under way"
    assert of_reproductions(root) == [Holder(KEY, who, running=True)]
