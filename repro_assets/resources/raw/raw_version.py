"""Whether a pinned version of a raw table can still be read: its log, its data files, and how long they are kept.

Here belongs looking, without a JVM and without reading a row.
What does not: the table and its pins (`resources.raw_tables`), and what follows for a run (`pins.preflight`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from repro_assets.errors import DataDamaged, Outside, ReproError, TableReplaced
from repro_assets.pins.data import CommitPin
from repro_assets.pins.preflight import Finding, reason, retention, time_left
from repro_assets.resources import storage
from repro_assets.resources.raw import delta_log
from repro_assets.resources.raw.file_lists import wrong_version
from repro_assets.resources.raw.read_errors import first_line
from repro_assets.resources.raw.table_files import RESTORE

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from repro_assets.resources.raw.raw_tables import RawTables

_IN_COMMIT_TIME = "delta.enableInCommitTimestamps"


def examine(tables: RawTables, pin: CommitPin, now: datetime) -> Finding:
    """Look at everything that a read of a pin needs.

    Args:
        tables: The raw tables as they stand now.
        pin: What was read back then.
        now: The present moment (UTC).

    Returns:
        All reasons at once: a commit that was rewritten, a gap in the log, data files that are gone or of another size,
        an age that Spark refuses.
    """
    findings: list[Finding] = []
    try:
        tables.check(pin)
    except TableReplaced as error:
        # Whatever else is found there belongs to another table.
        return Finding(reasons=(reason(error),))
    except Outside:
        raise  # says nothing about the table
    except ReproError as error:
        findings.append(Finding(reasons=(reason(error),)))
    # Only versions in range are ever asked of delta-rs: it hangs on far ones.
    if pin.version in tables.versions(pin.table):
        for look in (_files, _time):
            try:
                findings.append(look(tables, pin, now))
            except Outside:
                raise
            except ReproError as error:
                findings.append(Finding(reasons=(reason(error),)))
    return Finding(
        tuple(one for finding in findings for one in finding.reasons),
        tuple(one for finding in findings for one in finding.limits),
        tuple(one for finding in findings for one in finding.notes),
    )


def _files(tables: RawTables, pin: CommitPin, _: datetime) -> Finding:
    """Whether the log leads to what was pinned, and every data and deletion vector file that it names is there."""
    return Finding(tuple(reason(error) for error in wrong_version(tables, pin)))


def _time(tables: RawTables, pin: CommitPin, now: datetime) -> Finding:
    """Until when, by the properties that the table has now."""
    name, uri = f"{pin.table}@{pin.version}", tables.uri(pin.table)
    properties = table_properties(uri, pin.table)
    return time_left(
        name,
        uri,
        _commit_time(tables, pin, properties),
        newest=pin.version == tables.versions(pin.table)[-1],
        kept=retention(properties),
        now=now,
    )


def table_properties(uri: str, name: str) -> dict[str, str]:
    """The properties that a table has now.

    Raises:
        DataDamaged: Its log can't be read.
    """
    return dict(_open(uri, None, name).metadata().configuration)


def _commit_time(tables: RawTables, pin: CommitPin, properties: Mapping[str, str]) -> datetime:
    """When a commit was made as Delta's retention sees it: by its own record if the table has those, else by its file."""
    if properties.get(_IN_COMMIT_TIME, "").lower() == "true":
        return datetime.fromtimestamp(tables.commit(pin.table, pin.version).timestamp / 1000, UTC)
    return storage.modified(delta_log.commit_uri(tables.uri(pin.table), pin.version))


def _open(uri: str, version: int | None, name: str) -> DeltaTable:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return DeltaTable(uri, version=version)
    except DeltaError as error:
        raise DataDamaged(
            f"the log of {name} can't be read",
            where=uri,
            stored=first_line(error),
            fix=RESTORE,
        ) from error
