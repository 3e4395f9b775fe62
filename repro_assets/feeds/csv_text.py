"""The bytes of a published file → records of cells, within bounds.

A record is one line: the standard library's reader is given one at a time, so that a refusal can say which.
Belongs here: bytes that are no text, quotes, the size of a cell. Not: what a header or a cell means (`csv_rows`).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

from repro_assets.feeds.anomalies import AnomalyKind, AnomalyRefused, column_name, refusal
from repro_assets.feeds.publication import Anomaly

_END_OF_FILE = b"\x1a"
LARGEST_CELL = 100_000
"""In characters. The reader has a limit of its own, 131,072, which other code in this process may lift."""

LARGEST_COLUMNS = 10_000
LARGEST_ROWS = 1_000_000
LARGEST_CELLS = 10_000_000
LINE_ENDS = ("\r\n", "\n", "\r")

_WHOLE_CELL = re.compile(r'(?:"(?:[^"]|"")*"|[^",][^,]*)?,')


def decode(source: str, content: bytes, accept: frozenset[AnomalyKind]) -> tuple[str, list[Anomaly]]:
    """The text of a file, without byte order mark and end-of-file character, and what was unusual in it.

    Args:
        source: Name of the file, for messages.
        content: The uncompressed bytes.
        accept: Where `latin_1` is among these, what is not UTF-8 is Latin-1.

    Raises:
        AnomalyRefused: NUL bytes, or no UTF-8 and that is not accepted.
    """
    anomalies: list[Anomaly] = []
    if content.startswith(codecs.BOM_UTF8):
        anomalies.append(Anomaly(AnomalyKind.BOM.id, 1, 1))
        content = content[len(codecs.BOM_UTF8) :]
    if content.endswith(_END_OF_FILE):
        content = content[: -len(_END_OF_FILE)]
        ends = content.count(b"\n") or content.count(b"\r")
        anomalies.append(Anomaly(AnomalyKind.END_OF_FILE.id, 1, ends + 1))
    position = content.find(b"\0")
    if position >= 0:
        _refuse_byte(AnomalyKind.NUL_BYTE, "the file holds a NUL byte", source, content, position, anomalies)
    try:
        return content.decode("utf-8"), anomalies
    except UnicodeDecodeError as error:
        kind = AnomalyKind.LATIN_1
        if kind not in accept:
            _refuse_byte(kind, "the file holds bytes that are not UTF-8", source, content, error.start, anomalies)
        line, column = _place_of_byte(content, error.start)
        return content.decode("latin-1"), [*anomalies, Anomaly(kind.id, 1, line, column_name(column), accepted=True)]


class LineEnds:
    """How the rows of a file end, counted while they are read; a line end within quotes is a cell's, not a row's."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._first: dict[str, int] = {}

    def see(self, end: str, line: int) -> None:
        """Count one row by its line end, which is empty for a last row without one."""
        self._rows[end] = self._rows.get(end, 0) + 1
        self._first.setdefault(end, line)

    @property
    def last_is_missing(self) -> bool:
        """Whether a row without a line end was read; it can only be the last."""
        return "" in self._rows

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What is unusual about the line ends so far."""
        named = (("\r\n", AnomalyKind.CRLF), ("\r", AnomalyKind.CR), ("", AnomalyKind.NO_LAST_LINE_END))
        found = [Anomaly(kind.id, self._rows[end], self._first[end]) for end, kind in named if end in self._rows]
        _, *others = [end for end in self._rows if end] or [""]
        if others:
            rows = sum(self._rows[end] for end in others)
            found.append(Anomaly(AnomalyKind.MIXED_LINE_ENDS.id, rows, self._first[others[0]]))
        return tuple(found)


def records(source: str, text: str, ends: LineEnds) -> Iterator[tuple[int, list[str]]]:
    """Yield line and cells of every record, the header's too; a blank line has no cells.

    A record is one line: where quotes of two rows went missing, one would swallow the other.

    Args:
        source: Name of the file, for messages.
        text: The whole file.
        ends: Counts the line ends of the records.

    Raises:
        AnomalyRefused: A quote that is not closed in its row, a cell, row or file that is too large, or a row that is
            not CSV.
    """
    header: list[str] = []
    total = 0
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        columns = line.count(",") + 1
        total += columns
        _refuse_large(source, number, columns, total)
        cells = [] if line in LINE_ENDS else _cells(source, number, line, header)
        header = header or cells
        ends.see(next((end for end in LINE_ENDS if line.endswith(end)), ""), number)
        yield number, cells


def _refuse_large(source: str, number: int, columns: int, cells: int) -> None:
    """Before anything is split: a file of commas or of line ends packs to next to nothing."""
    bounds = ((number, LARGEST_ROWS, "rows"), (columns, LARGEST_COLUMNS, "columns"), (cells, LARGEST_CELLS, "cells"))
    for found, most, what in bounds:
        if found > most:
            raise refusal(
                AnomalyKind.TOO_LARGE,
                f"the file has too many {what}",
                source,
                number,
                stored=f"{found:,} up to here",
                expected=f"at most {most:,}",
            )


def _cells(source: str, number: int, line: str, header: Sequence[str]) -> list[str]:
    try:
        cells = next(csv.reader([line], strict=True))
    except csv.Error as error:
        _refuse_record(source, number, line, header, error)
    if len(line) > LARGEST_CELL and max(map(len, cells)) > LARGEST_CELL:
        column = next(column for column, cell in enumerate(cells, 1) if len(cell) > LARGEST_CELL)
        raise _huge_cell(source, number, _name(header, column))
    return cells


def _refuse_record(source: str, number: int, line: str, header: Sequence[str], error: csv.Error) -> NoReturn:
    """Say why the reader gave up: it has one message for a large cell, whether a quote made it large or not."""
    opened = _column_of_last_quote(line)
    if "unexpected end of data" in str(error):
        raise refusal(
            AnomalyKind.UNCLOSED_QUOTE,
            "a quote is not closed in its row",
            source,
            number,
            _name(header, opened),
            expected="every quote closed in its cell, and a row in one line",
        ) from error
    if "field limit" in str(error):
        column = next((at for at, cell in enumerate(line.split(","), 1) if len(cell) > LARGEST_CELL), opened)
        raise _huge_cell(source, number, _name(header, column)) from error
    column = 1 + sum(1 for _ in _whole_cells(line))
    raise refusal(AnomalyKind.NOT_CSV, f"a row is not CSV ({error})", source, number, _name(header, column)) from error


def _whole_cells(row: str) -> Iterator[str]:
    """Cells of a line up to the first that is none; each ends with its comma."""
    position = 0
    while cell := _WHOLE_CELL.match(row, position):
        yield cell[0]
        position = cell.end()


def _huge_cell(source: str, line: int, column: str) -> AnomalyRefused:
    return refusal(
        AnomalyKind.HUGE_CELL,
        "a cell is too large",
        source,
        line,
        column,
        expected=f"at most {LARGEST_CELL:,} characters",
    )


def _name(header: Sequence[str], number: int) -> str:
    return header[number - 1] if number <= len(header) else f"number {number}"


def _column_of_last_quote(row: str) -> int:
    """Column in which the last quote of this line opens: one more than there are commas outside of quotes."""
    pieces = row.split('"')
    return 1 + sum(piece.count(",") for piece in pieces[: len(pieces) - 1 : 2])


def _refuse_byte(
    kind: AnomalyKind, what: str, source: str, content: bytes, position: int, noted: list[Anomaly]
) -> NoReturn:
    line, column = _place_of_byte(content, position)
    start = _start_of_line(content, position)
    raise refusal(
        kind,
        what,
        source,
        line,
        column,
        stored=f"0x{content[position]:02x} at byte {position - start + 1} of the row",
        expected="UTF-8 text",
        noted=tuple(noted),
    )


def _place_of_byte(content: bytes, position: int) -> tuple[int, str]:
    """Line and column of a byte: the column by the commas before it outside of quotes, by number if it has no name."""
    start = _start_of_line(content, position)
    outside_quotes = content[start:position].split(b'"')[::2]
    number = 1 + sum(piece.count(b",") for piece in outside_quotes)
    header = re.split(rb"[\r\n]", content, maxsplit=1)[0].decode("utf-8", "replace").split(",")
    column = header[number - 1] if start and number <= len(header) else f"number {number}"
    ends = content.count(b"\n", 0, start) + content.count(b"\r", 0, start) - content.count(b"\r\n", 0, start)
    return ends + 1, column


def _start_of_line(content: bytes, position: int) -> int:
    return max(content.rfind(end, 0, position) for end in (b"\n", b"\r")) + 1
