"""Whatever bit changes in the log that leads to a pinned version, verify and preflight say so, or it reads the same."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from repro_assets.errors import DataDamaged, ReproError
from repro_assets.pins.data import DataPin, RowsPin
from repro_assets.pins.data_files import FileList
from repro_assets.pins.fingerprint import fingerprint
from repro_assets.resources.keeping.proofs import Proved, raw_version
from repro_assets.resources.raw.file_lists import known_list
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.raw_version import examine
from repro_assets.resources.raw.table_files import files_of_version

FLIPS = 60
TABLE = "covid_cases"
NEWEST = 4
# One bit of each is told from every other by the log that the list names.
NAMED = {
    "a checkpoint": "00000000000000000001.checkpoint.parquet",
    "a commit after it": "00000000000000000002.json",
    "the pinned commit": "00000000000000000003.json",
}
OTHERS = {
    "a commit before the checkpoint": "00000000000000000000.json",
    "a later commit": "00000000000000000004.json",
    "the hint": "_last_checkpoint",
}


@dataclass(frozen=True)
class Pinned:
    """Version 3 of a table whose log has a checkpoint at version 1."""

    lake: Path
    pin: DataPin

    @property
    def tables(self) -> RawTables:
        """As a process sees the lake that starts now."""
        return RawTables(lake=self.lake.as_uri())

    @property
    def log(self) -> Path:
        return self.lake / "raw" / TABLE / "_delta_log"

    def verified(self) -> tuple[ReproError, ...]:
        return raw_version(self.tables, self.pin).wrong

    def blocked(self) -> tuple[str, ...]:
        return examine(self.tables, self.pin.commit, datetime.now(UTC)).reasons

    def without_log(self) -> Pinned:
        """The same, as if it had been pinned before logs were recorded."""
        recorded = known_list(self.tables, self.pin.commit)
        assert recorded is not None
        old = dataclasses.replace(recorded, log=None, live_sha256=None)
        (stored,) = (self.lake / "_files" / TABLE).iterdir()
        stored.write_bytes(old.to_json())
        return Pinned(self.lake, dataclasses.replace(self.pin, files_sha256=old.digest()))


@pytest.fixture
def pinned(tmp_path: Path) -> Pinned:
    folder = tmp_path / "raw" / TABLE
    for version in range(NEWEST + 1):
        write_deltalake(folder, pa.table({"cases": [version], "county": ["St. Mary's"]}), mode="append")
        if version == 1:
            DeltaTable(folder).create_checkpoint()
    tables = RawTables(lake=tmp_path.as_uri())
    found = fingerprint(DeltaTable(folder, version=3).to_pyarrow_table())
    rows = RowsPin(found.digest, found.rows, found.schema)
    return Pinned(tmp_path, tables.with_files(DataPin(tables.pin(TABLE, 3), rows)))


def flipped(file: Path) -> Iterator[bytes]:
    """The file with one bit changed, 60 times, and then as it was."""
    whole, chance = file.read_bytes(), random.Random(60)
    for _ in range(FLIPS):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        yield bytes(content)
    file.write_bytes(whole)


@pytest.mark.parametrize("name", NAMED.values(), ids=NAMED.keys())
def test_each_of_60_flipped_bits_of_the_log_is_found_by_verify_and_by_preflight(pinned, name) -> None:
    assert (pinned.verified(), pinned.blocked()) == ((), ())
    expected = hashlib.sha256((pinned.log / name).read_bytes()).hexdigest()

    found = 0
    for _ in flipped(pinned.log / name):
        verified, blocked = pinned.verified(), pinned.blocked()
        assert blocked
        found += bool(verified)
        if name != NAMED["the pinned commit"]:  # which its own digest tells from every other
            (wrong,) = verified
            assert name in str(wrong.where)
            # A commit that can't be read any more is found before it is hashed.
            assert wrong.expected == expected or "commit" in wrong.what
    assert found == FLIPS
    assert (pinned.verified(), pinned.blocked()) == ((), ())


@pytest.mark.parametrize("log_is_listed", [True, False], ids=["log recorded", "pinned before logs were recorded"])
@pytest.mark.parametrize("name", [*NAMED.values(), *OTHERS.values()], ids=[*NAMED.keys(), *OTHERS.keys()])
def test_a_flipped_bit_that_nobody_finds_changes_neither_files_nor_rows(pinned, name, log_is_listed) -> None:
    pinned = pinned if log_is_listed else pinned.without_log()
    folder = pinned.lake / "raw" / TABLE
    before = files_of_version(folder.as_uri(), 3)
    for _ in flipped(pinned.log / name):
        # Nothing else than the project's own errors comes out of either.
        if not pinned.blocked():
            assert files_of_version(folder.as_uri(), 3) == before
        if not pinned.verified():
            found = fingerprint(DeltaTable(folder, version=3).to_pyarrow_table())
            assert found.digest == pinned.pin.rows.fingerprint


def test_a_log_that_grew_a_checkpoint_and_was_cleaned_up_leads_to_the_same_files(pinned) -> None:
    (pinned.log / f"{NEWEST:020d}.json").unlink()
    DeltaTable(pinned.lake / "raw" / TABLE).create_checkpoint()
    for name in ("00000000000000000000.json", *list(NAMED.values())[:2]):
        (pinned.log / name).unlink()

    assert (pinned.verified(), pinned.blocked()) == ((), ())


def test_a_path_that_changed_in_an_earlier_commit_of_an_old_pin_is_damage_and_no_traceback(pinned) -> None:
    pinned = pinned.without_log()
    commit = pinned.log / NAMED["a commit after it"]
    commit.write_bytes(commit.read_bytes().replace(b'"path":"part-', b'"path":"qart-'))

    (wrong,) = pinned.verified()
    assert isinstance(wrong, DataDamaged)
    assert "the log leads to other files of covid_cases@3 than were pinned" in wrong.what
    assert any("leads to other files" in reason for reason in pinned.blocked())


def test_a_file_that_an_earlier_commit_no_longer_adds_is_missed(pinned) -> None:
    pinned = pinned.without_log()
    commit = pinned.log / NAMED["a commit after it"]
    commit.write_bytes(commit.read_bytes().replace(b'{"add"', b'{"aed"'))

    (wrong,) = pinned.verified()
    assert (wrong.stored is not None, wrong.expected) == (True, "4 files")
    assert "3 files" in str(wrong.stored)


def test_of_an_old_list_the_bytes_are_what_they_were_and_it_is_said_what_was_not_hashed(pinned) -> None:
    old = pinned.without_log()
    recorded = known_list(old.tables, old.pin.commit)
    assert recorded is not None
    assert b"log" not in recorded.to_json()
    assert FileList.from_json(recorded.to_json(), "-") == recorded
    (note,) = raw_version(old.tables, old.pin).notes
    assert note.startswith("no SHA-256 of its log was recorded")
    assert raw_version(pinned.tables, dataclasses.replace(old.pin, files_sha256=None)) == Proved((), (note,))
