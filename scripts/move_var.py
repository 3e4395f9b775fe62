"""Rewrite MLflow's absolute artifact addresses after `var/` was moved.

`python -m scripts.move_var OLD NEW`: OLD is where `var/` stood, NEW where it stands now (its MLflow database is there).
MLflow stores the address of every artifact folder absolutely; everything else below `var/` is relative or only history.
Run it with nothing else using the database. It changes all addresses or none.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def move(database: Path, old: Path, new: Path) -> int:
    """Rewrite the addresses below `old`; returns how many."""
    moved = 0
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in ADDRESSES:
            changed = connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} LIKE ? || '/%'",  # noqa: S608 # names of ours
                (new.as_uri(), len(old.as_uri()) + 1, old.as_uri()),
            )
            moved += changed.rowcount
    return moved


def main(arguments: list[str]) -> int:
    """Check the arguments, rewrite, and say how many addresses changed."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m scripts.move_var OLD NEW\n")
        return 2
    old, new = (Path(argument).absolute() for argument in arguments)
    database = new / "mlflow" / "mlflow.db"
    if not database.is_file():
        sys.stderr.write(f"no MLflow database at {database}: NEW is where var/ stands now\n")
        return 2
    sys.stdout.write(f"rewrote {move(database, old, new)} addresses\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
