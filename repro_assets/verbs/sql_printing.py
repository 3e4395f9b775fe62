"""The answer of a query on stdout: a table, a JSON document, or CSV."""

from __future__ import annotations

import csv
import math
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from repro_assets.verbs.printing import document
from repro_assets.verbs.sql import Answer

SCHEMA = "repro-sql/1"
_PIPE_WIDTH = 10_000


def as_json(answer: Answer) -> None:
    """One document: `columns`, `rows`, `truncated`. What JSON has no number for (NaN, infinity) is text."""
    columns = [{"name": name, "type": kind} for name, kind in answer.columns]
    rows = [[_json(value) for value in row] for row in answer.rows]
    document({"schema": SCHEMA, "columns": columns, "rows": rows, "truncated": answer.truncated})


def as_csv(answer: Answer) -> None:
    """A header and a line per row; null is an empty field."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([name for name, _ in answer.columns])
    writer.writerows(["" if value is None else _plain(value) for value in row] for row in answer.rows)


def as_table(answer: Answer) -> None:
    """A table for people; null is `-`."""
    table = Table(box=None)
    for name, _ in answer.columns:
        table.add_column(Text(name), overflow="fold")
    for row in answer.rows:
        table.add_row(*[Text("-" if value is None else str(_plain(value))) for value in row])
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    Console(width=width, highlight=False).print(table)


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(name): _json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(inner) for inner in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal | timedelta):
        return str(value)
    return value.hex() if isinstance(value, bytes) else value
