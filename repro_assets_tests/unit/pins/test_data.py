"""What a commit file of a Delta log says about its version."""

from __future__ import annotations

import hashlib
import json

import pytest

from repro_assets.errors import DataDamaged
from repro_assets.pins.data import CommitPin, DataPin, RowsPin, parse_commit
from repro_assets_tests.unit.delta_log import ADDED_ROWS, TABLE_ID, commit_file, commit_lines, metadata

REWRITTEN = ({"add": {"path": "b", "dataChange": False}}, {"remove": {"path": "a", "dataChange": False}})
REMOVED = {"remove": {"path": "a", "dataChange": True}}


def counts(inserted: object, updated: object, deleted: object) -> dict[str, object]:
    return {
        "operationMetrics": {
            "numTargetRowsInserted": inserted,
            "numTargetRowsUpdated": updated,
            "numTargetRowsDeleted": deleted,
        }
    }


CHANGING = {
    "WRITE": commit_file(metadata(), ADDED_ROWS),
    "WRITE that overwrites": commit_file(REMOVED, ADDED_ROWS),
    "DELETE of whole files": commit_file(REMOVED, operation="DELETE"),
    "add without dataChange": commit_file({"add": {"path": "a"}}),
    "MERGE that inserts": commit_file(ADDED_ROWS, operation="MERGE", **counts("1", "0", "0")),
    "MERGE that updates": commit_file(ADDED_ROWS, REMOVED, operation="MERGE", **counts("0", "1", "0")),
    "MERGE that deletes": commit_file(ADDED_ROWS, REMOVED, operation="MERGE", **counts("0", "0", "1")),
    "MERGE without metrics": commit_file(ADDED_ROWS, operation="MERGE"),
    "MERGE with null metrics": commit_file(ADDED_ROWS, operation="MERGE", operationMetrics=None),
    "MERGE with a part of the metrics": commit_file(
        ADDED_ROWS, operation="MERGE", operationMetrics={"numTargetRowsInserted": "0"}
    ),
    "UPDATE with metrics of a MERGE": commit_file(ADDED_ROWS, operation="UPDATE", **counts("0", "0", "0")),
    "a rewrite next to new rows": commit_file(*REWRITTEN, ADDED_ROWS),
}
UNCHANGING = {
    "OPTIMIZE": commit_file(*REWRITTEN, operation="OPTIMIZE"),
    "VACUUM START": commit_file(operation="VACUUM START"),
    "VACUUM END": commit_file(operation="VACUUM END"),
    "SET TBLPROPERTIES": commit_file(metadata(), operation="SET TBLPROPERTIES"),
    "CREATE TABLE": commit_file({"protocol": {"minReaderVersion": 1}}, metadata(), operation="CREATE TABLE"),
    "MERGE that changed nothing": commit_file(ADDED_ROWS, REMOVED, operation="MERGE", **counts("0", "0", "0")),
    "MERGE that changed nothing, counts as numbers": commit_file(
        ADDED_ROWS, REMOVED, operation="MERGE", **counts(0, 0, 0)
    ),
    "MERGE without files": commit_file(operation="MERGE", **counts("0", "0", "0")),
    "no operation at all": commit_lines({"commitInfo": {"timestamp": 1}}),
}


@pytest.mark.parametrize("content", CHANGING.values(), ids=list(CHANGING))
def test_a_commit_that_may_have_changed_rows_counts_as_a_change(content) -> None:
    assert parse_commit(1, content, "log").changes_rows is True


@pytest.mark.parametrize("content", UNCHANGING.values(), ids=list(UNCHANGING))
def test_a_commit_that_changed_no_row_counts_as_none(content) -> None:
    assert parse_commit(1, content, "log").changes_rows is False


def test_a_commit_is_known_by_the_digest_of_its_bytes() -> None:
    content = commit_file(metadata(), ADDED_ROWS, timestamp=7, operation="MERGE", userMetadata="from a feed")

    found = parse_commit(3, content, "log")

    assert found.version == 3
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert (found.timestamp, found.operation, found.user_metadata) == (7, "MERGE", "from a feed")
    assert found.table_id == TABLE_ID


def test_a_commit_that_does_not_set_the_table_s_id_has_none() -> None:
    assert parse_commit(1, commit_file(ADDED_ROWS), "log").table_id is None


def test_the_in_commit_timestamp_goes_before_the_writer_s_clock() -> None:
    content = commit_file(ADDED_ROWS, timestamp=1, inCommitTimestamp=2)

    assert parse_commit(1, content, "log").timestamp == 2


def test_an_in_commit_timestamp_alone_is_enough() -> None:
    content = commit_lines({"commitInfo": {"inCommitTimestamp": 5}}, ADDED_ROWS)

    assert parse_commit(1, content, "log").timestamp == 5


def test_commit_info_may_stand_anywhere_and_blank_lines_do_not_matter() -> None:
    content = commit_lines(ADDED_ROWS) + b"\n" + commit_lines({"commitInfo": {"timestamp": 9}}) + b"\n"

    assert parse_commit(1, content, "log").timestamp == 9


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u0085"], ids=["U+2028", "U+2029", "U+0085"])
def test_a_line_ends_at_a_newline_and_nowhere_else(character) -> None:
    """Statistics and metadata may hold these as they are: JSON escapes only what is below U+0020."""
    text = f"King{character}s"

    found = parse_commit(0, commit_file(ADDED_ROWS, userMetadata=text), "log")

    assert found.user_metadata == text


DAMAGED = {
    "empty": b"",
    "blank lines": b"\n\n",
    "zero bytes": b"\0" * 64,
    "half a line": commit_file(ADDED_ROWS)[:-20],
    "no UTF-8": b'{"commitInfo": {"timestamp": 1, "operation": "\xff"}}',
    "a list": b"[]",
    "a number": b"1",
    "no commit time": commit_lines({"commitInfo": {"operation": "WRITE"}}, ADDED_ROWS),
    "no commitInfo": commit_lines(ADDED_ROWS),
    "a commit time that is text": commit_lines({"commitInfo": {"timestamp": "1"}}),
    "a commit time that is null": commit_lines({"commitInfo": {"timestamp": None}}),
    "a commit time that is true": commit_lines({"commitInfo": {"timestamp": True}}),
    "commitInfo that is null": commit_lines({"commitInfo": None}),
    "commitInfo that is a list": commit_lines({"commitInfo": [1]}),
    "metaData without an id": commit_lines({"commitInfo": {"timestamp": 1}}, {"metaData": {}}),
    "a file that is text": commit_lines({"commitInfo": {"timestamp": 1}}, {"add": "part-0.parquet"}),
    "counts that are no numbers": commit_file(ADDED_ROWS, operation="MERGE", **counts("many", "0", "0")),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_commit_is_refused_by_its_place(content) -> None:
    with pytest.raises(DataDamaged, match=r"\[raw/covid_cases/0\.json\]") as refused:
        parse_commit(0, content, "raw/covid_cases/0.json")

    assert len(str(refused.value).splitlines()) == 1


PIN = DataPin(
    CommitPin("covid_cases", "file:///lake/raw/covid_cases", TABLE_ID, 12, "ab" * 32, 1_591_948_800_000),
    RowsPin("cd" * 32, 3_340, (("date", "date"), ("uid", "int64"))),
)


def test_a_data_pin_survives_the_way_through_its_document() -> None:
    assert DataPin.from_document(json.loads(json.dumps(PIN.as_document()))) == PIN


def test_the_document_of_a_data_pin_has_these_names() -> None:
    assert PIN.as_document() == {
        "table": "covid_cases",
        "uri": "file:///lake/raw/covid_cases",
        "table_id": TABLE_ID,
        "version": 12,
        "commit_sha256": "ab" * 32,
        "timestamp": 1_591_948_800_000,
        "fingerprint": "cd" * 32,
        "rows": 3_340,
        "schema": [["date", "date"], ["uid", "int64"]],
    }
