"""What took a version of a raw table: our own vacuum, somebody's VACUUM, log clean-up, or nobody knows.

Told from what is written down: the records of `repro vacuum`, the VACUUM commits of the table's log, its log's range.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from repro_assets.errors import ReproError
from repro_assets.resources import storage
from repro_assets.resources.raw import delta_log
from repro_assets.resources.raw.table_files import RESTORE

if TYPE_CHECKING:
    from repro_assets.resources.raw.raw_tables import RawTables

FORGET = "repro forget"
_OPERATION = "VACUUM END"


def vacuum_records(tables: RawTables, table: str) -> list[Mapping[str, Any]]:
    """What `repro vacuum` did to a table, oldest first; what can't be read is left out: it is told, not relied on."""
    folder = storage.join(tables.records, "_vacuums", table)
    found: list[Mapping[str, Any]] = []
    for name in storage.names(folder):
        try:
            document = json.loads(storage.read_bytes(storage.join(folder, name)))
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict):
            found.append(document)
    return found


def expired_in(record: Mapping[str, Any]) -> list[int]:
    """The versions that a vacuum took by its record; none where somebody wrote something else there."""
    versions = record.get("expired")
    return [version for version in versions if isinstance(version, int)] if isinstance(versions, list) else []


def record_vacuum(tables: RawTables, table: str, name: str, document: Mapping[str, Any]) -> str:
    """Write down what a vacuum is about to remove, before it does; returns where."""
    where = storage.join(tables.records, "_vacuums", table, f"{name}.json")
    storage.write_bytes(where, json.dumps(document, indent=1, sort_keys=True).encode())
    return where


def what_took(tables: RawTables, table: str, version: int) -> str:
    """What removed the files of a version, as far as it is written down, and what to do; without the last full stop."""
    for record in reversed(vacuum_records(tables, table)):
        if version in expired_in(record):
            done = f"by {record.get('who')} removed them on {str(record.get('when'))[:10]}"
            if record.get("by") == FORGET:
                return f"`{FORGET}` {done}: they held a person who was forgotten, and a backup would bring them back"
            return f"`repro vacuum` {done}: no pin kept them. {RESTORE}"
    commit = _vacuum_after(tables, table, version)
    if commit is not None:
        number, day = commit
        return f"VACUUM removed them on {day:%Y-%m-%d} (version {number} of the log says so). {RESTORE}"
    return f"VACUUM without a note in the log, or a person, removed them. {RESTORE}"


def what_cleaned(tables: RawTables, table: str, version: int) -> str:
    """A sentence without its full stop: why a commit file is not in the log any more."""
    versions = delta_log.versions(tables.uri(table))
    if versions and versions[0] > version:
        return f"Delta's log clean-up took it: the log begins at version {versions[0]}"
    return "A person or a failing disk removed it: later commits are there"


def _vacuum_after(tables: RawTables, table: str, version: int) -> tuple[int, datetime] | None:
    """Number and time of the first finished VACUUM after a version."""
    for number in tables.versions(table):
        if number <= version:
            continue
        try:
            commit = tables.commit(table, number)
        except ReproError:
            continue  # a damaged commit says nothing; that it is damaged is told elsewhere
        if commit.operation == _OPERATION:
            return number, datetime.fromtimestamp(commit.timestamp / 1000, UTC)
    return None
