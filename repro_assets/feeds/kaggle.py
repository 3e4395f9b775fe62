"""Kaggle's job-change files → one row per enrollee.

Format: https://www.kaggle.com/datasets/arashnic/hr-analytics-job-change-of-data-scientists, `aug_train.csv` with
`target` (labelled) and `aug_test.csv` without it (unlabelled).
Texts are kept as published but for blanks around them, blank is null; what was never published is said, and refused
where a column's values have an order.
What a spreadsheet makes of them is: `Oct-49` as a company's size can only have been `10/49` and is read so; of
anything else that it took for a date, the value that was meant is gone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from repro_assets.feeds.anomalies import AnomalyKind, show
from repro_assets.feeds.csv_rows import CsvRows
from repro_assets.feeds.kaggle_columns import KNOWN_VALUES, ColumnWitness
from repro_assets.feeds.parsed_feed import ParsedFeed

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "enrollee_id"
TARGET = "target"
PART = "labelled"
PARTS = {"labelled": True, "unlabelled": False}

_TEXTS = (
    "gender",
    "relevent_experience",
    "enrolled_university",
    "education_level",
    "major_discipline",
    "experience",
    "company_size",
    "company_type",
    "last_new_job",
)
COLUMNS = (KEY, "city", "city_development_index", *_TEXTS, "training_hours")

_EXCEL_DATES = {"oct-49": "10/49"}  # lower case; of the published sizes, only this one looks like a date
_WHOLE = re.compile(r"0*(?P<digits>\d+)(\.0+)?", re.ASCII)
_DECIMAL = re.compile(r"(\d+(\.\d+)?|\.\d+)([eE][-+]?\d{1,2})?", re.ASCII)  # 1e-999 would be read as 0
_HOURS_OF_A_YEAR = 8_760
_LABELLED = re.compile(r"(?<![a-z])(train|training|labelled)(?![a-z])")  # as part of a file's name
_UNLABELLED = re.compile(r"(?<![a-z])(test|unlabelled)(?![a-z])")
_TARGETS = {"1.0": 1, "0.0": 0, "1": 1, "0": 0}
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_SPOILT = re.compile(
    rf"{_MONTH}[-/ .]\d{{1,4}}"  # 10/49 → Oct-49
    rf"|\d{{1,4}}[-/ .]{_MONTH}"  # 4/1 → 1-Apr
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}( .*)?"  # 10/49 → 1949-10-01
    r"|#[A-Z/0]+[?!]?|#+",  # an error value, or a column that was too narrow
    re.ASCII | re.IGNORECASE,
)


def parse_jobs(source: str, content: bytes, accept: frozenset[AnomalyKind] = frozenset()) -> ParsedFeed:
    """Read a labelled or an unlabelled file.

    Args:
        source: Name of the file, for messages.
        content: The uncompressed bytes.
        accept: Anomalies that the file is not refused for.

    Returns:
        Rows with the columns as published (whole numbers int64, `city_development_index` float64, the rest text),
        `target` (1, 0, null where unlabelled) and `labelled`, one per enrollee, in the file's order.

    Raises:
        AnomalyRefused: The file is not of this format, is named as the other part, or holds what would corrupt the
            table; with row and column.
    """
    rows = CsvRows(source, content, accept)
    labelled = TARGET in rows.header
    columns = (*COLUMNS, TARGET) if labelled else COLUMNS
    positions = rows.layout(columns, lambda position, name: _column(rows, columns, position, name))
    _check_part(rows, source, labelled=labelled)
    people: dict[int, int] = {}
    values: dict[str, list[object]] = {column: [] for column in (*COLUMNS, TARGET)}
    witness = ColumnWitness()
    for line, cells in rows.records():
        person = rows.key(cells[positions[KEY]], line, KEY)
        if person in people:
            what, expected = "a key is there twice", f"once, as in row {people[person]}"
            raise rows.refusal(AnomalyKind.REPEATED_KEY, what, line, KEY, stored=person, expected=expected)
        people[person] = line
        values[KEY].append(person)
        for column in COLUMNS[1:]:
            value = _value(rows, cells[positions[column]], line, column)
            values[column].append(value)
            if isinstance(value, str):
                witness.see(column, value, line)
        values[TARGET].append(_target(rows, cells[positions[TARGET]], line) if labelled else None)
    witness.refuse_swapped(rows)
    witness.judge_unknown(rows)
    for before, column in pairwise(columns):
        if positions[column] < positions[before]:
            rows.note(AnomalyKind.COLUMN_ORDER, 1, column)
    return ParsedFeed(
        rows=_table(values, labelled=labelled),
        anomalies=rows.anomalies,
        part="labelled" if labelled else "unlabelled",
        lines=tuple(people.values()),
    )


def _column(rows: CsvRows, columns: Sequence[str], position: int, name: str) -> str:
    if name not in columns:
        raise rows.unknown_column(position, name, (*COLUMNS, TARGET))
    return name


def _check_part(rows: CsvRows, source: str, *, labelled: bool) -> None:
    """A labelled file that lost its labels is a whole unlabelled one: only its name tells."""
    name = source.partition("@")[0].rpartition("/")[2].lower()
    says_labelled = _LABELLED.search(name) is not None
    if says_labelled == (_UNLABELLED.search(name) is not None):
        return  # neither, or both
    if says_labelled == labelled:
        return
    rows.refuse_or_note(
        AnomalyKind.OTHER_PART,
        f"the file's name says {'train' if says_labelled else 'test'}, and its columns do not",
        1,
        TARGET,
        stored="there" if labelled else "not there",
        expected="not there" if labelled else "there",
    )


def _value(rows: CsvRows, text: str, line: int, column: str) -> object:
    if column == "training_hours":
        return _hours(rows, text, line, column)
    if column == "city_development_index":
        return _index(rows, text, line, column)
    text = _text(rows, text, line, column)
    number = _WHOLE.fullmatch(text)
    if number is not None and text != number["digits"] and number["digits"] in KNOWN_VALUES.get(column, ()):
        rows.note(AnomalyKind.NUMBER_SPELLING, line, column)
        return number["digits"]
    meant = _EXCEL_DATES.get(text.lower()) if column == "company_size" else None
    if meant is not None:
        rows.note(AnomalyKind.EXCEL_DATE, line, column)
        return meant
    if _SPOILT.fullmatch(text):
        raise rows.refusal(
            AnomalyKind.SPOILT_VALUE,
            "a spreadsheet has spoilt a value",
            line,
            column,
            stored=show(text),
            expected="the text as published",
            fix="Download the file again and do not save it from a spreadsheet",
        )
    if not text and column == "city":
        raise rows.refusal(AnomalyKind.BLANK_CITY, "a city is blank", line, column, expected="a city code")
    return text or None


def _hours(rows: CsvRows, text: str, line: int, column: str) -> int:
    hours = rows.count(text, line, column)
    if hours > _HOURS_OF_A_YEAR:
        what, expected = "training hours are absurd", f"at most {_HOURS_OF_A_YEAR:,}"
        rows.refuse_or_note(AnomalyKind.ABSURD_HOURS, what, line, column, stored=hours, expected=expected)
    return hours


def _text(rows: CsvRows, text: str, line: int, column: str) -> str:
    """A text without blanks around it, which would make another category of it."""
    if not text.isprintable():
        what, expected = "a text holds a character that is not printed", "printed characters"
        rows.refuse_or_note(AnomalyKind.UNPRINTABLE, what, line, column, stored=show(text), expected=expected)
        return text
    return rows.stripped(text, line, column)


def _index(rows: CsvRows, text: str, line: int, column: str) -> float:
    text = rows.stripped(text, line, column)
    value = float(text) if _DECIMAL.fullmatch(text) else math.nan
    if not 0 <= value <= 1:
        what, expected = "a development index is none", "a decimal number from 0 to 1"
        raise rows.refusal(AnomalyKind.BAD_NUMBER, what, line, column, stored=show(text), expected=expected)
    if text.startswith("."):
        rows.note(AnomalyKind.NUMBER_SPELLING, line, column)
    return value


def _target(rows: CsvRows, text: str, line: int) -> int:
    text = rows.stripped(text, line, TARGET)
    if text not in _TARGETS:
        what, expected = "a label does not parse", "0.0 or 1.0"
        raise rows.refusal(AnomalyKind.BAD_LABEL, what, line, TARGET, stored=show(text), expected=expected)
    return _TARGETS[text]


def _table(values: dict[str, list[object]], *, labelled: bool) -> pa.Table:
    import pyarrow as pa

    types = {KEY: pa.int64(), "city_development_index": pa.float64(), "training_hours": pa.int64(), TARGET: pa.int64()}
    columns = {name: pa.array(column, types.get(name, pa.string())) for name, column in values.items()}
    return pa.table({**columns, PART: pa.array([labelled] * len(values[KEY]), pa.bool_())})
