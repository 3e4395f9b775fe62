"""What stands in a lake and a capsule store is told apart, on real files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import filelock
import pyarrow as pa
import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import DataDamaged
from repro_assets.pins.leftovers import OutputName, is_old
from repro_assets.pins.output import Output
from repro_assets.resources.keeping.leftovers import (
    capsule_files,
    capsules_named,
    champions_used,
    complete_outputs,
    disk_use,
    is_held,
    named_outputs,
    staged_files,
    standing_outputs,
)
from repro_assets.resources.outputs.lake import Lake, new_attempt
from repro_assets_tests.unit.pins.run_records import KEY

NAME = OutputName("features", KEY, "1" * 64)


def write(lake: Lake, *, complete: bool) -> str:
    """An attempt of an output; returns its folder's name."""
    attempt = new_attempt(lake.folder(*vars(NAME).values()))
    part = lake.write_arrow(attempt, "features", pa.table({"a": [1]}))
    lineage = {"train_test_snapshot": {"identity": "s", "digest": "d"}}
    if complete:
        lake.complete(Output(*vars(NAME).values(), part.digest, (part,), {}, lineage, "m", "p", "d", "0" * 64))
    return attempt.rsplit("/", 1)[-1]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(uri=tmp_path.as_uri())


def test_attempts_beside_the_one_of_the_marker_are_idle(lake) -> None:
    idle = write(lake, complete=False)
    write(lake, complete=True)

    (found,) = standing_outputs(lake)

    assert (found.name, found.made_of) == (NAME, (OutputName("train_test_snapshot", KEY, "s"),))
    assert [folder.uri.rsplit("/", 1)[-1] for folder in found.idle] == [idle]
    assert found.folder.bytes > found.idle[0].bytes > 0


def test_a_result_that_differed_and_was_kept_beside_is_not_idle(lake) -> None:
    write(lake, complete=True)
    attempt = new_attempt(lake.folder(*vars(NAME).values()))
    part = lake.write_arrow(attempt, "features", pa.table({"a": [2]}))
    lake.keep_beside(Output(*vars(NAME).values(), part.digest, (part,), {}, {}, "m", "p", "d", "0" * 64))

    (found,) = standing_outputs(lake)
    assert found.idle == ()


def test_records_and_raw_tables_are_no_outputs(lake, tmp_path) -> None:
    for path in ("raw/covid_cases/a.parquet", "_pins/k/t.json", f"_pins/k/{'0' * 8}.json.{'a' * 32}.part"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"1")

    assert standing_outputs(lake) == []
    assert [file.uri.rsplit(".", 1)[-1] for file in staged_files(lake)] == ["part"]


def test_folders_of_other_names_and_stray_files_are_no_outputs(lake, tmp_path) -> None:
    strays = (
        "notes.txt",
        "notebooks/a/b/c.txt",
        "features/README",
        f"features/{KEY}/README",
        f"features/{KEY}/backup/attempt-{'0' * 32}/x",
        f"features/{KEY}/{'2' * 64}/mine.txt",
        f"features/old/{'2' * 64}/_COMPLETE.json",
    )
    for path in strays:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"1")
    write(lake, complete=True)

    assert [found.name for found in standing_outputs(lake)] == [NAME]
    assert complete_outputs(lake) == {NAME}


def test_a_marker_that_can_not_be_read_stops_everything(lake, tmp_path) -> None:
    write(lake, complete=True)
    (tmp_path / "features" / KEY / ("1" * 64) / "_COMPLETE.json").write_bytes(b"{")

    with pytest.raises(DataDamaged, match="marker can't be read"):
        standing_outputs(lake)


def run(run_id: str, **tags: str) -> SimpleNamespace:
    return SimpleNamespace(info=SimpleNamespace(run_id=run_id), data=SimpleNamespace(tags=tags))


STAGE = {"repro.asset": "model", "repro.data_version": KEY, "repro.identity": "m"}
RUNS = [
    run("1", **STAGE, **{"repro.manifest": "x", "repro.code.capsule": "c1"}),
    run("2", **{**STAGE, "repro.identity": "unfinished", "repro.code.capsule": "c2"}),
    run("3", **{"repro.data_version": "other", "repro.champion": "1"}),
]


def test_outputs_are_named_by_manifests_and_capsules_by_every_run() -> None:
    assert named_outputs(RUNS) == {OutputName("model", KEY, "m")}
    assert capsules_named(RUNS) == {"c1", "c2"}


def test_a_champion_is_used_as_long_as_predictions_of_it_are_kept() -> None:
    assert champions_used(RUNS, ()) == {OutputName("model", KEY, "m")}
    assert champions_used(RUNS, {"other"}) == set()


def test_only_files_named_like_capsules_are_capsules(tmp_path) -> None:
    for name in (f"{'a' * 64}.tar.gz", f"{'a' * 64}.0123.patch", "notes.txt", ".capsule.x"):
        (tmp_path / name).write_bytes(b"1")

    assert sorted(capsule_files(tmp_path)) == [f"{'a' * 64}.0123.patch", f"{'a' * 64}.tar.gz"]
    assert capsule_files(tmp_path / "nowhere") == {}


def test_a_key_is_held_while_somebody_has_its_lock(tmp_path) -> None:
    here = settings_module.load({"REPRO_VAR": str(tmp_path)})
    assert not is_held(KEY, here)
    (tmp_path / "locks").mkdir()
    with filelock.FileLock(tmp_path / "locks" / f"key-{KEY}.lock"):
        assert is_held(KEY, here)
    assert not is_held(KEY, here)


def test_disk_use_is_told_by_what_it_is_for(tmp_path) -> None:
    here = settings_module.load({"REPRO_VAR": str(tmp_path)})
    lake = Lake(uri=here.lake)
    write(lake, complete=True)
    (tmp_path / "lake" / "raw" / "covid_cases").mkdir(parents=True)
    (tmp_path / "lake" / "raw" / "covid_cases" / "a.parquet").write_bytes(b"123")
    (tmp_path / "capsules").mkdir()
    (tmp_path / "capsules" / "a").write_bytes(b"12")

    found = disk_use(here, lake)
    assert (found["raw covid_cases"], found["capsules"]) == (3, 2)
    assert found["features"] > 0


def test_what_was_written_at_a_time_nobody_knows_is_not_old() -> None:
    now = datetime.now(UTC)
    assert [is_old(moment, now) for moment in (None, now, now - timedelta(days=1))] == [False, False, True]
