"""Whether the cumulative counts of JHU's wide file go on from day to day as counts do.

The bounds stand above what the 21 versions of June 2020 hold: the total over all counties never falls; no county's
count of 1,000 or more falls to less than half or grows more than 2.2 times in a day; on no day do more than two counties
fall to less than half from 50 or more.
Cases that belong to no county are moved to one when it is known, and so these rows may fall.
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

LARGE_COUNT = 1_000
LARGEST_GROWTH = 5  # times, in a day
_SMALL_COUNT = 50  # below it, half of a count is soon corrected
_COUNTIES_MAY_FALL = 5
_NO_COUNTY = (8408, 8409)  # the first digits of UIDs: out of a state, and unassigned


def check_series(
    rows: CsvRows, days: Mapping[int, date], counts: NDArray[np.float64], lines: Mapping[int, int]
) -> None:
    """Refuse or note counts that fall or leap from one day to the next.

    Args:
        rows: The file, all of it read.
        days: Day of each date column by its position, in the file's order.
        counts: One row per county, one column per item of `days`; NaN where blank.
        lines: Line of each county by its UID, in the order of `counts`.

    Raises:
        AnomalyRefused: Nobody accepted it.
    """
    import numpy as np

    column_of = {position: column for column, position in enumerate(days)}
    ordered = sorted((day, position) for position, day in days.items())
    places = list(lines.values())
    is_county = np.isin(np.array(list(lines)) // 10_000, _NO_COUNTY, invert=True)
    for (before_day, earlier), (day, position) in pairwise(ordered):
        if day - before_day != timedelta(days=1):
            continue
        before, after, name = counts[:, column_of[earlier]], counts[:, column_of[position]], rows.header[position]
        _check_total(rows, before, after, places, name)
        _check_counties(rows, before[is_county], after[is_county], np.array(places)[is_county].tolist(), name)


def _check_total(
    rows: CsvRows, before: NDArray[np.float64], after: NDArray[np.float64], places: Sequence[int], name: str
) -> None:
    """Over the counties that have both counts; the row is that of the county that falls most."""
    import numpy as np

    growth = after - before
    total = np.nansum(growth)
    if total < 0:
        rows.refuse_or_note(
            AnomalyKind.FALLING_TOTAL,
            "cumulative cases of all counties together fall",
            places[int(np.nanargmin(growth))],
            name,
            stored=f"{-total:.0f} less than the day before",
            expected="at least as many",
        )


def _check_counties(
    rows: CsvRows, before: NDArray[np.float64], after: NDArray[np.float64], places: Sequence[int], name: str
) -> None:
    import numpy as np

    falls = (before >= _SMALL_COUNT) & (after * 2 < before)
    if falls.sum() <= _COUNTIES_MAY_FALL:
        falls &= before >= LARGE_COUNT
    leaps = (before >= LARGE_COUNT) & (after > before * LARGEST_GROWTH)
    for county in np.flatnonzero(falls | leaps).tolist():
        kind = AnomalyKind.FALLING_COUNT if falls[county] else AnomalyKind.LEAPING_COUNT
        rows.refuse_or_note(
            kind,
            "a county's cumulative cases fall to less than half in a day"
            if falls[county]
            else f"a county's cumulative cases grow more than {LARGEST_GROWTH} times in a day",
            places[county],
            name,
            stored=f"{after[county]:.0f}",
            expected=f"about {before[county]:.0f} as the day before",
        )
