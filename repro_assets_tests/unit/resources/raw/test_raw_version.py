"""Whether a pinned version can still be read is found from log and files alone, on real Delta tables."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from repro_assets.errors import DataDamaged
from repro_assets.pins.data import CommitPin
from repro_assets.pins.preflight import Finding, judge
from repro_assets.resources.raw import delta_log
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.raw_version import examine
from repro_assets.resources.raw.table_files import files_of_version

TABLE = "covid_cases"
DECADE = {
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.deletedFileRetentionDuration": "interval 3650 days",
}


def made(lake: Path, *, versions: int = 3, properties: dict[str, str] = DECADE) -> Path:
    """A table, each version replacing the rows of the one before, in partitions whose names need escapes."""
    folder = lake / "raw" / TABLE
    for version in range(versions):
        rows = pa.table({"cases": [version, version + 1], "county": ["St. Mary's %1", "a b"]})
        write_deltalake(folder, rows, mode="overwrite", partition_by=["county"], configuration=properties)
    return folder


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    made(tmp_path / "lake")
    return tmp_path / "lake"


def pinned(lake: Path, version: int) -> CommitPin:
    return RawTables(lake=lake.as_uri()).pin(TABLE, version)


def found(lake: Path, pin: CommitPin) -> Finding:
    """As a process sees the lake that starts now."""
    return examine(RawTables(lake=lake.as_uri()), pin, datetime.now(UTC))


def names(finding: Finding) -> list[str]:
    return [reason.partition(":")[0] for reason in finding.reasons]


def data_files(lake: Path, version: int) -> list[Path]:
    folder = lake / "raw" / TABLE
    paths = pa.table(DeltaTable(folder, version=version).get_add_actions()).column("path").to_pylist()
    return [folder / unquote(path) for path in paths]


def commit_file(lake: Path, version: int) -> Path:
    return lake / "raw" / TABLE / "_delta_log" / f"{version:020d}.json"


def backdate(lake: Path, version: int, days: float) -> None:
    moment = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    os.utime(commit_file(lake, version), (moment, moment))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_version_whose_files_are_all_there_can_be_read(lake, version) -> None:
    assert found(lake, pinned(lake, version)).reasons == ()


def test_until_when_follows_from_the_commit_and_the_tables_retention(lake) -> None:
    backdate(lake, 0, 10)

    until = judge([found(lake, pinned(lake, 0))]).until

    assert until == (datetime.now(UTC) + timedelta(days=3640)).date()


def test_the_newest_version_has_no_day(lake) -> None:
    assert judge([found(lake, pinned(lake, 2))]).words == "ready"


def test_a_version_too_old_for_a_table_without_properties_is_blocked(tmp_path) -> None:
    made(tmp_path, properties={})
    for version in range(3):
        backdate(tmp_path, version, 8)

    assert names(found(tmp_path, pinned(tmp_path, 1))) == ["VersionExpired"]
    assert found(tmp_path, pinned(tmp_path, 2)).reasons == ()


def test_a_data_file_that_is_gone_is_named_for_the_versions_that_need_it(lake) -> None:
    pin = pinned(lake, 1)
    gone = data_files(lake, 1)[0]
    gone.unlink()

    (reason,) = found(lake, pin).reasons
    assert reason.startswith("VersionExpired: 1 of 2 data files of covid_cases@1 are gone")
    assert gone.name in reason
    assert found(lake, pinned(lake, 2)).reasons == ()


def test_a_data_file_of_another_size_is_damage(lake) -> None:
    pin = pinned(lake, 1)
    with open(data_files(lake, 1)[0], "ab") as file:
        file.write(b"x")

    assert names(found(lake, pin)) == ["DataDamaged"]


def test_one_file_gone_and_one_damaged_are_both_said(lake) -> None:
    first, second = data_files(lake, 1)
    first.unlink()
    second.write_bytes(b"")

    assert names(found(lake, pinned(lake, 1))) == ["VersionExpired", "DataDamaged"]


def test_a_commit_file_that_is_gone_takes_its_version(lake) -> None:
    pin = pinned(lake, 1)
    commit_file(lake, 1).unlink()

    assert names(found(lake, pin)) == ["VersionExpired"]


def test_a_commit_file_that_is_gone_takes_the_later_versions_too(lake) -> None:
    pin = pinned(lake, 2)
    commit_file(lake, 1).unlink()

    reasons = found(lake, pin).reasons
    assert "its log has a gap" in reasons[0]
    assert "first 1" in reasons[0]


def test_behind_a_checkpoint_commits_are_not_needed(lake) -> None:
    DeltaTable(lake / "raw" / TABLE).create_checkpoint()
    pin = pinned(lake, 2)
    commit_file(lake, 0).unlink()
    commit_file(lake, 1).unlink()

    assert found(lake, pin).reasons == ()


def test_a_rewritten_commit_is_another_one(lake) -> None:
    pin = pinned(lake, 1)
    commit_file(lake, 1).write_bytes(commit_file(lake, 1).read_bytes() + b"\n")

    assert names(found(lake, pin)) == ["PinChanged"]


def test_another_table_at_the_same_place_is_named_and_nothing_else_of_it(lake) -> None:
    pin = pinned(lake, 1)
    shutil.rmtree(lake / "raw" / TABLE)
    made(lake)

    assert names(found(lake, pin)) == ["TableReplaced"]


def test_a_rewritten_commit_and_a_file_that_is_gone_are_both_said(lake) -> None:
    pin = pinned(lake, 1)
    commit_file(lake, 1).write_bytes(commit_file(lake, 1).read_bytes() + b"\n")
    data_files(lake, 1)[0].unlink()

    assert names(found(lake, pin)) == ["PinChanged", "VersionExpired"]


@pytest.mark.parametrize("kept", [0, 1], ids=["the table is gone", "the table was rolled back"])
def test_a_version_out_of_range_is_never_asked_of_the_engine(lake, kept) -> None:
    pin = pinned(lake, 2)
    if kept:
        commit_file(lake, 2).unlink()
    else:
        shutil.rmtree(lake / "raw" / TABLE)

    assert names(found(lake, pin)) == ["NoSuchVersion"]


def test_a_newest_commit_that_can_not_be_read_blocks_the_older_ones_since_every_reader_begins_there(lake) -> None:
    pin = pinned(lake, 0)
    commit_file(lake, 2).write_bytes(b"{")

    assert names(found(lake, pin)) == ["DataDamaged"]


def test_a_checkpoint_with_a_flipped_bit_is_damage_with_its_file_or_leads_to_the_same_files(lake) -> None:
    DeltaTable(lake / "raw" / TABLE).create_checkpoint()
    (checkpoint,) = (lake / "raw" / TABLE / "_delta_log").glob("*.checkpoint.parquet")
    pin, whole, before = pinned(lake, 2), checkpoint.read_bytes(), files_of_version((lake / "raw" / TABLE).as_uri(), 2)

    damaged = 0
    for position in range(0, len(whole), len(whole) // 60):
        content = bytearray(whole)
        content[position] ^= 1
        checkpoint.write_bytes(content)
        try:
            now = files_of_version((lake / "raw" / TABLE).as_uri(), 2)
        except DataDamaged as error:
            damaged += checkpoint.name in str(error.where)
            assert any(checkpoint.name in reason for reason in found(lake, pin).reasons)
        else:
            # Other bits are of what no file is found by: statistics, tombstones, the writer's name.
            assert now == before or found(lake, pin).reasons
    assert damaged


CHECKPOINTS = {
    "one file": ["00000000000000000005.checkpoint.parquet"],
    "two parts": [f"00000000000000000005.checkpoint.000000000{part}.0000000002.parquet" for part in (1, 2)],
    "one with a UUID": ["00000000000000000005.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json"],
}


def log_of(tmp_path: Path, names: list[str]) -> str:
    (tmp_path / "_delta_log").mkdir()
    for name in [*names, "00000000000000000006.json"]:
        (tmp_path / "_delta_log" / name).write_bytes(b"")
    return tmp_path.as_uri()


@pytest.mark.parametrize("names", CHECKPOINTS.values(), ids=CHECKPOINTS.keys())
def test_a_version_is_complete_from_its_checkpoint_on(tmp_path, names) -> None:
    assert delta_log.missing_for(log_of(tmp_path, names), 6) == []


@pytest.mark.parametrize(
    "names",
    [CHECKPOINTS["two parts"][:1], ["00000000000000000005.checkpoint.parquet.tmp"], ["_last_checkpoint"]],
    ids=["half a checkpoint", "one being written", "a hint only"],
)
def test_without_a_whole_checkpoint_all_commits_are_needed(tmp_path, names) -> None:
    assert delta_log.missing_for(log_of(tmp_path, names), 6) == [0, 1, 2, 3, 4, 5]


def test_a_checkpoint_of_a_later_version_leads_to_no_earlier_one(tmp_path) -> None:
    assert delta_log.missing_for(log_of(tmp_path, CHECKPOINTS["one file"]), 4) == [0, 1, 2, 3, 4]
