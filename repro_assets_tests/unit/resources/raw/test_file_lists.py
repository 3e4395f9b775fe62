"""Every file behind a pinned version has its SHA-256 recorded, and a changed bit in any of them is found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from repro_assets.errors import DataDamaged, VersionExpired
from repro_assets.pins.data import CommitPin, DataPin, RowsPin
from repro_assets.resources.raw import file_lists
from repro_assets.resources.raw.file_lists import known_list, record_list, wrong_bytes
from repro_assets.resources.raw.raw_tables import RawTables

TABLE = "covid_cases"


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A table of three appended versions."""
    for version in range(3):
        write_deltalake(tmp_path / "raw" / TABLE, pa.table({"cases": [version]}), mode="append")
    return tmp_path


def tables(lake: Path) -> RawTables:
    """As a process sees the lake that starts now."""
    return RawTables(lake=lake.as_uri())


def pin(lake: Path, version: int) -> CommitPin:
    return tables(lake).pin(TABLE, version)


def data_files(lake: Path, version: int) -> list[Path]:
    return [Path(uri) for uri in DeltaTable(lake / "raw" / TABLE, version=version).file_uris()]


def flip(path: Path, position: int = 60) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_the_list_names_every_data_file_of_the_version(lake) -> None:
    recorded = record_list(tables(lake), pin(lake, 1))

    assert sorted(file.path for file in recorded.files) == sorted(path.name for path in data_files(lake, 1))
    assert known_list(tables(lake), pin(lake, 1)) == recorded
    assert known_list(tables(lake), pin(lake, 2)) is None


def test_the_pin_holds_the_digest_of_the_list_and_its_document_says_so(lake) -> None:
    rows = RowsPin("f" * 64, 2, (("cases", "int64"),))
    pinned = tables(lake).with_files(DataPin(pin(lake, 1), rows))

    assert pinned.files_sha256 == record_list(tables(lake), pin(lake, 1)).digest()
    assert DataPin.from_document(pinned.as_document()) == pinned


def test_a_pin_of_before_there_were_lists_has_no_such_entry(lake) -> None:
    pinned = DataPin(pin(lake, 1), RowsPin("f" * 64, 2, ()))

    assert "files_sha256" not in pinned.as_document()
    assert DataPin.from_document(pinned.as_document()).files_sha256 is None


def test_files_that_a_neighbouring_version_has_are_not_hashed_again(lake, monkeypatch) -> None:
    hashed: list[str] = []
    really = file_lists.sha256_of

    def counted(uri: str) -> Any:
        hashed.append(uri)
        return really(uri)

    monkeypatch.setattr(file_lists, "sha256_of", counted)
    for version in (1, 2, 0):
        record_list(tables(lake), pin(lake, version))

    assert len(hashed) == len(set(hashed)) == 6  # three data files and their commits


def test_a_flipped_bit_is_found_with_file_expected_and_found(lake) -> None:
    recorded = record_list(tables(lake), pin(lake, 2))
    path = data_files(lake, 2)[0]
    assert list(wrong_bytes(tables(lake), pin(lake, 2), recorded)) == []
    flip(path)

    (wrong,) = wrong_bytes(tables(lake), pin(lake, 2), recorded)

    assert isinstance(wrong, DataDamaged)
    assert path.name in str(wrong.where)
    assert wrong.expected in {file.sha256 for file in recorded.files}
    assert wrong.stored != wrong.expected


def test_a_file_that_was_damaged_after_its_first_pin_is_not_believed_by_a_later_one(lake) -> None:
    record_list(tables(lake), pin(lake, 1))
    flip(data_files(lake, 0)[0])
    recorded = record_list(tables(lake), pin(lake, 2))

    assert len(list(wrong_bytes(tables(lake), pin(lake, 2), recorded))) == 1


def test_a_file_that_is_gone_has_expired(lake) -> None:
    data_files(lake, 2)[0].unlink()

    with pytest.raises(VersionExpired, match="VACUUM without a note in the log, or a person, removed them"):
        record_list(tables(lake), pin(lake, 2))


def test_a_file_of_another_size_than_its_commit_says_is_not_recorded(lake) -> None:
    with open(data_files(lake, 2)[0], "ab") as file:
        file.write(b"x")

    with pytest.raises(DataDamaged, match="another size than its commit says"):
        record_list(tables(lake), pin(lake, 2))
    assert known_list(tables(lake), pin(lake, 2)) is None


def test_a_list_that_was_edited_is_damage(lake) -> None:
    record_list(tables(lake), pin(lake, 1))
    (stored,) = (lake / "_files" / TABLE).iterdir()
    stored.write_bytes(stored.read_bytes().replace(pin(lake, 1).commit_sha256.encode(), b"0" * 64))

    with pytest.raises(DataDamaged, match="speaks of another commit"):
        known_list(tables(lake), pin(lake, 1))


def test_behind_a_checkpoint_the_list_of_data_files_is_the_same(lake) -> None:
    before = record_list(tables(lake), pin(lake, 2))
    table = DeltaTable(lake / "raw" / TABLE)
    table.create_checkpoint()
    os.unlink(lake / "raw" / TABLE / "_delta_log" / f"{1:020d}.json")
    for stored in (lake / "_files" / TABLE).iterdir():
        stored.unlink()

    after = record_list(tables(lake), pin(lake, 2))
    assert (after.files, after.live_sha256) == (before.files, before.live_sha256)
    assert after.log is not None
    assert [file.path for file in after.log] == [f"_delta_log/{2:020d}.checkpoint.parquet"]
