"""Which texts and databases on this machine name an id: MLflow's and Dagster's, logs, reports. They are told, not changed.

What a file is, its content says and not its name: an `MLmodel` is a text, an `index.db` a database.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

_MOST_TEXT = 64 * 1024 * 1024
_HEAD = 8192
_SQLITE = b"SQLite format 3\0"
# Pages that a database has yet to take over: they are read with it.
_JOURNALS = ("-wal", "-shm", "-journal")


def is_named(text: str, person: str) -> bool:
    """Whether a person's own sentence names an id: more of what might be it counts than in a log full of numbers."""
    return bool(re.search(rf"(?<![^\W_]){re.escape(person)}(?![^\W_])", text, re.IGNORECASE))


def pattern(person: str) -> re.Pattern[str]:
    """An id as a word of its own: no part of a longer number, name, date or digest; as JSON writes it, too."""
    spellings = sorted({person, json.dumps(person)[1:-1]})
    return re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, spellings))})(?![\w-]|\.\d)")


def places_with(root: Path, person: str) -> Iterator[str]:
    """Texts and databases at or below a path that name an id; a database with its tables that do.

    One that can't be read is among them: nobody knows.

    Args:
        root: A folder, or one file.
        person: The id, as text.
    """
    word = pattern(person)
    for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
        if path.is_file() and not path.name.endswith(_JOURNALS):
            yield from _file(path, word)


def _file(path: Path, word: re.Pattern[str]) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(_SQLITE):
            tables = _tables_with(path, word)
            if tables:
                yield f"{path} (tables {', '.join(tables)})"
        elif b"\0" not in head and path.stat().st_size <= _MOST_TEXT and word.search(_text(path)):
            yield str(path)
    except (OSError, sqlite3.Error):
        yield f"{path} (it can't be read)"


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def _tables_with(path: Path, word: re.Pattern[str]) -> list[str]:
    """Asked of the database: in its file values stand without anything between them."""

    def names(value: object) -> bool:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return isinstance(text, str) and bool(word.search(text))

    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as database:
        database.create_function("names", 1, names)
        tables = [
            name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
        ]
        return [table for table in tables if _has_row(database, table)]


def _has_row(database: sqlite3.Connection, table: str) -> bool:
    quoted = '"' + table.replace('"', '""') + '"'
    columns = [column for _, column, *_ in database.execute(f"PRAGMA table_info({quoted})")]
    asked = " OR ".join('names("' + column.replace('"', '""') + '")' for column in columns) or "0"
    return database.execute(f"SELECT 1 FROM {quoted} WHERE {asked} LIMIT 1").fetchone() is not None  # noqa: S608 # the database's own names
