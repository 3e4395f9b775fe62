"""Reads what came into the Delta logs since the sensor last looked: no JVM, and no commit that was read before.

A look costs the same however long a log is. Per table it reads the newest commit seen, asks for the one after it, and
lists the folder only if there is one or the folder's own time changed.
What follows from the commits is `pins.log_cursor`'s business.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_assets.errors import (
    DataDamaged,
    NoSuchVersion,
    Outside,
    PinChanged,
    ReproError,
    TableReplaced,
    VersionExpired,
)
from repro_assets.pins.data import Commit
from repro_assets.pins.log_cursor import LogCursor, LogTail, Seen, TickPlan, has_late_commit, plan_tick
from repro_assets.resources import storage
from repro_assets.resources.raw import delta_log

if TYPE_CHECKING:
    from repro_assets.resources.raw.raw_tables import RawTables

# File systems stamp a folder in steps of up to 10 ms: a younger stamp may not show the next change.
_SETTLED_SECONDS = 0.1
_LOOKS = 3
_RESET = "Restore the table's log; if it is meant to be so, reset the cursor on the sensor's page"


@dataclass(frozen=True)
class _Look:
    """What a look at one table found, before a commit is read: numbers of the new ones, ascending."""

    new: Sequence[int]
    folder: str | None
    seen: Seen | None


def watch(raw_tables: RawTables, tables: Sequence[str], cursor: LogCursor | None) -> TickPlan:
    """Look at all logs and plan a tick.

    Args:
        raw_tables: Where the tables stand.
        tables: The experiment's raw tables, in key order.
        cursor: What was seen before; None for the first time.

    Raises:
        NoSuchVersion, VersionExpired: A table that was seen, or the commit that was seen last, is gone.
        TableReplaced: Another table stands at the location.
        PinChanged: The log was rolled back or rewritten.
        DataDamaged: A commit file is empty or garbage, or missing between others.
        Outside: The logs changed during every look.
    """
    looks = _look_at_all(raw_tables, tables, cursor)
    missing = [table for table, look in looks.items() if cursor is None and not look.new]
    if missing:
        return TickPlan((), (), f"no data version yet: no table at {', '.join(map(raw_tables.uri, missing))}", None)
    tails = {table: _tail(raw_tables, table, look) for table, look in looks.items()}
    return plan_tick(cursor, tails, _earlier(raw_tables, cursor, tails))


def folder_state(table: str) -> str | None:
    """A text that changes when a file appears in or leaves a table's log folder.

    Returns:
        None where that can't be told: an object store, no such folder, or a change so recent that the folder's time
        may not show the next one.
    """
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    filesystem, path = url_to_fs(storage.join(table, "_delta_log"))
    if not isinstance(filesystem, LocalFileSystem):
        return None
    try:
        info = filesystem.info(path)
    except FileNotFoundError:
        return None
    if time.time() - info["mtime"] < _SETTLED_SECONDS:
        return None
    return f"{info['ino']}:{info['mtime']!r}"


def _look_at_all(raw_tables: RawTables, tables: Sequence[str], cursor: LogCursor | None) -> dict[str, _Look]:
    """Look at all logs as they stood at one moment; else a commit between two looks is paired with too old a one."""
    for _ in range(_LOOKS):
        looks = {table: _look(raw_tables, table, cursor.tables[table] if cursor else None) for table in tables}
        if not any(look.new for look in looks.values()):
            return looks
        if not any(storage.exists(_after(raw_tables, table, look)) for table, look in looks.items()):
            return looks
    raise Outside(
        "commits arrive faster than the logs can be listed", where=raw_tables.root, fix="The next tick tries again"
    )


def _look(raw_tables: RawTables, table: str, seen: Seen | None) -> _Look:
    uri = raw_tables.uri(table)
    # Before the listing: what comes during it changes the state, and the next look lists again.
    folder = folder_state(uri)
    if seen is not None:
        _require_unchanged(raw_tables, table, seen)
        is_settled = folder is not None and folder == seen.folder
        if is_settled and not storage.exists(delta_log.commit_uri(uri, seen.version + 1)):
            return _Look((), folder, seen)
    versions = delta_log.versions(uri)
    _require_whole(uri, versions)
    return _Look([version for version in versions if seen is None or version > seen.version], folder, seen)


def _after(raw_tables: RawTables, table: str, look: _Look) -> str:
    newest = look.new[-1] if look.new else look.seen.version if look.seen else -1
    return delta_log.commit_uri(raw_tables.uri(table), newest + 1)


def _tail(raw_tables: RawTables, table: str, look: _Look) -> LogTail:
    commits = _read(raw_tables.uri(table), look.new)
    if look.seen is None:
        return LogTail(_table_id(raw_tables, table, reversed(commits), commits[-1].version), commits, look.folder)
    for commit in commits:
        if commit.table_id not in (None, look.seen.table_id):
            raise _replaced(raw_tables.uri(table), commit.table_id, look.seen)
    return LogTail(look.seen.table_id, commits, look.folder)


def _earlier(
    raw_tables: RawTables, cursor: LogCursor | None, tails: Mapping[str, LogTail]
) -> dict[str, Sequence[Commit]]:
    if cursor is None or not any(commit.changes_rows for tail in tails.values() for commit in tail.commits):
        return {}
    if not has_late_commit(cursor, tails):
        return {table: _read(raw_tables.uri(table), [seen.rows_version]) for table, seen in cursor.tables.items()}
    return {
        table: _read(uri, [version for version in delta_log.versions(uri) if version <= seen.version])
        for table, seen in cursor.tables.items()
        for uri in (raw_tables.uri(table),)
    }


def _read(uri: str, versions: Iterable[int]) -> list[Commit]:
    commits = []
    for version in versions:
        try:
            commits.append(delta_log.read_commit(uri, version))
        except FileNotFoundError as error:
            raise VersionExpired(f"version {version} is gone from the log", where=uri, fix=_RESET) from error
    return commits


def _table_id(raw_tables: RawTables, table: str, newest_first: Iterable[Commit], version: int) -> str:
    """`metaData.id` from the commits; from the checkpoint where the log's beginning was cleaned up."""
    ids = (commit.table_id for commit in newest_first if commit.table_id is not None)
    return next(ids, None) or raw_tables.pin(table, version).table_id


def _require_unchanged(raw_tables: RawTables, table: str, seen: Seen) -> None:
    where = delta_log.commit_uri(raw_tables.uri(table), seen.version)
    try:
        found = hashlib.sha256(storage.read_bytes(where)).hexdigest()
    except FileNotFoundError:
        found = None
    if found != seen.commit_sha256:
        raise _what_happened(raw_tables, table, seen, found)


def _what_happened(raw_tables: RawTables, table: str, seen: Seen, found: str | None) -> ReproError:
    """Say why the newest commit that was seen is not there any more, or is another."""
    uri = raw_tables.uri(table)
    versions = delta_log.versions(uri)
    if not versions:
        return NoSuchVersion("the table is gone", where=uri, expected=f"version {seen.version}", fix=_RESET)
    if versions[0] > seen.version:
        return VersionExpired(
            f"version {seen.version}, which the sensor saw last, was cleaned out of the log",
            where=uri,
            expected=f"{versions[0]} to {versions[-1]}",
            fix="Reset the cursor on the sensor's page",
        )
    newest_first = (commit for version in reversed(versions) for commit in _read(uri, [version]))
    table_id = _table_id(raw_tables, table, newest_first, versions[-1])
    if table_id != seen.table_id:
        return _replaced(uri, table_id, seen)
    if versions[-1] < seen.version:
        return PinChanged(
            "the table was rolled back",
            where=uri,
            stored=f"version {versions[-1]}",
            expected=f"at least {seen.version}",
            fix=_RESET,
        )
    if found is None:
        return _hole(uri, versions)
    return PinChanged(
        f"version {seen.version} was rewritten", where=uri, stored=found, expected=seen.commit_sha256, fix=_RESET
    )


def _require_whole(uri: str, versions: Sequence[int]) -> None:
    if versions and len(versions) != versions[-1] - versions[0] + 1:
        raise _hole(uri, versions)


def _hole(uri: str, versions: Sequence[int]) -> DataDamaged:
    gone = sorted(set(range(versions[0], versions[-1])) - set(versions))
    return DataDamaged(
        "the log has a hole",
        where=uri,
        stored=f"no version {gone[0]}" + (f" and {len(gone) - 1} more" if len(gone) > 1 else ""),
        expected=f"every version from {versions[0]} to {versions[-1]}",
        fix="Restore the missing commit files",
    )


def _replaced(uri: str, found: str | None, seen: Seen) -> TableReplaced:
    return TableReplaced(
        "another table stands at this location", where=uri, stored=found, expected=seen.table_id, fix=_RESET
    )
