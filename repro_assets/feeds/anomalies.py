"""Everything unusual that a published file is known to hold: a name, what it is, and what happens.

The one place for names: a parser refuses or notes by a member of `AnomalyKind`, `--accept` takes the names of those
that a person may accept, and the table in docs/feeds.md is compared with this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from repro_assets.errors import BadInput, MalformedFeed
from repro_assets.feeds.publication import Anomaly

_SHOWN = 60


class Fate(Enum):
    """What happens to a file that holds an anomaly."""

    READ = "read and reported"
    ACCEPTABLE = "refused unless accepted"
    REFUSED = "refused"


@dataclass(frozen=True)
class Kind:
    """One kind of anomaly.

    Attributes:
        what: What it is.
        fate: What happens to the file.
        then: What is made of it where it is read or accepted.
    """

    what: str
    fate: Fate = Fate.REFUSED
    then: str = ""

    @property
    def happens(self) -> str:
        """The fate and what is made of it, in a few words."""
        return f"{self.fate.value}: {self.then}" if self.then else self.fate.value


class AnomalyKind(Enum):
    """Every kind, by its name in capitals."""

    # The file
    EMPTY_FILE = Kind("no byte at all")
    TOO_LARGE = Kind("over 64 MiB, packed or unpacked, or over 1,000,000 rows, 10,000 columns or 10,000,000 cells")
    NOT_GZIP = Kind("a name in `.gz` and other content")
    GZIP_TRUNCATED = Kind("a gzip file that ends too early")
    GZIP_DAMAGED = Kind("a gzip file that does not unpack")
    GZIP_BOMB = Kind("a gzip file that unpacks to over 200 times its size, or has over 65,536 members")
    BOM = Kind("a byte order mark", Fate.READ, "it is left out")
    END_OF_FILE = Kind("a last byte 0x1A, the end of a file of DOS", Fate.READ, "it is left out")
    CRLF = Kind("line ends of Windows", Fate.READ, "they are line ends")
    CR = Kind("line ends of old Macs, a lone carriage return", Fate.READ, "they are line ends")
    MIXED_LINE_ENDS = Kind("line ends of more than one kind", Fate.READ, "each is a line end")
    NO_LAST_LINE_END = Kind(
        "no line end after the last row, which may have been cut", Fate.READ, "the row is read as it stands"
    )
    NUL_BYTE = Kind("a NUL byte, as in UTF-16")
    LATIN_1 = Kind("bytes that are not UTF-8", Fate.ACCEPTABLE, "the file is read as Latin-1")
    UNCLOSED_QUOTE = Kind("a quote that is not closed in its row, such as around a line break")
    HUGE_CELL = Kind("a cell of over 100,000 characters")
    NOT_CSV = Kind("a row that is not CSV, such as text after a closing quote")
    # The header
    NO_HEADER = Kind("a blank first row")
    MISSING_COLUMN = Kind("a published column is not there")
    UNKNOWN_COLUMN = Kind("a column that is none of the published ones, `Population` of JHU's file of deaths included")
    OTHER_PART = Kind(
        "a file of people named `train` without `target`, or named `test` with it",
        Fate.ACCEPTABLE,
        "its columns say which part it is",
    )
    NO_DATES = Kind("no column of a day, or all of them headed in another way than `M/D/YY` or `M/D/YYYY`")
    UNPARSABLE_DATE = Kind(
        "a date header that does not parse, such as `6/24/20_1` or `1/23/2O`", Fate.ACCEPTABLE, "the column is left out"
    )
    LONG_YEAR = Kind("a day headed as `6/24/2020`", Fate.READ, "it is `6/24/20`")
    DAY_GAP = Kind(
        "a day is missing between the first and the last, as where a date header is misspelt into another date",
        Fate.ACCEPTABLE,
        "the columns are read as they are headed",
    )
    DOUBLED_COLUMN = Kind("a column twice, with different values", Fate.ACCEPTABLE, "the last one is taken")
    REPEATED_COLUMN = Kind(
        "a column twice, with the same values, however they are spelt", Fate.READ, "it is one column"
    )
    DOUBLED_KEY = Kind("the column of keys twice, with different values")
    NAMELESS_COLUMN = Kind("a column without a name and without a filled cell", Fate.READ, "it is left out")
    COLUMN_ORDER = Kind("columns in another order than published", Fate.READ, "they are found by name")
    SWAPPED_COLUMNS = Kind("headers of two columns are exchanged, and their cells are not, or the other way round")
    FALLING_TOTAL = Kind(
        "cumulative cases of all counties together fall from a day to the next, as where cells of two days are exchanged",
        Fate.ACCEPTABLE,
        "they are read as published",
    )
    LEAPING_TOTAL = Kind(
        "cumulative cases of all counties together, from 10,000 on, grow over 1.9 times from a day to the next, as where a "
        "day is doubled",
        Fate.ACCEPTABLE,
        "they are read as published",
    )
    BLANK_DAY = Kind(
        "a day that is blank in more than half of the rows, where the table has no such rows",
        Fate.ACCEPTABLE,
        "the rows have a null",
    )
    # The rows
    HEADER_ONLY = Kind("a header and no rows")
    RAGGED_ROW = Kind("a row with more or fewer cells than the header")
    TRAILING_EMPTY_ROWS = Kind("blank lines or rows of commas only at the end", Fate.READ, "they are left out")
    EMPTY_ROW = Kind("a blank line or a row of commas only, with rows after it", Fate.ACCEPTABLE, "it is left out")
    BLANK_KEY = Kind("a row without its key")
    BAD_KEY = Kind("a key that is no integer, or too large for 64 bits")
    FLOAT_KEY = Kind("a key such as `84001001.0`", Fate.READ, "it is the integer")
    KEY_MISMATCH = Kind(
        "a UID that does not go with its row's `code3` and `FIPS`, as where that column alone was sorted",
        Fate.ACCEPTABLE,
        "the row is read under its UID",
    )
    REPEATED_KEY = Kind("a key twice in one file")
    SHARED_KEY = Kind("a key that stands in the table's other part")
    KEYS_GONE = Kind(
        "more than 1 % of the table's counties, days or people are no longer there, and more than two of them; "
        "where the last line end is missing too, any; and any day before the file's newest, as where every date header "
        "is misspelt by a day",
        Fate.ACCEPTABLE,
        "their rows are deleted",
    )
    FEW_KEYS_GONE = Kind(
        "counties, days or people of the table are no longer there, at most two of them or 1 %",
        Fate.READ,
        "their rows are deleted",
    )
    COUNTS_BLANKED = Kind(
        "more than 0.1 % of the table's counts of cases are blank in the file, and more than two of them",
        Fate.ACCEPTABLE,
        "their rows have a null",
    )
    COUNTS_FALLEN = Kind(
        "counts of cases fall to less than half of what the table has, from 1,000 or more, or from 50 or more in more "
        "than five counties",
        Fate.ACCEPTABLE,
        "they are changed as published",
    )
    MANY_ROWS_CHANGED = Kind(
        "more than 5 % of the rows that the table has of this part have other values, and in a small table more than "
        "20 % or 2,000; of cases only rows that are not zero",
        Fate.ACCEPTABLE,
        "they are changed as published",
    )
    FUTURE_DAY = Kind(
        "a day after the one that the file was published on, or where that is not known after today",
        Fate.ACCEPTABLE,
        "it is read as headed",
    )
    # The cells
    BLANK_COUNT = Kind("a blank count of cases", Fate.READ, "the row has a null")
    FLOAT_COUNT = Kind("a count such as `12.0`", Fate.READ, "it is the integer")
    BAD_COUNT = Kind("a count that is negative, fractional or no number, or blank training hours")
    LARGE_COUNT = Kind("a count too large for 64 bits")
    FALLING_COUNT = Kind(
        "a county's cumulative cases fall to less than half from a day to the next, from 1,000 or more, or from 50 or "
        "more in more than five counties; rows that are no county (`Out of`, `Unassigned`) may",
        Fate.ACCEPTABLE,
        "they are read as published",
    )
    LEAPING_COUNT = Kind(
        "a county's cumulative cases of 1,000 or more grow over five times from a day to the next",
        Fate.ACCEPTABLE,
        "they are read as published",
    )
    ABSURD_COUNT = Kind("over 99,999,999 cases in a county", Fate.ACCEPTABLE, "they are read as published")
    CUT_COUNT = Kind(
        "no line end after the last row, whose last count is blank or below the day before, as where a download was cut",
        Fate.ACCEPTABLE,
        "the count is read as it stands",
    )
    ABSURD_HOURS = Kind(
        "over 8,760 training hours, more than a year has", Fate.ACCEPTABLE, "they are read as published"
    )
    BLANK_CITY = Kind("a person without a city")
    NUMBER_SPELLING = Kind(
        "a number in another spelling, such as `15.0` or `01` as experience or last new job, or `.92` as a development "
        "index",
        Fate.READ,
        "it is that number",
    )
    BAD_NUMBER = Kind("a development index that is no decimal number from 0 to 1")
    BAD_LABEL = Kind("a target that is neither `0.0` nor `1.0`")
    PADDED_TEXT = Kind("blanks before or after a text, a number or a header", Fate.READ, "they are left out")
    UNPRINTABLE = Kind(
        "a character in a text that is not printed, such as a tab or a zero-width space",
        Fate.ACCEPTABLE,
        "the text is read as published",
    )
    UNRANKED_VALUE = Kind(
        "an education, experience, company's size or last new job that was never published and has no rank, or a city "
        "that is no `city_` and a number",
        Fate.ACCEPTABLE,
        "it is read as published, and no features can be made of the data version",
    )
    MISSPELT_VALUE = Kind(
        "in any other column a published value in another case or with other blanks, such as `male`, or a missing one "
        "spelt out, such as `nan`, `NULL` or `?`",
        Fate.ACCEPTABLE,
        "it is a category of its own",
    )
    UNKNOWN_VALUE = Kind(
        "any other text that was never published in its column",
        Fate.READ,
        "it is a category of its own",
    )
    EXCEL_DATE = Kind("`Oct-49` as a company's size", Fate.READ, "it is `10/49`, which a spreadsheet took for a date")
    SPOILT_VALUE = Kind("any other value that looks like a spreadsheet's date or error, in English or in digits")
    # The publisher's git history
    CLOCK_SKEW = Kind(
        "a git commit whose clock ran backwards", Fate.READ, "it counts as no earlier than the one before"
    )
    SHALLOW_CLONE = Kind("a clone that lacks older history", Fate.READ, "what is there is taken")

    @property
    def id(self) -> str:
        """The name, as `--accept` takes it and commits record it."""
        return self.name.lower()


class AnomalyRefused(MalformedFeed):
    """A published file that is refused whole, and for which anomaly.

    Attributes:
        kind: The anomaly it is refused for.
        source: Name of the file.
        anomalies: That one, after what was noted before it.
    """

    def __init__(
        self,
        kind: AnomalyKind,
        what: str,
        source: str,
        anomalies: tuple[Anomaly, ...],
        *,
        where: str,
        stored: object = None,
        expected: object = None,
        fix: str | None = None,
    ) -> None:
        if kind.value.fate is Fate.ACCEPTABLE:
            accept = f"Get a corrected file, or `--accept {kind.id}`: {kind.value.then}"
            fix = f"{fix}. {accept}" if fix else accept
        super().__init__(f"{kind.id} - {what}", where=where, stored=stored, expected=expected, fix=fix)
        self.kind = kind
        self.source = source
        self.anomalies = anomalies


def refusal(
    kind: AnomalyKind,
    what: str,
    source: str,
    line: int | None,
    column: str | None = None,
    *,
    stored: object = None,
    expected: object = None,
    fix: str | None = None,
    noted: tuple[Anomaly, ...] = (),
) -> AnomalyRefused:
    """Build the error for one place of a file; it is the caller's to raise.

    Args:
        kind: The anomaly.
        what: What happened, as a sentence without its full stop.
        source: Name of the file.
        line: 1-based as an editor shows it; None where the whole file is meant.
        column: Name of the column, if there is one.
        stored: What stands there.
        expected: What should.
        fix: What the reader can do, besides accepting.
        noted: What was noted in the file before.
    """
    where = source if line is None else f"{source}, row {line}"
    shown = None if column is None else column_name(column)
    if shown is not None:
        where += f", column {shown}"
    anomalies = (*noted, Anomaly(kind.id, 1, line, shown))
    return AnomalyRefused(kind, what, source, anomalies, where=where, stored=stored, expected=expected, fix=fix)


def accepted_kinds(names: Sequence[str]) -> frozenset[AnomalyKind]:
    """The kinds that `--accept` names.

    Raises:
        BadInput: There is no such name, or it is none that a person may accept.
    """
    acceptable = {kind.id: kind for kind in AnomalyKind if kind.value.fate is Fate.ACCEPTABLE}
    for name in (name for name in names if name not in acceptable):
        known = name in {kind.id for kind in AnomalyKind}
        raise BadInput(
            "an anomaly that can't be accepted" if known else "no such anomaly",
            where="--accept",
            stored=show(name),
            expected=f"one of: {', '.join(acceptable)}",
        )
    return frozenset(acceptable[name] for name in names)


def column_name(column: str) -> str:
    """A column's name for messages and records: control characters escaped, cut."""
    return column[:_SHOWN] if column.isprintable() else show(column)


def show(text: str) -> str:
    """A cell's text for a message: quoted, control characters escaped, cut."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
