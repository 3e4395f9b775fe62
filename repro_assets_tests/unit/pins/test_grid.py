"""A grid: what the data did and what the code did, split by means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_assets.pins.grid import Column, Grid, Row, split
from repro_assets.pins.variant import Outcome

METRIC = "predictions.roc_auc"
numbers = st.floats(-1e3, 1e3).map(lambda number: round(number, 3))


def grid(values, owns=(0, 1)) -> Grid:
    columns = (Column("old", "a" * 64), Column("new", "b" * 64))
    rows = tuple(Row(f"v{at}", f"run {at}", columns[own].capsule) for at, own in enumerate(owns))
    cells = tuple(
        tuple(
            Outcome({} if value is None else {METRIC: value}, reason="gone" if value is None else None) for value in row
        )
        for row in values
    )
    return Grid(rows, columns, cells, METRIC)


def test_what_each_did_is_told_apart() -> None:
    parts = grid([[1.0, 1.5], [2.0, 2.5]]).split()
    assert parts is not None
    assert (parts.mean, parts.data, parts.code) == (1.75, (-0.5, 0.5), (-0.25, 0.25))
    assert parts.left == ((0.0, 0.0), (0.0, 0.0))


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=1)))
def test_the_parts_add_up_to_every_cell_and_effects_to_nothing(values) -> None:
    parts = split(values)
    assert sum(parts.data) == pytest.approx(0, abs=1e-6)
    assert sum(parts.code) == pytest.approx(0, abs=1e-6)
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            assert parts.mean + parts.data[i] + parts.code[j] + parts.left[i][j] == pytest.approx(value, abs=1e-6)


def test_code_that_changes_nothing_has_no_effect_whatever_the_data_did() -> None:
    parts = grid([[1.0, 1.0], [7.0, 7.0]]).split()
    assert parts is not None
    assert parts.code == (0.0, 0.0)


def test_a_missing_cell_leaves_no_split_and_is_named() -> None:
    found = grid([[1.0, None], [2.0, 2.5]])
    assert found.split() is None
    document = found.as_document()
    assert document["split"] is None
    assert document["rows"][0]["cells"][1]["reason"] == "gone"


def test_every_run_stands_under_its_own_code() -> None:
    found = grid([[1.0, 1.5], [2.0, 2.5]])
    assert [found.own(0), found.own(1)] == [0, 1]
    assert [row["own"] for row in found.as_document()["rows"]] == [0, 1]


def test_rows_that_differ_in_more_than_data_are_said_to() -> None:
    assert grid([[1.0, 1.5]], owns=(0,)).what_rows_did == "the data did"
    found = replace(grid([[1.0, 1.5]], owns=(0,)), rows_differ_in=("parameters",))
    assert found.what_rows_did == "data and parameters did"
    assert found.as_document()["rows_differ_in"] == ["parameters"]
