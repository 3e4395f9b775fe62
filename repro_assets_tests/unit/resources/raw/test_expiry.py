"""What took a version is told from what is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro_assets.resources.raw.expiry import record_vacuum, what_cleaned, what_took
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.table_files import RESTORE
from repro_assets_tests.unit.delta_log import ADDED_ROWS, commit_file, log_file, metadata, write_commit

TABLE = "covid_cases"
DAY = 86_400_000


@pytest.fixture
def tables(tmp_path: Path) -> RawTables:
    """Three versions, a VACUUM after the second, and one more."""
    for version in range(3):
        head = (metadata(),) if version == 0 else ()
        write_commit(tmp_path, TABLE, version, commit_file(*head, ADDED_ROWS, timestamp=version * DAY))
    write_commit(tmp_path, TABLE, 3, commit_file(timestamp=10 * DAY, operation="VACUUM START"))
    write_commit(tmp_path, TABLE, 4, commit_file(timestamp=10 * DAY + 5, operation="VACUUM END"))
    write_commit(tmp_path, TABLE, 5, commit_file(ADDED_ROWS, timestamp=11 * DAY))
    return RawTables(lake=tmp_path.as_uri())


def test_a_vacuum_in_the_log_is_named_with_its_day(tables) -> None:
    assert what_took(tables, TABLE, 1) == f"VACUUM removed them on 1970-01-11 (version 4 of the log says so). {RESTORE}"


def test_a_vacuum_before_the_version_did_not_take_it(tables) -> None:
    assert what_took(tables, TABLE, 5) == f"VACUUM without a note in the log, or a person, removed them. {RESTORE}"


def test_our_own_vacuum_is_named_with_who_did_it(tables) -> None:
    record_vacuum(tables, TABLE, "1", {"who": "ann@host", "when": "2026-02-03T00:00:00+00:00", "expired": [1]})

    assert (
        what_took(tables, TABLE, 1)
        == f"`repro vacuum` by ann@host removed them on 2026-02-03: no pin kept them. {RESTORE}"
    )
    assert what_took(tables, TABLE, 2).startswith("VACUUM removed them")


def test_what_held_a_forgotten_person_is_not_to_be_restored(tables) -> None:
    record_vacuum(tables, TABLE, "1", {"by": "repro forget", "who": "ann@host", "when": "2026-02-03", "expired": [1]})

    said = what_took(tables, TABLE, 1)
    assert said.startswith(
        "`repro forget` by ann@host removed them on 2026-02-03: they held a person who was forgotten"
    )
    assert RESTORE not in said


def test_a_record_or_commit_that_can_not_be_read_is_passed_over(tables, tmp_path) -> None:
    record_vacuum(tables, TABLE, "1", {"expired": [1]})
    (tmp_path / "_vacuums" / TABLE / "1.json").write_bytes(b"{")
    log_file(tmp_path, TABLE, 3).write_bytes(b"{")

    assert what_took(tables, TABLE, 1).startswith("VACUUM removed them")


def test_a_commit_before_the_logs_beginning_was_cleaned_up(tables, tmp_path) -> None:
    log_file(tmp_path, TABLE, 0).unlink()

    assert what_cleaned(tables, TABLE, 0) == "Delta's log clean-up took it: the log begins at version 1"


def test_a_commit_amid_others_was_removed_by_somebody(tables, tmp_path) -> None:
    log_file(tmp_path, TABLE, 2).unlink()

    assert what_cleaned(tables, TABLE, 2) == "A person or a failing disk removed it: later commits are there"
