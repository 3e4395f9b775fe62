"""JHU CSSE's wide file of cumulative confirmed cases per US county → one row per county and day.

Format: https://github.com/CSSEGISandData/COVID-19, `time_series_covid19_confirmed_US.csv`.
One row per county, eleven leading columns, then one column per day (`M/D/YY`).
`UID` is the only key and the days hold the only data: `FIPS`, `Lat` and `Long_` change their spelling between
versions, and names are labels.
`Population`, which stands in JHU's file of *deaths*, is refused like every unknown column: that file is not this one.
The publisher's own slips that the header is read for: https://github.com/CSSEGISandData/COVID-19/issues/2753
(`6/24/20_1`), issues 2754 and 2781 (a day twice).
"""

from __future__ import annotations

import re
from array import array
from datetime import date
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from repro_assets.feeds.anomalies import AnomalyKind, show
from repro_assets.feeds.csv_rows import CsvRows
from repro_assets.feeds.jhu_days import check_days
from repro_assets.feeds.jhu_series import check_series
from repro_assets.feeds.parsed_feed import ParsedFeed

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

KEY = "UID"
CODE = "code3"
FIPS = "FIPS"
LEADING_COLUMNS = (
    KEY,
    "iso2",
    "iso3",
    CODE,
    FIPS,
    "Admin2",
    "Province_State",
    "Country_Region",
    "Lat",
    "Long_",
    "Combined_Key",
)

_DATE = re.compile(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>(20)?\d{2})", re.ASCII)
_DIGITS_OF_YEAR = 2
# The largest county has ten million people.
_LARGEST_COUNT = 99_999_999
_LARGEST_COUNT_DIGITS = len(str(_LARGEST_COUNT))
_HAS_DIGIT = re.compile(r"\d", re.ASCII)
_CODE = re.compile(r"(?P<digits>\d{1,5})(\.0+)?", re.ASCII)
_PER_COUNTRY = 100_000
_BEYOND_FIPS = re.compile(r"\d{6,}(\.0+)?", re.ASCII)  # a FIPS code has five digits, a UID of a county eight


def parse_cases(source: str, content: bytes, accept: frozenset[AnomalyKind] = frozenset()) -> ParsedFeed:
    """Read a wide file.

    Args:
        source: Name of the file, for messages.
        content: The uncompressed bytes.
        accept: Anomalies that the file is not refused for.

    Returns:
        Rows (uid int64, date date32, confirmed int64, null where blank), one per county and day, in the file's order.

    Raises:
        AnomalyRefused: The file is not of this format, or holds what would corrupt the table; with row and column.
    """
    rows = CsvRows(source, content, accept)
    _refuse_other_dates(rows)
    left_out: list[int] = []
    layout = rows.layout(LEADING_COLUMNS, lambda position, name: _column(rows, left_out, position, name))
    days = {position: column for column, position in layout.items() if isinstance(column, date)}
    days = dict(sorted(days.items()))
    if not days:
        place = f"number {len(rows.header) + 1}"
        raise rows.refusal(AnomalyKind.NO_DATES, "the file has no date columns", 1, place, expected="M/D/YY")
    counts = _Counts(rows, list(days))
    uids: dict[int, int] = {}
    for line, cells in rows.records():
        uid = rows.key(cells[layout[KEY]], line, KEY)
        if uid in uids:
            what, expected = "a key is there twice", f"once, as in row {uids[uid]}"
            raise rows.refusal(AnomalyKind.REPEATED_KEY, what, line, KEY, stored=uid, expected=expected)
        if _BEYOND_FIPS.fullmatch(cells[layout[FIPS]].strip()):
            _refuse_swapped_keys(rows, line, cells[layout[FIPS]])
        _check_key(rows, line, uid, cells[layout[CODE]], cells[layout[FIPS]])
        uids[uid] = line
        counts.add(line, cells)
    if rows.may_be_cut and max(days) == len(rows.header) - 1:
        counts.check_last(line)
    _check_leading_order(rows, layout)
    matrix = counts.matrix()
    check_days(rows, days, matrix, left_out)
    return ParsedFeed(
        _long_table(list(uids), list(days.values()), counts),
        rows.anomalies,
        judge=partial(check_series, rows, days, matrix, uids),
    )


def _refuse_other_dates(rows: CsvRows) -> None:
    """Refuse a file all of whose dates are written in another way: accepting them one by one would leave no day."""
    others = [name for name in rows.header if name and name not in LEADING_COLUMNS]
    if not others or not set(LEADING_COLUMNS) <= set(rows.header) or any(_DATE.fullmatch(name) for name in others):
        return
    if all(_HAS_DIGIT.search(name) for name in others):
        what = "no date is written as published"
        raise rows.refusal(AnomalyKind.NO_DATES, what, 1, others[0], stored=show(others[0]), expected="M/D/YY")


def _column(rows: CsvRows, left_out: list[int], position: int, name: str) -> str | date | None:
    """What a column is: a leading one, a day, or none where a header that was meant for a day does not parse."""
    if name in LEADING_COLUMNS:
        return name
    day = _day(name)
    if day is not None:
        if len(name.rpartition("/")[2]) > _DIGITS_OF_YEAR:
            rows.note(AnomalyKind.LONG_YEAR, 1, name)
        return day
    if not _HAS_DIGIT.search(name):
        raise rows.unknown_column(position, name, LEADING_COLUMNS)
    rows.refuse_or_note(
        AnomalyKind.UNPARSABLE_DATE, "a date does not parse", 1, name, stored=show(name), expected="M/D/YY"
    )
    left_out.append(position)
    return None


def _day(name: str) -> date | None:
    found = _DATE.fullmatch(name)
    if found is None:
        return None
    try:
        return date(2000 + int(found["year"]) % 100, int(found["month"]), int(found["day"]))
    except ValueError:
        return None


def _refuse_swapped_keys(rows: CsvRows, line: int, text: str) -> None:
    raise rows.refusal(
        AnomalyKind.SWAPPED_COLUMNS,
        "a county's FIPS code looks like a UID: the two columns are exchanged",
        line,
        FIPS,
        stored=show(text),
        expected="at most 5 digits",
    )


def _check_key(rows: CsvRows, line: int, uid: int, code: str, fips: str) -> None:
    """A UID is its country's code, or that and five digits, which are those of the FIPS code where there is one.

    So are all 68,481 rows of the 21 versions of June 2020.
    """
    country, county = _whole(code), _whole(fips)
    if country is None or uid == country:
        return
    expected = None if county is None else country * _PER_COUNTRY + county
    if uid // _PER_COUNTRY != country or (expected is not None and uid != expected):
        rows.refuse_or_note(
            AnomalyKind.KEY_MISMATCH,
            "a UID is not that of its row",
            line,
            KEY,
            stored=uid,
            expected=f"{country:03}00000 and the county" if expected is None else expected,
        )


def _whole(text: str) -> int | None:
    found = _CODE.fullmatch(text.strip())
    return int(found["digits"]) if found else None


def _check_leading_order(rows: CsvRows, layout: dict[object, int]) -> None:
    for before, column in pairwise(LEADING_COLUMNS):
        if layout[column] < layout[before]:
            rows.note(AnomalyKind.COLUMN_ORDER, 1, column)


class _Counts:
    """The counts of a file, row after row.

    Args:
        rows: The file.
        positions: Of the date columns, in the file's order.

    Attributes:
        cells: One per county and day; 0 where blank.
        blanks: Positions in `cells` that are blank.
    """

    def __init__(self, rows: CsvRows, positions: list[int]) -> None:
        self.cells = array("q")
        self.blanks = array("q")
        self._rows = rows
        self._positions = positions

    def add(self, line: int, cells: list[str]) -> None:
        """Add the counts of one row."""
        texts = [cells[position] for position in self._positions]
        joined = "".join(texts)
        if (
            joined.isascii()
            and joined.isdigit()
            and "" not in texts
            and len(max(texts, key=len)) <= _LARGEST_COUNT_DIGITS
        ):
            self.cells.extend(map(int, texts))
            return
        # Half a million cells pass above; one by one only to say which cell it is.
        for position, text in zip(self._positions, texts, strict=True):
            name = self._rows.header[position]
            if text.strip():
                self.cells.append(self._count(text, line, name))
            else:
                self._rows.note(AnomalyKind.BLANK_COUNT, line, name)
                self.blanks.append(len(self.cells))
                self.cells.append(0)

    def matrix(self) -> NDArray[np.float64]:
        """One row per county, one column per day, NaN where blank; figures beyond 2**53 lose their last digits."""
        import numpy as np

        counts = np.array(self.cells, dtype="float64")
        counts[np.array(self.blanks, dtype="int64")] = np.nan
        return counts.reshape(-1, len(self._positions))

    def _count(self, text: str, line: int, name: str) -> int:
        found = self._rows.count(text, line, name)
        if found > _LARGEST_COUNT:
            self._rows.refuse_or_note(
                AnomalyKind.ABSURD_COUNT,
                "more cases than a county can have",
                line,
                name,
                stored=show(text),
                expected=f"at most {_LARGEST_COUNT}",
            )
        return found

    def check_last(self, line: int) -> None:
        """Refuse a file that may have been cut within its last count, where that count looks cut.

        Raises:
            AnomalyRefused: The last count is blank or below the day before, and nobody accepted it.
        """
        last, name = len(self.cells) - 1, self._rows.header[self._positions[-1]]
        latest = self.blanks[-2:]
        is_blank = last in latest
        before = self.cells[last - 1] if len(self._positions) > 1 and last - 1 not in latest else 0
        if is_blank or self.cells[last] < before:
            self._rows.refuse_or_note(
                AnomalyKind.CUT_COUNT,
                "the file ends within its last row",
                line,
                name,
                stored="blank" if is_blank else self.cells[last],
                expected=f"a count from {before} and a line end",
            )


def _long_table(uids: list[int], days: list[date], counts: _Counts) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    epoch = date(1970, 1, 1)
    ordinals = np.tile(np.array([(day - epoch).days for day in days], dtype="int32"), len(uids))
    blank = np.zeros(len(counts.cells), dtype=bool)
    blank[np.array(counts.blanks, dtype="int64")] = True
    return pa.table(
        {
            "uid": pa.array(np.repeat(np.array(uids, dtype="int64"), len(days))),
            "date": pa.array(ordinals).cast(pa.date32()),
            "confirmed": pa.array(np.frombuffer(counts.cells, dtype="int64"), mask=blank if counts.blanks else None),
        }
    )
