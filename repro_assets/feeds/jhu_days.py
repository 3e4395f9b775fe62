"""Whether the days of JHU's wide file are what their headers say: gaps and order.

A date header that is misspelt into another date parses; it shows by the day that is missing, or by its order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from repro_assets.feeds.anomalies import AnomalyKind
from repro_assets.feeds.csv_rows import CsvRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def check_days(rows: CsvRows, days: Mapping[int, date], counts: NDArray[np.float64], left_out: Sequence[int]) -> None:
    """Note or refuse what the days and their counts say about the headers.

    Args:
        rows: The file, all of it read.
        days: Day of each date column by its position, in the file's order.
        counts: One row per county, one column per item of `days`; NaN where blank.
        left_out: Positions of columns left out because their header does not parse: each may be a day that is missing.

    Raises:
        AnomalyRefused: A day is missing, or headers of two days are exchanged and their counts are not.
    """
    _check_order(rows, list(days.items()), counts)
    _check_gaps(rows, days, left_out)


def _check_order(rows: CsvRows, days: Sequence[tuple[int, date]], counts: NDArray[np.float64]) -> None:
    """Columns out of order were either moved with their counts, or only their headers were exchanged."""
    for column, ((_, before), (position, day)) in enumerate(pairwise(days), 1):
        if day > before:
            continue
        rows.note(AnomalyKind.COLUMN_ORDER, 1, rows.header[position])
        if _rise(counts[:, column - 1], counts[:, column]) > 0:
            raise rows.refusal(
                AnomalyKind.SWAPPED_COLUMNS,
                "headers of days are exchanged: cumulative cases rise where the days go back",
                1,
                rows.header[position],
                stored=f"after {rows.header[days[column - 1][0]]}",
                expected="days in order, or counts that go with them",
            )


def _check_gaps(rows: CsvRows, days: Mapping[int, date], left_out: Sequence[int]) -> None:
    """A column that was left out on purpose may be the day that is missing, where it stands between the two."""
    doubled = rows.doubled_columns
    unused = {*left_out, *doubled.values()}
    ordered = sorted((day, position) for position, day in days.items())
    for (before, first), (day, second) in pairwise(ordered):
        missing = (day - before).days - 1
        start = min(first, second)
        while start in doubled:  # of columns under one header, the first may be the missing day, and the last the other
            start = doubled[start]
        between = sorted(unused & set(range(start, max(first, second))))[:missing]
        unused.difference_update(between)
        if missing == len(between):
            continue
        stored = f"{before.isoformat()}, then {day.isoformat()}"
        rows.refuse_or_note(
            AnomalyKind.DAY_GAP,
            "a day is missing before this one",
            1,
            rows.header[second],
            stored=f"{stored}, and {len(between)} of {missing} left out as accepted" if between else stored,
            expected=(before + timedelta(days=1)).isoformat(),
        )


def _rise(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """How much the total grows, over the counties that have both counts."""
    import numpy as np

    return float(np.nansum(after - before))
