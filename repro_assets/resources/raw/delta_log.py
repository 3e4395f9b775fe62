"""Where the commits of a Delta table stand: the one place that knows how `_delta_log` is named.

What is in a commit is `pins.data`'s business.
Source: Delta transaction protocol, "Delta Log Entries" and "Checkpoints".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro_assets.pins.data import Commit, parse_commit
from repro_assets.resources import storage

_COMMIT_NAME = re.compile(r"(\d{20})\.json", re.ASCII)
_CHECKPOINT_NAME = re.compile(
    r"(?P<version>\d{20})\.checkpoint"
    r"(?:\.parquet|\.(?P<part>\d{10})\.(?P<of>\d{10})\.parquet|\.[0-9a-f-]{36}\.(?:parquet|json))",
    re.ASCII,
)


def versions(table: str) -> list[int]:
    """Numbers of the commits that are in a table's log, ascending; empty where there is no table.

    Args:
        table: URI of the table.
    """
    names = storage.names(storage.join(table, "_delta_log"))
    return [int(match[1]) for name in names if (match := _COMMIT_NAME.fullmatch(name))]


def missing_for(table: str, version: int) -> list[int]:
    """Commits that are missing to reconstruct a version; empty where it can be.

    Needed are all commits since the newest whole checkpoint up to the version, or since the first commit.

    Args:
        table: URI of the table.
        version: The version to read.
    """
    names = storage.names(storage.join(table, "_delta_log"))
    start = max((number + 1 for number in _checkpoints(names) if number <= version), default=0)
    there = {int(match[1]) for name in names if (match := _COMMIT_NAME.fullmatch(name))}
    return [number for number in range(start, version + 1) if number not in there]


def _checkpoints(names: Iterable[str]) -> set[int]:
    """Versions that have a whole checkpoint: one file, all parts of several, or one with a UUID."""
    parts: dict[tuple[int, int], set[int]] = {}
    for name in names:
        match = _CHECKPOINT_NAME.fullmatch(name)
        if match:
            part, of = int(match["part"] or 1), int(match["of"] or 1)
            parts.setdefault((int(match["version"]), of), set()).add(part)
    return {version for (version, of), found in parts.items() if found == set(range(1, of + 1))}


def checkpoint_before(table: str, version: int) -> tuple[int, list[str]]:
    """The newest whole checkpoint that a version can be reconstructed from.

    Args:
        table: URI of the table.
        version: The version to read.

    Returns:
        The checkpoint's version and the URIs of its files; -1 and nothing where there is none.
    """
    log = storage.join(table, "_delta_log")
    names = storage.names(log)
    newest = max((number for number in _checkpoints(names) if number <= version), default=-1)
    found = [match for name in names if (match := _CHECKPOINT_NAME.fullmatch(name)) and int(match["version"]) == newest]
    # Two writers may have made one each, of different forms; any whole one will do.
    of = {int(match["of"] or 1) for match in found}
    parts = [match for match in found if int(match["of"] or 1) == min(of)]
    return newest, [storage.join(log, match[0]) for match in (parts if min(of, default=1) > 1 else parts[:1])]


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
