"""Raw tables without a JVM: their history, and the checks before a row is read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from repro_assets.errors import DataDamaged, NoSuchVersion, PinChanged, TableReplaced, VersionExpired
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets_tests.unit.delta_log import (
    ADDED_ROWS,
    TABLE_ID,
    commit_file,
    log_file,
    metadata,
    write_commit,
    write_table,
)

TABLE = "covid_cases"
KEY = "covid_cases-v000001--job_changes-v000000"
OTHER_ID = "00000000-0000-4000-8000-000000000002"


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with one table of three commits."""
    folder = tmp_path / "lake"
    write_table(folder, TABLE, 1_000, 2_000, 3_000)
    return folder


def tables(lake: Path) -> RawTables:
    """As a process sees the lake that starts now."""
    return RawTables(lake=lake.as_uri())


def test_a_table_stands_below_raw(lake) -> None:
    assert tables(lake).uri(TABLE) == f"{lake.as_uri()}/raw/covid_cases"


def test_without_a_lake_the_tables_are_those_of_the_settings(lake, monkeypatch) -> None:
    monkeypatch.setenv("REPRO_LAKE", str(lake))

    assert RawTables().versions(TABLE) == [0, 1, 2]


def test_what_is_no_commit_does_not_count(lake) -> None:
    log = log_file(lake, TABLE, 0).parent
    for name in (
        "_last_checkpoint",
        "00000000000000000002.checkpoint.parquet",
        "00000000000000000003.json.tmp",
        ".00000000000000000002.json.crc",
        "00000000000000000002.crc",
        "3.json",
        "_commits",
    ):
        (log / name).write_bytes(b"")

    assert tables(lake).versions(TABLE) == [0, 1, 2]


def test_a_table_that_is_not_there_has_no_versions(lake) -> None:
    assert tables(lake).versions("job_changes") == []
    assert tables(lake).history("job_changes") == []


def test_the_history_holds_every_commit_in_order(lake) -> None:
    history = tables(lake).history(TABLE)

    assert [(commit.version, commit.timestamp) for commit in history] == [(0, 1_000), (1, 2_000), (2, 3_000)]


def test_histories_come_in_the_order_of_the_tables(lake) -> None:
    write_table(lake, "job_changes", 1_500)

    assert list(tables(lake).histories(["job_changes", TABLE])) == ["job_changes", TABLE]


@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 10], ids=["empty", "half", "zero bytes"])
def test_a_damaged_commit_is_named(lake, content) -> None:
    damaged = write_commit(lake, TABLE, 1, content)

    with pytest.raises(DataDamaged) as refused:
        tables(lake).history(TABLE)
    assert damaged.name in str(refused.value)


def test_a_commit_made_meanwhile_is_seen(lake) -> None:
    raw_tables = tables(lake)
    raw_tables.history(TABLE)
    write_commit(lake, TABLE, 3, commit_file(ADDED_ROWS, timestamp=4_000))

    assert [commit.version for commit in raw_tables.history(TABLE)] == [0, 1, 2, 3]


# --- pin and check ----------------------------------------------------------------------------------------------


def test_a_pin_says_which_commit_of_which_table(lake) -> None:
    pin = tables(lake).pin(TABLE, 1)

    assert dataclasses.asdict(pin) == {
        "table": TABLE,
        "uri": f"{lake.as_uri()}/raw/covid_cases",
        "table_id": TABLE_ID,
        "version": 1,
        "commit_sha256": tables(lake).commit(TABLE, 1).sha256,
        "timestamp": 2_000,
    }


@pytest.mark.parametrize("version", [3, 10**9, 10**17, -1], ids=str)
def test_a_version_out_of_range_is_refused_from_the_log_s_names_alone(lake, version) -> None:
    with pytest.raises(NoSuchVersion, match=r"no version -?\d+ .*expected 0 to 2"):
        tables(lake).pin(TABLE, version)


def test_a_far_version_of_a_real_table_is_refused_at_once(tmp_path) -> None:
    """delta-rs itself hangs on it."""
    write_deltalake((tmp_path / "raw" / TABLE).as_uri(), pa.table({"uid": [1]}))

    with pytest.raises(NoSuchVersion, match="expected 0 to 0"):
        tables(tmp_path).pin(TABLE, 10**9)


def test_a_table_that_is_not_there_is_refused_with_the_command_that_makes_it(lake) -> None:
    with pytest.raises(NoSuchVersion, match="repro ingest job_changes"):
        tables(lake).pin("job_changes", 0)


@pytest.mark.parametrize("gone", [0, 1], ids=["at the start", "in the middle"])
def test_a_version_whose_commit_is_gone_is_expired(lake, gone) -> None:
    log_file(lake, TABLE, gone).unlink()

    with pytest.raises(VersionExpired, match=f"version {gone} of covid_cases is gone"):
        tables(lake).pin(TABLE, gone)


def test_an_untouched_table_passes_the_check(lake) -> None:
    pin = tables(lake).pin(TABLE, 1)

    tables(lake).check(pin)


def test_a_later_commit_does_not_matter_to_a_pin(lake) -> None:
    pin = tables(lake).pin(TABLE, 1)
    write_commit(lake, TABLE, 3, commit_file(ADDED_ROWS, timestamp=4_000))

    tables(lake).check(pin)


def test_another_table_at_the_same_place_is_refused_with_both_ids(lake) -> None:
    pin = tables(lake).pin(TABLE, 1)
    write_table(lake, TABLE, 1_000, 2_000, 3_000, table_id=OTHER_ID)

    with pytest.raises(TableReplaced, match=f"stored {OTHER_ID}, expected {TABLE_ID}"):
        tables(lake).check(pin)


def test_a_rewritten_commit_is_refused_with_both_digests(lake) -> None:
    pin = tables(lake).pin(TABLE, 1)
    write_commit(lake, TABLE, 1, commit_file(ADDED_ROWS, timestamp=2_001))

    with pytest.raises(PinChanged, match=f"expected {pin.commit_sha256}"):
        tables(lake).check(pin)


def test_a_table_that_shrank_no_longer_has_the_pinned_version(lake) -> None:
    pin = tables(lake).pin(TABLE, 2)
    log_file(lake, TABLE, 2).unlink()

    with pytest.raises(NoSuchVersion, match="no version 2"):
        tables(lake).check(pin)


def test_the_table_s_id_is_the_newest_up_to_the_version(lake) -> None:
    write_commit(lake, TABLE, 2, commit_file(metadata(OTHER_ID), ADDED_ROWS, timestamp=3_000))

    assert tables(lake).pin(TABLE, 1).table_id == TABLE_ID
    assert tables(lake).pin(TABLE, 2).table_id == OTHER_ID


def test_the_table_s_id_is_found_in_a_checkpoint_where_the_log_was_cleaned(tmp_path) -> None:
    folder = tmp_path / "raw" / TABLE
    for number in range(3):
        write_deltalake(folder.as_uri(), pa.table({"uid": [number]}), mode="append")
    table = DeltaTable(folder.as_uri())
    table.create_checkpoint()
    log_file(tmp_path, TABLE, 0).unlink()
    log_file(tmp_path, TABLE, 1).unlink()

    assert tables(tmp_path).pin(TABLE, 2).table_id == str(table.metadata().id)


def test_a_version_that_nothing_leads_to_any_more_is_expired(lake) -> None:
    """Its own commit is there, but neither the commits before it nor a checkpoint."""
    log_file(lake, TABLE, 0).unlink()

    with pytest.raises(VersionExpired):
        tables(lake).pin(TABLE, 2)


def test_a_table_in_an_object_store_is_pinned_alike() -> None:
    from repro_assets.resources import storage

    root = "memory://test-raw-tables"
    where = storage.join(root, "raw", TABLE, "_delta_log", f"{0:020d}.json")
    storage.write_bytes(where, commit_file(metadata(), ADDED_ROWS, timestamp=5))
    try:
        assert RawTables(lake=root).pin(TABLE, 0).table_id == TABLE_ID
    finally:
        storage.remove(root)


# --- what a key means -------------------------------------------------------------------------------------------


def test_a_key_means_the_tables_that_stood_there_when_it_was_first_used(lake) -> None:
    first = tables(lake).pin_of_key(KEY, TABLE, 1)

    assert first == tables(lake).pin(TABLE, 1)
    assert tables(lake).pin_of_key(KEY, TABLE, 1) == first


def test_a_table_made_anew_does_not_take_over_the_keys_of_the_old_one(lake) -> None:
    tables(lake).pin_of_key(KEY, TABLE, 1)
    write_table(lake, TABLE, 1_000, 2_000, 3_000, table_id=OTHER_ID)

    with pytest.raises(TableReplaced):
        tables(lake).pin_of_key(KEY, TABLE, 1)


def test_a_commit_rewritten_after_a_key_was_used_is_refused(lake) -> None:
    tables(lake).pin_of_key(KEY, TABLE, 1)
    write_commit(lake, TABLE, 1, commit_file(ADDED_ROWS, timestamp=2_001))

    with pytest.raises(PinChanged):
        tables(lake).pin_of_key(KEY, TABLE, 1)


def test_a_key_that_was_never_used_means_what_stands_now(lake) -> None:
    tables(lake).pin_of_key(KEY, TABLE, 1)
    write_table(lake, TABLE, 1_000, 2_000, 3_000, table_id=OTHER_ID)

    assert tables(lake).pin_of_key(KEY.replace("v000001", "v000002", 1), TABLE, 2).table_id == OTHER_ID


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}"], ids=repr)
def test_a_damaged_record_of_a_key_is_refused_by_its_place(lake, content) -> None:
    tables(lake).pin_of_key(KEY, TABLE, 1)
    record = lake / "_pins" / KEY / f"{TABLE}.json"
    record.write_bytes(content)

    with pytest.raises(DataDamaged, match=f"_pins/{KEY}/{TABLE}.json"):
        tables(lake).pin_of_key(KEY, TABLE, 1)


def test_a_kept_key_is_marked_once(lake) -> None:
    tables(lake).keep(KEY)
    tables(lake).keep(KEY)

    assert json.loads((lake / "_pins" / KEY / "_kept.json").read_bytes()) == {"key": KEY}
