"""How far predictions lie from the original's, and whether that is within the tolerance."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from repro_assets.pins.closeness import Closeness, Decision, closeness
from repro_assets.pins.table_difference import table_difference

DECISION = Decision(("probability", "probability_other"), "predicted", 0.5, ("tp", "fp"))
TOLERANCE = {"probability": 1e-9, "score": 1e-6, "source": "assumed"}
METRICS = {"roc_auc": 0.75, "tp": 3, "fp": 1}
ROWS = {
    "id": [1, 2, 3],
    "probability": [0.2, 0.5, 0.9],
    "probability_other": [0.1, 0.6, 0.8],
    "predicted": [0, 1, 1],
    "city": ["a", "b", "c"],
}


def _close(rows: dict[str, list[Any]] | None = None, metrics: dict[str, float] | None = None) -> Closeness:
    expected, found = pa.table(ROWS), pa.table({**ROWS, **(rows or {})})
    return closeness(
        table_difference(expected, found, [("id",)]),
        (expected, found),
        (METRICS, {**METRICS, **(metrics or {})}),
        DECISION,
        TOLERANCE,
    )


def test_nothing_differs_at_distance_zero() -> None:
    found = _close()
    assert (found.probability, found.score, found.decisions, found.is_within) == (0.0, 0.0, 0, True)


def test_a_probability_within_the_tolerance_is_close() -> None:
    found = _close({"probability": [0.2, 0.5, 0.9 + 5e-10]}, {"roc_auc": 0.75 + 5e-7})
    assert found.is_within
    assert found.probability == pytest.approx(5e-10, rel=1e-3)
    assert found.score == pytest.approx(5e-7, rel=1e-3)


@pytest.mark.parametrize(
    ("rows", "metrics", "said"),
    [
        ({"probability": [0.2, 0.5, 0.9 + 2e-9]}, {}, "probabilities differ by up to 2e-09"),
        ({"probability_other": [0.1, 0.6, 0.8 + 2e-9]}, {}, "probabilities differ by up to 2e-09"),
        ({}, {"roc_auc": 0.75 + 2e-6}, "roc_auc differs by 2e-06"),
        ({}, {"roc_auc": float("nan")}, "roc_auc differs by nan"),
        ({}, {"tp": 4}, "tp differs by 1"),
        ({}, {"new": 1.0}, "metrics differ: new"),
        ({"city": ["a", "b", "z"]}, {}, "columns differ: city"),
        ({"id": [1, 2, 4]}, {}, "1 rows are missing, 1 are new"),
        ({"id": [1, 2, 2]}, {}, "rows can't be matched"),
        ({"probability": [0.2, 0.5, None]}, {}, "probability is no number in some row"),
        ({"predicted": [1, 1, 1]}, {}, "1 decisions differ, not all of them at the threshold"),
    ],
    ids=[
        "the deciding probability",
        "another probability",
        "a score",
        "a score that is no number",
        "a count without a decision",
        "a metric that the original lacks",
        "a column that holds no probability",
        "another row",
        "rows without a name",
        "no probability",
        "a decision far from the threshold",
    ],
)
def test_what_no_tolerance_covers_is_beyond(rows: dict[str, list[Any]], metrics: dict[str, float], said: str) -> None:
    found = _close(rows, metrics)
    assert not found.is_within
    assert said in found.beyond


def test_a_decision_may_differ_where_the_probability_lies_at_the_threshold_and_a_count_with_it() -> None:
    found = _close({"probability": [0.2, 0.5 - 5e-10, 0.9], "predicted": [0, 0, 1]}, {"tp": 2})
    assert found.is_within
    assert found.decisions == 1


def test_a_count_may_not_differ_by_more_than_the_decisions_do() -> None:
    found = _close({"probability": [0.2, 0.5 - 5e-10, 0.9], "predicted": [0, 0, 1]}, {"tp": 1})
    assert not found.is_within


def test_the_tolerance_stands_beside_the_distance() -> None:
    assert _close().as_document()["tolerance"] == TOLERANCE


@pytest.mark.parametrize(
    ("rows", "metrics", "expected"),
    [
        pytest.param({"probability": [0.2, 0.5, 0.8]}, {"roc_auc": 0.5}, False, id="numbers that moved far"),
        pytest.param({"probability": [0.2, 0.4, 0.9], "predicted": [0, 0, 1]}, {"tp": 2}, False, id="and decisions"),
        pytest.param({"id": [1, 2, 4]}, {}, True, id="another row"),
        pytest.param({"city": ["a", "b", "z"]}, {}, True, id="another column"),
        pytest.param({"probability": [0.2, 0.5, None]}, {}, True, id="no probability"),
        pytest.param({}, {"roc_auc": float("nan")}, True, id="no score"),
        pytest.param({}, {"new": 1.0}, True, id="a metric that the original lacks"),
        pytest.param({}, {"tp": 4}, True, id="a count without a decision"),
        pytest.param({"predicted": [1, 1, 1]}, {}, True, id="a decision without a probability"),
    ],
)
def test_what_a_tolerance_could_cover_is_told_from_what_it_could_not(
    rows: dict[str, list[Any]], metrics: dict[str, float], expected: bool
) -> None:
    assert bool(_close(rows, metrics).uncovered) == expected
