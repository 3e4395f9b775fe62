"""Where two tables differ."""

from __future__ import annotations

import datetime
from typing import Any

import pyarrow as pa
import pytest

from repro_assets.pins.table_difference import EXAMPLES, table_difference

KEYS = [("id",)]
PEOPLE = pa.table({"id": [1, 2, 3], "age": [30, 40, 50], "score": [0.5, None, float("nan")]})


def _changed(**columns: Any) -> pa.Table:
    return pa.table({**PEOPLE.to_pydict(), **columns}, schema=PEOPLE.schema)


def test_equal_rows_in_another_order_do_not_differ() -> None:
    found = table_difference(PEOPLE, PEOPLE.take([2, 0, 1]), KEYS)
    assert found.is_empty
    assert found.columns == {}
    assert (found.rows_expected, found.rows_found, found.keys) == (3, 3, ("id",))


def test_rows_that_went_and_came_are_counted_by_key() -> None:
    found = table_difference(PEOPLE, _changed(id=[1, 2, 9]), KEYS)
    assert (found.missing, found.added, found.changed) == (1, 1, 0)
    assert not found.is_empty


def test_a_changed_number_is_counted_in_its_column_with_its_distance_and_an_example() -> None:
    found = table_difference(PEOPLE, _changed(age=[30, 47, 49]).take([1, 2, 0]), KEYS)
    assert (found.missing, found.added, found.changed) == (0, 0, 2)
    assert list(found.columns) == ["age"]
    assert (found.columns["age"].rows, found.columns["age"].largest, found.largest) == (2, 7.0, 7.0)
    assert found.columns["age"].examples[0] == {"id": 2, "expected": 40, "found": 47}


def test_a_row_that_differs_in_two_columns_is_one_row() -> None:
    found = table_difference(PEOPLE, _changed(age=[31, 40, 50], score=[0.25, None, float("nan")]), KEYS)
    assert found.changed == 1
    assert found.columns["score"].largest == 0.25


@pytest.mark.parametrize(
    ("score", "rows"),
    [([0.5, 0.0, float("nan")], 1), ([0.5, None, None], 1), ([0.5, None, float("nan")], 0), ([None, 0.0, 1.0], 3)],
    ids=["null against zero", "not a number against null", "null and not a number as they were", "all"],
)
def test_null_and_not_a_number_are_values_of_their_own(score: list[float | None], rows: int) -> None:
    found = table_difference(PEOPLE, _changed(score=score), KEYS)
    assert found.changed == rows
    assert found.largest is None


def test_a_distance_that_is_no_number_is_not_said() -> None:
    found = table_difference(PEOPLE, _changed(score=[float("inf"), None, float("nan")]), KEYS)
    assert found.columns["score"].rows == 1
    assert found.columns["score"].largest is None


def test_columns_that_only_one_has_are_named() -> None:
    found = table_difference(PEOPLE, PEOPLE.drop(["age"]).append_column("city", pa.array(["a", "b", "c"])), KEYS)
    assert (found.columns_missing, found.columns_added) == (("age",), ("city",))
    assert not found.is_empty


def test_a_column_of_another_type_is_compared_by_value_where_it_can_be() -> None:
    floats = PEOPLE.set_column(1, "age", pa.array([30.0, 40.0, 51.0]))
    assert table_difference(PEOPLE, floats, KEYS).columns["age"].rows == 1
    texts = PEOPLE.set_column(1, "age", pa.array(["thirty", "forty", "fifty"]))
    assert table_difference(PEOPLE, texts, KEYS).columns["age"].rows == 3


def test_a_narrower_number_is_compared_as_the_wider_one() -> None:
    one = pa.table({"id": [1], "x": pa.array([0.1], pa.float32())})
    other = pa.table({"id": [1], "x": pa.array([0.1], pa.float64())})
    assert table_difference(one, other, KEYS).columns["x"].largest == pytest.approx(1.5e-9, rel=0.1)


def test_keys_of_another_type_name_no_row() -> None:
    texts = PEOPLE.set_column(0, "id", pa.array(["1", "2", "x"]))
    assert table_difference(PEOPLE, texts, KEYS).keys == ()


def test_the_first_candidate_that_names_each_row_is_used() -> None:
    cases = pa.table({"fips": ["1", "1"], "date": ["a", "b"], "cases": [1, 2]})
    other = cases.set_column(2, "cases", pa.array([1, 5]))
    found = table_difference(cases, other, [("enrollee_id",), ("fips",), ("fips", "date")])
    assert found.keys == ("fips", "date")
    assert found.columns["cases"].examples == ({"fips": "1", "date": "b", "expected": 2, "found": 5},)


def test_without_a_name_for_rows_whole_rows_are_counted_with_their_repetitions() -> None:
    one, other = pa.table({"x": [1, 1, 2]}), pa.table({"x": [1, 2, 2]})
    found = table_difference(one, other)
    assert (found.missing, found.added, found.changed, found.keys) == (1, 1, 0, ())


def test_a_key_that_is_null_names_no_row() -> None:
    one = pa.table({"id": pa.array([1, None]), "x": [1, 2]})
    assert table_difference(one, one, KEYS).keys == ()


def test_examples_are_few_and_plain_values() -> None:
    rows = EXAMPLES + 3
    one = pa.table({"id": list(range(rows)), "day": [datetime.date(2020, 3, 1)] * rows})
    other = pa.table({"id": list(range(rows)), "day": [datetime.date(2020, 3, 2)] * rows})
    examples = table_difference(one, other, KEYS).columns["day"].examples
    assert len(examples) == EXAMPLES
    assert examples[0] == {"id": 0, "expected": "2020-03-01", "found": "2020-03-02"}


def test_nested_values_are_compared_whole() -> None:
    one = pa.table({"id": [1, 2], "x": [[1], [2, 3]]})
    other = pa.table({"id": [1, 2], "x": [[1], [2, 4]]})
    assert table_difference(one, other, KEYS).columns["x"].rows == 1


def test_an_empty_table_lacks_every_row() -> None:
    found = table_difference(PEOPLE, PEOPLE.slice(0, 0), KEYS)
    assert (found.missing, found.added, found.changed) == (3, 0, 0)
