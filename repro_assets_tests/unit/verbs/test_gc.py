"""`repro gc` removes what its plan says and what nobody came to since, and can die at any side effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import filelock
import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import Outside
from repro_assets.pins.leftovers import Garbage
from repro_assets.resources import storage
from repro_assets.settings import Settings
from repro_assets.verbs.gc import GcPlan, gc, of_keys
from repro_assets_tests.unit.pins.run_records import KEY

MARKER = "_COMPLETE.json"


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return settings_module.load({"REPRO_VAR": str(tmp_path)})


def output(here: Settings, identity: str) -> Path:
    folder = here.var / "lake" / "features" / KEY / (identity * 64)
    (folder / "attempt-1").mkdir(parents=True)
    (folder / "attempt-1" / "part.parquet").write_bytes(b"1")
    (folder / MARKER).write_bytes(b"{}")
    return folder


def planned(*folders: Path, runs: frozenset[str] = frozenset()) -> GcPlan:
    return GcPlan(tuple(Garbage(f"file://{folder}", 1, "why") for folder in folders), (), (), (), {}, runs)


def nobody(_: str) -> set[str]:
    return set()


def test_what_the_plan_says_goes(here) -> None:
    goes, stays = output(here, "1"), output(here, "2")

    assert gc(planned(goes), here, nobody) == []
    assert (goes.exists(), stays.exists()) == (False, True)


def test_of_some_data_versions_only_their_outputs_go(here) -> None:
    kept = (Garbage("file:///capsule", 1, "why"),)
    everything = replace(planned(output(here, "1")), capsules=kept, workspaces=kept)

    assert of_keys(everything, {KEY}, here).everything == everything.outputs
    assert of_keys(everything, {"another"}, here).everything == ()


def test_workspaces_that_the_plan_does_not_name_stay(here) -> None:
    workspace = here.var / "reproductions" / "1"
    workspace.mkdir(parents=True)

    gc(planned(), here, nobody)
    assert workspace.exists()


def test_a_data_version_that_a_run_recorded_since_is_left_alone(here) -> None:
    folder = output(here, "1")

    assert gc(planned(folder, runs=frozenset({"old"})), here, lambda _: {"old", "new"}) == [KEY]
    assert (folder / MARKER).exists()


def test_a_data_version_whose_lock_is_held_is_left_alone(here) -> None:
    folder = output(here, "1")
    (here.var / "locks").mkdir()
    with filelock.FileLock(here.var / "locks" / f"key-{KEY}.lock"):
        assert gc(planned(folder), here, nobody) == [KEY]
    assert folder.exists()


def test_the_lock_is_held_while_an_output_goes(here, monkeypatch) -> None:
    seen = []

    def remove(_: str) -> None:
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(here.var / "locks" / f"key-{KEY}.lock").acquire(timeout=0)
        seen.append(1)

    monkeypatch.setattr(storage, "remove", remove)
    gc(planned(output(here, "1")), here, nobody)
    assert len(seen) == 2


def dying_at(number: int, remove: Callable[[str], None]) -> Callable[[str], None]:
    calls = iter(range(1, 100))

    def die(uri: str) -> None:
        if next(calls) == number:
            raise Outside("the store went away", where=uri)
        remove(uri)

    return die


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_killed_at_any_removal_no_output_is_half_there_under_its_marker_and_the_next_gc_ends_it(
    here, monkeypatch, number
) -> None:
    folders = [output(here, "1"), output(here, "2")]
    with monkeypatch.context() as patched:
        patched.setattr(storage, "remove", dying_at(number, storage.remove))
        with pytest.raises(Outside, match="went away"):
            gc(planned(*folders), here, nobody)

    for folder in folders:
        assert not (folder / MARKER).exists() or (folder / "attempt-1" / "part.parquet").exists()
    gc(planned(*folders), here, nobody)
    assert not any(folder.exists() for folder in folders)
