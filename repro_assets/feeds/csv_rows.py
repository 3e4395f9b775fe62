"""A published CSV file as a header and rows of cells, and the cells that every parser reads the same way.

Every refusal names the file, the row (1-based line as an editor shows it) and the column.
The standard library's reader is used because it alone can say on which line a record starts.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from repro_assets.errors import MalformedFeed
from repro_assets.feeds.publication import Anomaly

LARGEST_INTEGER = 2**63 - 1

_INTEGER = re.compile(r"\d+", re.ASCII)
_KEY = re.compile(r"(?P<integer>\d+)(?P<fraction>\.0+)?", re.ASCII)
_SHOWN = 60


@dataclass
class CsvRows:
    """One file while it is read.

    Attributes:
        source: Name of the file, for messages.
        header: Column names as published.
        anomalies: What was unusual so far, by name.
    """

    source: str
    header: tuple[str, ...]
    _records: Iterator[tuple[int, list[str]]]
    anomalies: dict[str, Anomaly] = field(default_factory=dict)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line and the cells of every row after the header; to be called once.

        Raises:
            MalformedFeed: A row has more or fewer cells than the header, or is not CSV, or there is none.
        """
        line = 1
        rows = 0
        for line, cells in self._records:
            if len(cells) != len(self.header):
                raise self.ragged(line, cells)
            rows += 1
            yield line, cells
        if not rows:
            raise self.refusal("the file has a header and no rows", line + 1, None)

    def ragged(self, line: int, cells: Sequence[str]) -> MalformedFeed:
        """The refusal of a row whose cells are not one per column; names the first column without a partner."""
        first = len(cells)
        column = self.header[first] if first < len(self.header) else f"number {len(self.header) + 1}"
        return self.refusal(
            "a row has another number of cells than the header",
            line,
            column,
            stored=len(cells),
            expected=len(self.header),
        )

    def refusal(
        self,
        what: str,
        line: int,
        column: str | None,
        *,
        stored: object = None,
        expected: object = None,
        fix: str | None = None,
    ) -> MalformedFeed:
        """Build the error for one place of this file."""
        return refusal(what, self.source, line, column, stored=stored, expected=expected, fix=fix)

    def note(self, name: str, line: int | None = None, column: str | None = None) -> None:
        """Count an anomaly; the first occurrence gives row and column."""
        seen = self.anomalies.get(name)
        self.anomalies[name] = (
            Anomaly(name, 1, line, column) if seen is None else Anomaly(name, seen.count + 1, seen.row, seen.column)
        )

    def columns(self, known: Sequence[str], *, also: re.Pattern[str] | None = None) -> dict[str, int]:
        """Position of every known column.

        Args:
            known: Columns that must each be there once.
            also: Names beyond `known` that are allowed; others are refused.

        Raises:
            MalformedFeed: A column is missing, unknown or there twice.
        """
        positions: dict[str, int] = {}
        for position, name in enumerate(self.header):
            if name in positions:
                raise self.refusal("a column is there twice", 1, name)
            if name not in known and not (also and also.fullmatch(name)):
                where = name or f"number {position + 1}"
                raise self.refusal("unknown column", 1, where, stored=show(name), expected="the published columns")
            positions[name] = position
        for name in known:
            if name not in positions:
                raise self.refusal("a column is missing", 1, name)
        return positions

    def key(self, text: str, line: int, column: str) -> int:
        """Read a key: digits, or an integral float such as `84001001.0`, which is noted as `float_key`.

        Raises:
            MalformedFeed: Anything else, blank included, or beyond 64 bits.
        """
        found = _KEY.fullmatch(text)
        if found is None:
            raise self.refusal("a key does not parse", line, column, stored=show(text), expected="an integer")
        if found["fraction"]:
            self.note("float_key", line, column)
        return self._bounded(found["integer"], line, column)

    def count(self, text: str, line: int, column: str) -> int:
        """Read a count: digits only.

        Raises:
            MalformedFeed: Blank, negative, fractional or anything else, or beyond 64 bits.
        """
        if _INTEGER.fullmatch(text) is None:
            raise self.refusal("a count does not parse", line, column, stored=show(text), expected="an integer from 0")
        return self._bounded(text, line, column)

    def _bounded(self, digits: str, line: int, column: str) -> int:
        # Python refuses to convert more than 4,300 digits: the length is checked first.
        value = int(digits) if len(digits) <= len(str(LARGEST_INTEGER)) else LARGEST_INTEGER + 1
        if value > LARGEST_INTEGER:
            raise self.refusal(
                "a number is too large", line, column, stored=show(digits), expected=f"at most {LARGEST_INTEGER}"
            )
        return value


def refusal(
    what: str,
    source: str,
    line: int,
    column: str | None,
    *,
    stored: object = None,
    expected: object = None,
    fix: str | None = None,
) -> MalformedFeed:
    """Build the error for one place of a file; the text is the caller's to raise."""
    where = f"{source}, row {line}"
    if column is not None:
        where += f", column {column[:_SHOWN] if column.isprintable() else show(column)}"
    return MalformedFeed(what, where=where, stored=stored, expected=expected, fix=fix)


def show(text: str) -> str:
    """A cell's text for a message: quoted, control characters escaped, cut."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def read_rows(source: str, content: bytes) -> CsvRows:
    """Decode a file and read its header.

    Args:
        source: Name of the file, for messages.
        content: The uncompressed bytes, UTF-8 with or without a byte order mark.

    Raises:
        MalformedFeed: NUL bytes, no UTF-8, an unclosed quote, or no header.
    """
    anomalies: dict[str, Anomaly] = {}
    if content.startswith(codecs.BOM_UTF8):
        anomalies["bom"] = Anomaly("bom", 1, 1)
        content = content[len(codecs.BOM_UTF8) :]
    if b"\r\n" in content:
        first = content[: content.index(b"\r\n")].count(b"\n") + 1
        anomalies["crlf"] = Anomaly("crlf", content.count(b"\r\n"), first)
    records = _records(source, _decode(source, content))
    _, header = next(records, (1, []))
    if not any(header):
        raise refusal("the file has no header", source, 1, None)
    return CsvRows(source, tuple(header), records, anomalies)


def _decode(source: str, content: bytes) -> str:
    position = content.find(b"\0")
    if position >= 0:
        raise _bad_byte("a NUL byte", source, content, position)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad_byte("bytes that are not UTF-8", source, content, error.start) from error


def _bad_byte(what: str, source: str, content: bytes, position: int) -> MalformedFeed:
    start = content.rfind(b"\n", 0, position) + 1
    line = content.count(b"\n", 0, position) + 1
    return refusal(
        f"the file holds {what}",
        source,
        line,
        _column_of_byte(content, start, position),
        stored=f"0x{content[position]:02x} at byte {position - start + 1} of the row",
        expected="UTF-8 text",
    )


def _column_of_byte(content: bytes, start: int, position: int) -> str:
    """Name the column by the commas before the byte outside of quotes; its number where there is no such name."""
    outside_quotes = content[start:position].split(b'"')[::2]
    number = 1 + sum(piece.count(b",") for piece in outside_quotes)
    header = content.partition(b"\n")[0].decode("utf-8", "replace").rstrip("\r").split(",")
    return header[number - 1] if start and number <= len(header) else f"number {number}"


def _records(source: str, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise refusal(f"a row is not CSV ({error})", source, line, None, fix="Is a quote unclosed?") from error
        yield line, cells
        line = reader.line_num + 1
