"""Published files that Hypothesis damages: valid ones, and what can happen to one."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from repro_assets.feeds.anomalies import AnomalyKind, Fate
from repro_assets.feeds.jhu import LEADING_COLUMNS
from repro_assets.feeds.kaggle import COLUMNS, TARGET
from repro_assets.feeds.kaggle_columns import KNOWN_VALUES

Grid = list[list[str]]
Change = Callable[[Grid], Grid]

ACCEPTED = st.frozensets(st.sampled_from([kind for kind in AnomalyKind if kind.value.fate is Fate.ACCEPTABLE]))
FIRST_DAY = datetime.date(2020, 1, 22)

_NUMBERS = ["", " ", "0", "1", "-1", "1.0", "1.5", "1e3", "nan", " 1 ", "9" * 19, "9" * 5000, "84001001", "84001001.0"]
_WORDS = [
    "UID",
    "6/24/20_1",
    "1/23/20",
    "01/22/20",
    "2/30/20",
    "1/22/99",
    "1/22/2020",
    " 1/23/20",
    "UID ",
    ".5",
    "01",
    "Population",
    "target",
    "city_1",
    "Oct-49",
]
_HOSTILE = [
    '"',
    '""',
    ",",
    "\n",
    "\r",
    "\0",
    "\ufeff",
    "ñ",
    "\u0663",
    "\U0001f4a9",
    "=1+1",
    "../",
    "'; --",
    "x" * 100_001,
]
_CELLS = st.sampled_from([*_NUMBERS, *_WORDS, *_HOSTILE]) | st.text(max_size=6)


@st.composite
def case_files(draw: Callable[[Any], Any]) -> Grid:
    """A valid wide file: up to five counties and days, cumulative."""
    days = draw(st.integers(1, 5))
    dates = [FIRST_DAY + datetime.timedelta(number) for number in range(days)]
    uids = draw(st.lists(st.integers(1, 10**8 - 1), min_size=1, max_size=5, unique=True))
    grid = [[*LEADING_COLUMNS, *(f"{day.month}/{day.day}/{day:%y}" for day in dates)]]
    for uid in uids:
        # Counts of a thousand and more do not grow over five times in a day.
        least = draw(st.sampled_from([0, 1000, 10**6]))
        counts = sorted(draw(st.lists(st.integers(least, least * 4 or 1000), min_size=days, max_size=days)))
        labels = ["US", "USA", *_codes(uid), "Autauga", "Alabama", "US", "32.5", "-86.6", "Autauga, Alabama, US"]
        grid.append([str(uid), *labels, *map(str, counts)])
    return grid


def _codes(uid: int) -> tuple[str, str]:
    """`code3` and `FIPS` that go with a UID."""
    return (str(uid // 100_000), f"{uid % 100_000}.0") if uid >= 100_000 else (str(uid), "60.0")


@st.composite
def job_files(draw: Callable[[Any], Any]) -> Grid:
    """A valid job-change file with or without a target: up to fourteen people."""
    labelled = draw(st.booleans())
    grid = [[*COLUMNS, *([TARGET] if labelled else [])]]
    for person in draw(st.lists(st.integers(1, 99_999), min_size=1, max_size=14, unique=True)):
        texts = [draw(st.sampled_from(["", *sorted(KNOWN_VALUES[column])])) for column in KNOWN_VALUES]
        index = draw(st.sampled_from(["0.92", "0.44799999999999995", "1", "0"]))
        row = [str(person), f"city_{draw(st.integers(1, 180))}", index, *texts, str(draw(st.integers(1, 336)))]
        grid.append([*row, *(["1.0"] if labelled else [])])
    return grid


def written(grid: Grid, end: str = "\n") -> bytes:
    """The file's bytes; a lone surrogate can't stand in one."""
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows(grid)
    return text.getvalue().encode("utf-8", "replace")


@st.composite
def changed_grids(draw: Callable[[Any], Any], grids: st.SearchStrategy[Grid]) -> Grid:
    """A valid file after up to three slips of a publisher or of a spreadsheet."""
    grid = draw(grids)
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.integers(0, len(grid) - 1))
        column = draw(st.integers(0, max(len(grid[row]) - 1, 0)))
        other = draw(st.integers(0, max(len(grid[0]) - 1, 0)))
        grid = draw(st.sampled_from(_CHANGES))(grid, row, column, other, draw(_CELLS))
        if not grid:
            return grid
    return grid


def _cell(grid: Grid, row: int, column: int, other: int, text: str) -> Grid:
    return [
        [*cells[:column], text, *cells[column + 1 :]] if number == row else cells for number, cells in enumerate(grid)
    ]


def _ragged(grid: Grid, row: int, column: int, other: int, text: str) -> Grid:
    return [[*cells[:column], *cells[column + 1 :]] if number == row else cells for number, cells in enumerate(grid)]


def _row_out(grid: Grid, row: int, column: int, other: int, text: str) -> Grid:
    return [cells for number, cells in enumerate(grid) if number != row]


def _row_again(grid: Grid, row: int, column: int, other: int, text: str) -> Grid:
    return [*grid, grid[row]]


def _empty_row(grid: Grid, row: int, column: int, other: int, text: str) -> Grid:
    return [*grid[:row], [""] * len(grid[0]), *grid[row:]]


def _column_out(grid: Grid, row: int, column: int, other: int, text: str) -> Grid:
    return [[*cells[:other], *cells[other + 1 :]] for cells in grid]


def _column_again(grid: Grid, row: int, column: int, other: int, text: str) -> Grid:
    return [[*cells, *cells[other : other + 1]] for cells in grid]


def _columns_swapped(grid: Grid, row: int, column: int, other: int, text: str) -> Grid:
    return [_swapped(cells, column, other) for cells in grid]


def _nameless_column(grid: Grid, row: int, column: int, other: int, text: str) -> Grid:
    return [[*cells, ""] for cells in grid]


def _headers_swapped(grid: Grid, row: int, column: int, other: int, text: str) -> Grid:
    return [_swapped(grid[0], column, other), *grid[1:]]


def _header(grid: Grid, row: int, column: int, other: int, text: str) -> Grid:
    return _cell(grid, 0, other, other, text)


def _swapped(cells: list[str], first: int, second: int) -> list[str]:
    if max(first, second) >= len(cells):
        return cells
    exchanged = list(cells)
    exchanged[first], exchanged[second] = cells[second], cells[first]
    return exchanged


_CHANGES = [
    _cell,
    _ragged,
    _row_out,
    _row_again,
    _empty_row,
    _column_out,
    _column_again,
    _columns_swapped,
    _headers_swapped,
    _nameless_column,
    _header,
]


@st.composite
def changed_bytes(draw: Callable[[Any], Any], grids: st.SearchStrategy[Grid]) -> bytes:
    """A file, changed or not, after a slip in its bytes."""
    content = written(draw(grids), draw(st.sampled_from(["\n", "\r\n", "\r"])))
    position, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    slips: list[Callable[[], bytes]] = [
        lambda: content,
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content + b"\x1a",
        lambda: content[:position],
        lambda: content[:position] + content[end:],
        lambda: content[:position] + draw(st.binary(max_size=4)) + content[position:],
        lambda: content[:position] + draw(st.sampled_from([b'"', b",", b"\n", b"\0", b"\xf1"])) + content[position:],
        lambda: content[:position] + content[position:end] * 3 + content[end:],
        lambda: content.decode("utf-8").encode("utf-16"),
    ]
    return draw(st.sampled_from(slips))()


@st.composite
def packed(draw: Callable[[Any], Any], contents: st.SearchStrategy[bytes]) -> bytes:
    """Bytes as they are, packed, or packed and damaged."""
    content = draw(contents)
    if draw(st.booleans()):
        return content
    data = gzip.compress(content, mtime=0)
    position = draw(st.integers(0, len(data)))
    return draw(
        st.sampled_from(
            [
                data,
                data[:position],
                data + data[:position],
                data[:position] + draw(st.binary(min_size=1, max_size=2)) + data[position + 1 :],
            ]
        )
    )
