"""Whether the cumulative counts of JHU's wide file go on from day to day as counts do.

The bounds stand above what the 21 versions of June 2020 hold: the total over all counties never falls, and from 10,000 on
it grows at most 1.38 times in a day (on 20 March); no county's count of 1,000 or more falls to less than half or grows
more than 2.2 times in a day; on no day do more than two counties fall to less than half from 50 or more; none is blank.
Cases that belong to no county are moved to one when it is known, and so these rows may fall.

A fall or a leap stays in every later version: one that the table holds, and so was accepted, is not judged again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from repro_assets.feeds.anomalies import AnomalyKind
from repro_assets.feeds.csv_rows import CsvRows
from repro_assets.feeds.publication import Anomaly

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

LARGE_COUNT = 1_000
LARGEST_GROWTH = 5  # times, in a day
LARGE_TOTAL = 10_000  # below it, days of the first weeks grow 1.6 times
LARGEST_GROWTH_OF_TOTAL = 1.9  # times, in a day: a day that is doubled is over it
_SMALL_COUNT = 50  # below it, half of a count is soon corrected
_COUNTIES_MAY_FALL = 5
_AS_MUCH = 1.1  # times: what the table holds is corrected a little, too
_NO_COUNTY = (8408, 8409)  # the first digits of UIDs: out of a state, and unassigned


@dataclass(frozen=True)
class _Step:
    """From one day to the next, one item per county; NaN where there is no count.

    Attributes:
        name: Header of the second day.
        before: What the file has on the first day; where that is blank, on the last day before it that is not.
        after: What it has on the second.
        held_before: What the table has on the first day, likewise.
        held_after: What it has on the second.
    """

    name: str
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    held_before: NDArray[np.float64]
    held_after: NDArray[np.float64]


def check_series(
    rows: CsvRows,
    days: Mapping[int, date],
    counts: NDArray[np.float64],
    lines: Mapping[int, int],
    stored: pa.Table | None,
) -> tuple[Anomaly, ...]:
    """Refuse or note blank days, and counts that fall or leap from one day to the next, as they do not in the table.

    Args:
        rows: The file, all of it read.
        days: Day of each date column by its position, in the file's order.
        counts: One row per county, one column per item of `days`; NaN where blank.
        lines: Line of each county by its UID, in the order of `counts`.
        stored: The table's rows; None where there is no table yet.

    Returns:
        What was accepted.

    Raises:
        AnomalyRefused: Nobody accepted it.
    """
    import numpy as np

    rows = rows.apart()
    held, is_held = _held(stored, list(lines), list(days.values()))
    places = np.array(list(lines.values()))
    is_county = np.isin(np.array(list(lines)) // 10_000, _NO_COUNTY, invert=True)
    _check_blank(rows, days, np.isnan(counts) & ~is_held, places)
    for step in _steps(rows.header, days, counts, held):
        _check_total(rows, step, places)
        _check_counties(rows, step, places, is_county)
    return rows.anomalies


def _steps(
    header: Sequence[str], days: Mapping[int, date], counts: NDArray[np.float64], held: NDArray[np.float64]
) -> Iterator[_Step]:
    """From each day to the next, in order; over a day that has no column, none."""
    import numpy as np

    column_of = {position: column for column, position in enumerate(days)}
    ordered = sorted((day, position) for position, day in days.items())
    before = held_before = np.full(len(counts), np.nan)
    for (before_day, earlier), (day, position) in pairwise(ordered):
        first, second = column_of[earlier], column_of[position]
        before, held_before = (
            np.where(np.isnan(latest), known, latest)
            for latest, known in ((counts[:, first], before), (held[:, first], held_before))
        )
        if day - before_day == timedelta(days=1):
            yield _Step(header[position], before, counts[:, second], held_before, held[:, second])


def _check_blank(
    rows: CsvRows,
    days: Mapping[int, date],
    blanks: NDArray[np.bool_],
    places: NDArray[np.int64],
) -> None:
    """Of rows that the table has, those blank there too were accepted, and others are `counts_blanked`."""
    import numpy as np

    for position, blank in zip(days, blanks.T, strict=True):
        if blank.sum() * 2 > len(blank):
            rows.refuse_or_note(
                AnomalyKind.BLANK_DAY,
                "a day is blank in more than half of the rows",
                int(places[np.argmax(blank)]),
                rows.header[position],
                stored=f"{blank.sum()} of {len(blank)} counts blank",
                expected="at most half",
            )


def _held(
    stored: pa.Table | None, uids: Sequence[int], days: Sequence[date]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The table's counts, in the order of the file's, and whether it has such a row, which may be blank."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    held = np.full((len(uids), len(days)), np.nan)
    is_held = np.zeros(held.shape, dtype=bool)
    if stored is not None:
        county = pc.index_in(stored["uid"], value_set=pa.array(uids, pa.int64()))
        day = pc.index_in(stored["date"], value_set=pa.array(days, pa.date32()))
        is_there = pc.and_(pc.is_valid(county), pc.is_valid(day))
        places = county.filter(is_there).to_numpy(), day.filter(is_there).to_numpy()
        is_held[places] = True
        held[places] = pc.cast(stored["confirmed"], "float64", safe=False).filter(is_there).to_numpy()
    return held, is_held


def _check_total(rows: CsvRows, step: _Step, places: NDArray[np.int64]) -> None:
    """Over the counties that have both counts, without what falls or leaps in the table; the row does so most."""
    import numpy as np

    growth = step.after - step.before
    held = np.nan_to_num(step.held_after - step.held_before) * _AS_MUCH
    fall = growth - np.clip(held, np.minimum(growth, 0), 0)
    rise = growth - np.clip(held, 0, np.maximum(growth, 0))
    start = np.sum(step.before, where=~np.isnan(growth))
    if np.nansum(fall) < 0:
        rows.refuse_or_note(
            AnomalyKind.FALLING_TOTAL,
            "cumulative cases of all counties together fall",
            int(places[np.nanargmin(fall)]),
            step.name,
            stored=f"{-np.nansum(fall):.0f} less than the day before",
            expected="at least as many" + (", besides what falls in the table" if (fall > growth).any() else ""),
        )
    if start >= LARGE_TOTAL and start + np.nansum(rise) > start * LARGEST_GROWTH_OF_TOTAL:
        rows.refuse_or_note(
            AnomalyKind.LEAPING_TOTAL,
            f"cumulative cases of all counties together grow more than {LARGEST_GROWTH_OF_TOTAL} times in a day",
            int(places[np.nanargmax(rise)]),
            step.name,
            stored=f"{np.nansum(step.after[~np.isnan(growth)]):.0f}",
            expected=f"about {start:.0f} as before",
        )


def _check_counties(rows: CsvRows, step: _Step, places: NDArray[np.int64], is_county: NDArray[np.bool_]) -> None:
    import numpy as np

    before, after = step.before, step.after
    known_falls = _falls(step.held_before, step.held_after) & (after * _AS_MUCH >= step.held_after)
    known_leaps = _leaps(step.held_before, step.held_after) & (after <= step.held_after * _AS_MUCH)
    falls = _falls(before, after) & is_county & ~known_falls
    if falls.sum() <= _COUNTIES_MAY_FALL:
        falls &= before >= LARGE_COUNT
    leaps = _leaps(before, after) & is_county & ~known_leaps
    for county in np.flatnonzero(falls | leaps).tolist():
        kind = AnomalyKind.FALLING_COUNT if falls[county] else AnomalyKind.LEAPING_COUNT
        rows.refuse_or_note(
            kind,
            "a county's cumulative cases fall to less than half in a day"
            if falls[county]
            else f"a county's cumulative cases grow more than {LARGEST_GROWTH} times in a day",
            int(places[county]),
            step.name,
            stored=f"{after[county]:.0f}",
            expected=f"about {before[county]:.0f} as before",
        )


def _falls(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (before >= _SMALL_COUNT) & (after * 2 < before)


def _leaps(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (before >= LARGE_COUNT) & (after > before * LARGEST_GROWTH)
