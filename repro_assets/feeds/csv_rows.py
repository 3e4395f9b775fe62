"""A published CSV file as a header and rows of cells, and the cells that every parser reads the same way.

Every refusal names the anomaly, the file, the row (1-based line as an editor shows it) and the column.
What an anomaly's name means, and what happens, is said in one place: `anomalies`.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from repro_assets.feeds.anomalies import AnomalyKind, AnomalyRefused, column_name, refusal, show
from repro_assets.feeds.csv_text import LineEnds, decode, records
from repro_assets.feeds.publication import Anomaly

LARGEST_INTEGER = 2**63 - 1
LARGEST_DIGITS = len(str(LARGEST_INTEGER))

_WHOLE = re.compile(r"(?P<integer>\d+)(?P<fraction>\.0+)?", re.ASCII)


_EXAMPLES = 5  # of an anomaly: a commit is no place for half a million of them


@dataclass
class _Noted:
    """How often an anomaly was seen and where first: a file may hold millions."""

    count: int = 0
    places: list[tuple[int | None, str | None]] = field(default_factory=list)
    accepted: bool = False

    def see(self, line: int | None, column: str | None) -> None:
        """Count one more."""
        self.count += 1
        if len(self.places) < _EXAMPLES:
            self.places.append((line, column and column_name(column)))

    def as_anomaly(self, name: str) -> Anomaly:
        row, column = self.places[0]
        return Anomaly(name, self.count, row, column, tuple(self.places) if self.count > 1 else (), self.accepted)


class CsvRows:
    """One file while it is read.

    Args:
        source: Name of the file, for messages.
        content: The uncompressed bytes, UTF-8 with or without a byte order mark.
        accept: Anomalies that the file is not refused for.

    Attributes:
        header: Column names as published.

    Raises:
        AnomalyRefused: NUL bytes, no UTF-8, or no header.
    """

    def __init__(self, source: str, content: bytes, accept: frozenset[AnomalyKind] = frozenset()) -> None:
        text, noted = decode(source, content, accept)
        self._source = source
        self._accept = accept
        self._of_text = tuple(noted)
        self._noted: dict[AnomalyKind, _Noted] = {}
        self._ends = LineEnds()
        self._records = records(source, text, self._ends)
        _, header = next(self._records, (1, []))
        self.header = tuple(name.strip(" ") for name in header)
        self._key: Hashable = None
        self._doubled: dict[int, int] = {}
        self._differing: set[int] = set()
        self._nameless = [position for position, name in enumerate(self.header) if not name]
        if not any(self.header):
            raise self.refusal(AnomalyKind.NO_HEADER, "the file has no header", 1)
        for name, stripped in zip(header, self.header, strict=True):
            if name != stripped:
                self.note(AnomalyKind.PADDED_TEXT, 1, stripped)

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What was unusual so far."""
        noted = (found.as_anomaly(kind.id) for kind, found in self._noted.items())
        return (*self._ends.anomalies, *self._of_text, *noted)

    @property
    def doubled_columns(self) -> dict[int, int]:
        """Of columns under one header with different values so far, which is accepted: the one before, by the later."""
        return {last: first for last, first in self._doubled.items() if last in self._differing}

    @property
    def may_be_cut(self) -> bool:
        """Whether the last row read is one of cells without a line end after it."""
        return self._ends.last_is_missing and AnomalyKind.TRAILING_EMPTY_ROWS not in self._noted

    def apart(self) -> CsvRows:
        """The same file, read, with nothing noted: what is noted in it stays out of this one."""
        other = copy.copy(self)
        other._noted, other._of_text, other._ends = {}, (), LineEnds()
        return other

    def note(self, kind: AnomalyKind, line: int | None = None, column: str | None = None) -> None:
        """Count an anomaly that is read right; the first few occurrences give row and column."""
        self._count(kind, line, column, accepted=False)

    def refuse_or_note(
        self,
        kind: AnomalyKind,
        what: str,
        line: int,
        column: str | None = None,
        *,
        stored: object = None,
        expected: object = None,
    ) -> None:
        """Count an anomaly that was accepted, or refuse the file.

        Raises:
            AnomalyRefused: Nobody accepted it.
        """
        if kind not in self._accept:
            raise self.refusal(kind, what, line, column, stored=stored, expected=expected)
        self._count(kind, line, column, accepted=True)

    def refusal(
        self,
        kind: AnomalyKind,
        what: str,
        line: int,
        column: str | None = None,
        *,
        stored: object = None,
        expected: object = None,
        fix: str | None = None,
    ) -> AnomalyRefused:
        """Build the error for one place of this file."""
        return refusal(
            kind, what, self._source, line, column, stored=stored, expected=expected, fix=fix, noted=self.anomalies
        )

    def layout(
        self, published: Sequence[Hashable], identify: Callable[[int, str], Hashable | None]
    ) -> dict[Hashable, int]:
        """Where each column stands, by what it is; of a doubled one the last, of one without a name none.

        Args:
            published: Columns that must be there, the key first.
            identify: What the column at a position with this header is; None where it is to be left out.

        Raises:
            AnomalyRefused: A column is missing, or `identify` refuses one.
        """
        if not set(published) & set(self.header):  # another file altogether: a page that says 404, semicolons
            what, expected = "none of the published columns is there", f"{published[0]} and others, between commas"
            stored = show(self.header[0])
            raise self.refusal(AnomalyKind.MISSING_COLUMN, what, 1, str(published[0]), stored=stored, expected=expected)
        self._key = published[0]
        positions: dict[Hashable, int] = {}
        for position, name in enumerate(self.header):
            if not name:
                continue
            column = identify(position, name)
            if column is None:
                continue
            if column in positions:
                self._doubled[position] = positions[column]
            positions[column] = position
        missing = [str(column) for column in published if column not in positions]
        if missing:
            what = "a column is missing" if len(missing) == 1 else f"{len(missing)} columns are missing"
            others = f"{', '.join(missing)}, too" if len(missing) > 1 else None
            raise self.refusal(AnomalyKind.MISSING_COLUMN, what, 1, missing[0], expected=others)
        return positions

    def unknown_column(self, position: int, name: str, published: Sequence[str]) -> AnomalyRefused:
        """The refusal of a column that is none of the published ones; names the one that was meant, if one is near."""
        where = name or f"number {position + 1}"
        by_case = {column.casefold(): column for column in published}
        near = difflib.get_close_matches(name.strip("\ufeff ").casefold(), by_case, n=1)
        expected = by_case[near[0]] if near else "the published columns"
        return self.refusal(
            AnomalyKind.UNKNOWN_COLUMN, "unknown column", 1, where, stored=show(name), expected=expected
        )

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line and the cells of every row after the header; to be called once.

        Raises:
            AnomalyRefused: A row is not CSV, ragged, empty with rows after it, has two values for one column or one in
                a column without a name; or there is no row.
        """
        line, rows = 1, 0
        empty = _Noted()
        for line, cells in self._records:
            if not any(map(str.strip, cells)):
                empty.see(line, None)
                continue
            if empty.count:
                self._accept_empty(empty)
                empty = _Noted()
            if len(cells) != len(self.header):
                raise self._ragged(line, cells)
            if self._doubled:
                self._compare_doubled(line, cells)
            for position in self._nameless:
                if cells[position].strip():
                    raise self.unknown_column(position, "", ())
            rows += 1
            yield line, cells
        if not rows:
            raise self.refusal(AnomalyKind.HEADER_ONLY, "the file has a header and no rows", line + 1)
        for position in sorted(self._doubled.keys() - self._differing):
            self.note(AnomalyKind.REPEATED_COLUMN, 1, self.header[position])
        for position in self._nameless:
            self.note(AnomalyKind.NAMELESS_COLUMN, 1, f"number {position + 1}")
        if empty.count:
            self._noted[AnomalyKind.TRAILING_EMPTY_ROWS] = empty

    def key(self, text: str, line: int, column: str) -> int:
        """Read a key: digits, or an integral float such as `84001001.0`, which is noted.

        Raises:
            AnomalyRefused: Anything else, blank included, or beyond 64 bits.
        """
        if not text.strip():
            raise self.refusal(AnomalyKind.BLANK_KEY, "a key is blank", line, column, expected="an integer")
        found = _WHOLE.fullmatch(self.stripped(text, line, column))
        if found is None:
            raise self.refusal(
                AnomalyKind.BAD_KEY, "a key does not parse", line, column, stored=show(text), expected="an integer"
            )
        if found["fraction"]:
            self.note(AnomalyKind.FLOAT_KEY, line, column)
        return self._bounded(AnomalyKind.BAD_KEY, found["integer"], line, column)

    def count(self, text: str, line: int, column: str) -> int:
        """Read a count: digits, or an integral float such as `12.0`, which is noted.

        Raises:
            AnomalyRefused: Blank, negative, fractional or anything else, or beyond 64 bits.
        """
        found = _WHOLE.fullmatch(self.stripped(text, line, column))
        if found is None:
            what, expected = "a count does not parse", "an integer from 0"
            raise self.refusal(AnomalyKind.BAD_COUNT, what, line, column, stored=show(text), expected=expected)
        if found["fraction"]:
            self.note(AnomalyKind.FLOAT_COUNT, line, column)
        return self._bounded(AnomalyKind.LARGE_COUNT, found["integer"], line, column)

    def stripped(self, text: str, line: int, column: str) -> str:
        """A cell without blanks around it, which are noted."""
        stripped = text.strip(" ")
        if stripped != text:
            self.note(AnomalyKind.PADDED_TEXT, line, column)
        return stripped

    def _bounded(self, kind: AnomalyKind, digits: str, line: int, column: str) -> int:
        # Python refuses to convert more than 4,300 digits: the length is checked first.
        value = int(digits) if len(digits) <= LARGEST_DIGITS else LARGEST_INTEGER + 1
        if value > LARGEST_INTEGER:
            raise self.refusal(
                kind, "a number is too large", line, column, stored=show(digits), expected=f"at most {LARGEST_INTEGER}"
            )
        return value

    def _count(self, kind: AnomalyKind, line: int | None, column: str | None, *, accepted: bool) -> None:
        self._noted.setdefault(kind, _Noted(accepted=accepted)).see(line, column)

    def _accept_empty(self, empty: _Noted) -> None:
        """What looked like the end of the file was not."""
        what, expected = "a row is empty, and rows come after it", "a row of cells"
        for line, _ in empty.places:
            self.refuse_or_note(AnomalyKind.EMPTY_ROW, what, line or 1, expected=expected)
        self._noted[AnomalyKind.EMPTY_ROW].count += empty.count - len(empty.places)

    def _compare_doubled(self, line: int, cells: Sequence[str]) -> None:
        """Accept or refuse that a cell of a doubled column is another one; never of the key."""
        other = {last: first for last, first in self._doubled.items() if _value(cells[last]) != _value(cells[first])}
        for last, first in other.items():
            if self.header[last] == self._key:
                what, expected = "the key's column is there twice with different values", show(cells[first])
                stored = show(cells[last])
                raise self.refusal(
                    AnomalyKind.DOUBLED_KEY, what, line, self.header[last], stored=stored, expected=expected
                )
            self.refuse_or_note(
                AnomalyKind.DOUBLED_COLUMN,
                "a column is there twice with different values",
                line,
                self.header[last],
                stored=show(cells[last]),
                expected=f"{show(cells[first])}, as in column number {first + 1}",
            )
            self._differing.add(last)

    def _ragged(self, line: int, cells: Sequence[str]) -> AnomalyRefused:
        """The refusal of a row whose cells are not one per column; names the first column without a partner."""
        first = len(cells)
        column = self.header[first] if first < len(self.header) else f"number {len(self.header) + 1}"
        what, expected = "a row has another number of cells than the header", len(self.header)
        return self.refusal(AnomalyKind.RAGGED_ROW, what, line, column, stored=len(cells), expected=expected)


def _value(text: str) -> str:
    """A cell as it is compared: `60`, ` 60` and `60.0` are one value."""
    text = text.strip(" ")
    found = _WHOLE.fullmatch(text)
    return found["integer"].lstrip("0") or "0" if found else text
