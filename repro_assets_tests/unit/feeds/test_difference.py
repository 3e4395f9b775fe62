"""What a publication changes: inserts, updates and deletions, null safe."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_assets.feeds.difference import OPERATION, STORED, Counts, corrections, count, difference, first_shared_key

Rows = dict[int, int | None]


def table(rows: Rows) -> pa.Table:
    columns = {"key": list(rows), "value": list(rows.values())}
    return pa.table(columns, pa.schema([("key", pa.int64()), ("value", pa.int64())]))


def changes(stored: Rows, published: Rows) -> list[tuple[object, ...]]:
    found = difference(table(stored), table(published), ["key"])
    return [(row[OPERATION], row["key"], row["value"]) for row in found.to_pylist()]


@pytest.mark.parametrize(
    ("stored", "published", "expected"),
    [
        pytest.param({1: 5}, {1: 5}, [], id="nothing"),
        pytest.param({1: None}, {1: None}, [], id="null equals null"),
        pytest.param({}, {1: 5}, [("insert", 1, 5)], id="insert"),
        pytest.param({}, {1: None}, [("insert", 1, None)], id="insert of a null"),
        pytest.param({1: 5}, {1: 6}, [("update", 1, 6)], id="correction"),
        pytest.param({1: None}, {1: 0}, [("update", 1, 0)], id="null to zero"),
        pytest.param({1: 0}, {1: None}, [("update", 1, None)], id="zero to null"),
        pytest.param({1: 5}, {}, [("delete", 1, 5)], id="deletion shows the row as it stood"),
        pytest.param(
            {3: 1, 1: 1, 2: 2}, {4: 4, 2: 9, 1: 1}, [("update", 2, 9), ("delete", 3, 1), ("insert", 4, 4)], id="all"
        ),
    ],
)
def test_a_change_is_named(stored: Rows, published: Rows, expected: list[tuple[object, ...]]) -> None:
    assert changes(stored, published) == expected


@given(*[st.dictionaries(st.integers(0, 9), st.none() | st.integers(0, 2))] * 2)
def test_applying_the_changes_gives_the_publication(stored: Rows, published: Rows) -> None:
    rows = dict(stored)
    for operation, key, value in changes(stored, published):
        if operation == "delete":
            del rows[key]  # type: ignore[arg-type] # a key is an int here
        else:
            assert (key in rows) == (operation == "update")
            rows[key] = value  # type: ignore[index,assignment] # as above
    assert rows == published


def test_rows_are_identified_by_all_keys() -> None:
    stored = pa.table({"uid": [1, 1], "day": [1, 2], "value": [5, 6]})
    published = pa.table({"uid": [1, 1], "day": [2, 3], "value": [6, 7]})
    found = difference(stored, published, ["uid", "day"])
    assert found.select(["day", OPERATION]).to_pylist() == [
        {"day": 1, OPERATION: "delete"},
        {"day": 3, OPERATION: "insert"},
    ]


def test_changes_are_counted_by_kind() -> None:
    assert count(difference(table({1: 1, 2: 2}), table({2: 3, 4: 4, 5: 5}), ["key"])) == Counts(2, 1, 1)


def test_corrections_show_both_values_of_what_was_updated() -> None:
    stored = table({1: 1, 2: None, 3: 3, 4: 4})
    changes = difference(stored, table({1: 9, 2: 2, 4: 4, 5: 5}), ["key"])
    assert corrections(stored, changes, ["key"]).sort_by("key").to_pylist() == [
        {"key": 1, "value": 9, f"value{STORED}": 1},
        {"key": 2, "value": 2, f"value{STORED}": None},
    ]


@pytest.mark.parametrize(
    ("others", "position"),
    [pytest.param({9: 1}, None, id="none"), pytest.param({7: 1, 5: 1}, 1, id="the first of two")],
)
def test_a_shared_key_is_found_by_its_position(others: Rows, position: int | None) -> None:
    assert first_shared_key(table({8: 1, 7: 1, 5: 1}), table(others), ["key"]) == position
