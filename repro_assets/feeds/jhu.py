"""JHU CSSE's wide file of cumulative confirmed cases per US county → one row per county and day.

Format: https://github.com/CSSEGISandData/COVID-19, `time_series_covid19_confirmed_US.csv`.
One row per county, eleven leading columns, then one column per day (`M/D/YY`).
`UID` is the only key and the days hold the only data: `FIPS`, `Lat` and `Long_` change their spelling between
versions, and names are labels.
`Population`, which stands in JHU's file of *deaths*, is refused like every unknown column: that file is not this one.
"""

from __future__ import annotations

import re
from array import array
from datetime import date
from typing import TYPE_CHECKING

from repro_assets.feeds.csv_rows import LARGEST_INTEGER, CsvRows, read_rows, show
from repro_assets.feeds.parsed_feed import ParsedFeed

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "UID"
LEADING_COLUMNS = (
    KEY,
    "iso2",
    "iso3",
    "code3",
    "FIPS",
    "Admin2",
    "Province_State",
    "Country_Region",
    "Lat",
    "Long_",
    "Combined_Key",
)

_DATE_LIKE = re.compile(r"[\d/. -]*\d[\d/. -]*", re.ASCII)
_DATE = re.compile(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{2})", re.ASCII)


def parse_cases(source: str, content: bytes) -> ParsedFeed:
    """Read a wide file.

    Args:
        source: Name of the file, for messages.
        content: The uncompressed bytes.

    Returns:
        Rows (uid int64, date date32, confirmed int64), one per county and day, in the file's order.

    Raises:
        MalformedFeed: The file is not exactly of this format; with row and column.
    """
    rows = read_rows(source, content)
    positions = rows.columns(LEADING_COLUMNS, also=_DATE_LIKE)
    days = _days(rows)
    uids: dict[int, int] = {}
    counts = array("q")
    for line, cells in rows.records():
        uid = rows.key(cells[positions[KEY]], line, KEY)
        if uid in uids:
            raise rows.refusal("a key is there twice", line, KEY, stored=uid, expected=f"once, as in row {uids[uid]}")
        uids[uid] = line
        counts.extend(_counts(rows, line, [cells[position] for position in days]))
    return ParsedFeed(_long_table(list(uids), list(days.values()), counts), tuple(rows.anomalies.values()))


def _days(rows: CsvRows) -> dict[int, date]:
    """Position and day of every date column."""
    days: dict[int, date] = {}
    for position, name in enumerate(rows.header):
        if name in LEADING_COLUMNS:
            continue
        day = _day(name)
        if day is None:
            raise rows.refusal("a date does not parse", 1, name, stored=show(name), expected="M/D/YY")
        if day in days.values():
            raise rows.refusal("a day is there twice", 1, name, stored=day.isoformat())
        days[position] = day
    if not days:
        raise rows.refusal("the file has no date columns", 1, f"number {len(rows.header) + 1}", expected="M/D/YY")
    return days


def _day(name: str) -> date | None:
    found = _DATE.fullmatch(name)
    if found is None:
        return None
    try:
        return date(2000 + int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None


def _counts(rows: CsvRows, line: int, cells: list[str]) -> list[int]:
    joined = "".join(cells)
    if (
        joined.isascii()
        and joined.isdigit()
        and "" not in cells
        and len(max(cells, key=len)) < len(str(LARGEST_INTEGER))
    ):
        return list(map(int, cells))
    # Half a million cells pass above; one by one only to say which cell it is.
    names = [name for name in rows.header if name not in LEADING_COLUMNS]
    return [rows.count(cell, line, name) for cell, name in zip(cells, names, strict=True)]


def _long_table(uids: list[int], days: list[date], counts: array[int]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    epoch = date(1970, 1, 1)
    ordinals = np.tile(np.array([(day - epoch).days for day in days], dtype="int32"), len(uids))
    return pa.table(
        {
            "uid": pa.array(np.repeat(np.array(uids, dtype="int64"), len(days))),
            "date": pa.array(ordinals).cast(pa.date32()),
            "confirmed": pa.array(np.frombuffer(counts, dtype="int64")),
        }
    )
