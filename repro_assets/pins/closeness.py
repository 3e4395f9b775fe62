"""How far predictions and metrics lie from the original's, and whether that is within a stated tolerance.

The tolerance is the manifest's: an absolute difference of probabilities and of scores. A decision may differ only for
a row whose probability lies within the tolerance of the threshold, and counts of decisions only by such rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro_assets.pins.table_difference import TableDifference

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Closeness:
    """Distance of a reproduction from its original.

    Attributes:
        probability: Largest absolute difference of a probability.
        score: Largest absolute difference of a metric that is no count.
        decisions: Rows whose decision differs.
        is_within: Whether all of it lies within the tolerance, and nothing else differs.
        beyond: What does not, a phrase each.
        tolerance: What it was judged by, with where that comes from.
        uncovered: What no tolerance could cover, however wide, a phrase each.
    """

    probability: float
    score: float
    decisions: int
    is_within: bool
    beyond: tuple[str, ...]
    tolerance: Mapping[str, Any]
    uncovered: tuple[str, ...] = ()

    def as_document(self) -> dict[str, Any]:
        """The distance as JSON values."""
        return {
            "probability": self.probability,
            "score": self.score,
            "decisions": self.decisions,
            "is_within": self.is_within,
            "beyond": list(self.beyond),
            "tolerance": dict(self.tolerance),
        }


@dataclass(frozen=True)
class Decision:
    """How predictions become decisions.

    Attributes:
        probabilities: Columns that hold one; the first is what is decided by.
        column: Column of the decision.
        threshold: Probability from which it is 1.
        counts: Metrics that count decisions.
    """

    probabilities: Sequence[str]
    column: str
    threshold: float
    counts: Sequence[str]


def closeness(
    difference: TableDifference,
    tables: tuple[pa.Table, pa.Table],
    metrics: tuple[Mapping[str, float], Mapping[str, float]],
    decision: Decision,
    tolerance: Mapping[str, Any],
) -> Closeness:
    """Measure the distance.

    Args:
        difference: Of the two tables.
        tables: Expected and found predictions, with the columns of `decision` and the keys of `difference`.
        metrics: Expected and found.
        decision: How the tables' decisions were made.
        tolerance: `probability` and `score`, both absolute.
    """
    uncovered = _rows_beyond(difference, decision)
    probability = _largest(difference, decision.probabilities, uncovered)
    beyond = list(uncovered)
    if probability > tolerance["probability"]:
        beyond.append(f"probabilities differ by up to {probability:.3g}")
    flipped = difference.columns.get(decision.column)
    decisions = flipped.rows if flipped else 0
    if decisions > _undecided(difference, tables, decision, tolerance["probability"]):
        beyond.append(f"{decisions} decisions differ, not all of them at the threshold")
    if decisions > _undecided(difference, tables, decision, probability):
        uncovered.append(f"{decisions} decisions differ, not all of them where a probability passed the threshold")
    score = _metrics_beyond(metrics, decision, decisions, tolerance["score"], beyond)
    _metrics_beyond(metrics, decision, decisions, math.inf, uncovered)
    return Closeness(probability, score, decisions, not beyond, tuple(beyond), tolerance, tuple(uncovered))


def _rows_beyond(difference: TableDifference, decision: Decision) -> list[str]:
    """What no tolerance covers: other rows, other columns, other values of columns that hold no probability."""
    beyond = []
    if not difference.keys and not difference.is_empty:
        beyond.append("rows can't be matched")
    if difference.missing or difference.added:
        beyond.append(f"{difference.missing} rows are missing, {difference.added} are new")
    other = [*difference.columns_missing, *difference.columns_added]
    other += [name for name in difference.columns if name not in (*decision.probabilities, decision.column)]
    if other:
        beyond.append(f"columns differ: {', '.join(other)}")
    return beyond


def _largest(difference: TableDifference, names: Sequence[str], beyond: list[str]) -> float:
    largest = 0.0
    for name in names:
        column = difference.columns.get(name)
        if column is not None and column.largest is None:
            beyond.append(f"{name} is no number in some row")
        elif column is not None and column.largest is not None:
            largest = max(largest, column.largest)
    return largest


def _undecided(
    difference: TableDifference, tables: tuple[pa.Table, pa.Table], decision: Decision, tolerance: float
) -> int:
    """Rows whose decision differs and whose probability lies at the threshold, within the tolerance, on both sides."""
    if decision.column not in difference.columns:
        return 0
    keys, probability = list(difference.keys), decision.probabilities[0]
    expected, found = (
        table.select([*keys, probability, decision.column]).rename_columns([*keys, f"p{side}", f"d{side}"])
        for side, table in enumerate(tables)
    )
    both = expected.join(found, keys=keys, join_type="inner").to_pylist()
    return sum(
        1
        for row in both
        if row["d0"] != row["d1"] and all(abs(row[name] - decision.threshold) <= tolerance for name in ("p0", "p1"))
    )


def _metrics_beyond(
    metrics: tuple[Mapping[str, float], Mapping[str, float]],
    decision: Decision,
    decisions: int,
    tolerance: float,
    beyond: list[str],
) -> float:
    """Note the metrics beyond the tolerance; returns the largest difference of a score."""
    expected, found = metrics
    if set(expected) != set(found):
        beyond.append(f"metrics differ: {', '.join(sorted(set(expected) ^ set(found)))}")
    largest = 0.0
    for name in sorted(set(expected) & set(found)):
        distance = abs(expected[name] - found[name])
        if name in decision.counts:
            if distance > decisions:
                beyond.append(f"{name} differs by {distance:g}")
            continue
        largest = max(largest, distance)
        # What is no number is beyond any tolerance, one without an end among them.
        if not (math.isfinite(distance) and distance <= tolerance):
            beyond.append(f"{name} differs by {distance:.3g}")
    return largest
