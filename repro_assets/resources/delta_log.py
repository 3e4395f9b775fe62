"""Where the commits of a Delta table stand: the one place that knows how `_delta_log` is named.

What is in a commit is `pins.data`'s business.
Source: Delta transaction protocol, "Delta Log Entries".
"""

from __future__ import annotations

import re

from repro_assets.pins.data import Commit, parse_commit
from repro_assets.resources import storage

_COMMIT_NAME = re.compile(r"(\d{20})\.json", re.ASCII)


def versions(table: str) -> list[int]:
    """Numbers of the commits that are in a table's log, ascending; empty where there is no table.

    Args:
        table: URI of the table.
    """
    names = storage.names(storage.join(table, "_delta_log"))
    return [int(match[1]) for name in names if (match := _COMMIT_NAME.fullmatch(name))]


def commit_uri(table: str, version: int) -> str:
    """Where one commit stands."""
    return storage.join(table, "_delta_log", f"{version:020d}.json")


def read_commit(table: str, version: int) -> Commit:
    """Read one commit.

    Raises:
        FileNotFoundError: It is not in the log.
        DataDamaged: It is empty or garbage.
    """
    where = commit_uri(table, version)
    return parse_commit(version, storage.read_bytes(where), where)
