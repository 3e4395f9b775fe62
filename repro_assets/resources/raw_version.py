"""Whether a pinned version of a raw table can still be read: its log, its data files, and how long they are kept.

Here belongs looking, without a JVM and without reading a row.
What does not: the table and its pins (`resources.raw_tables`), and what follows for a run (`pins.preflight`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from repro_assets.errors import DataDamaged, Outside, ReproError, TableReplaced, VersionExpired
from repro_assets.pins.data import CommitPin
from repro_assets.pins.preflight import Finding, reason, retention, time_left
from repro_assets.resources import delta_log, storage

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from repro_assets.resources.raw_tables import RawTables

_IN_COMMIT_TIME = "delta.enableInCommitTimestamps"
_RESTORE = "Restore it from a backup"


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
    """Whether the log leads to the version, and every data file that it names is there."""
    name, uri = f"{pin.table}@{pin.version}", tables.uri(pin.table)
    _refuse_gap(uri, pin.version, name)
    return Finding(tuple(reason(error) for error in _wrong_files(uri, _data_files(uri, pin.version, name), name)))


def _time(tables: RawTables, pin: CommitPin, now: datetime) -> Finding:
    """Until when, by the properties that the table has now."""
    name, uri = f"{pin.table}@{pin.version}", tables.uri(pin.table)
    table = _open(uri, None, pin.table)
    properties = dict(table.metadata().configuration)
    left = time_left(
        name,
        uri,
        _commit_time(tables, pin, properties),
        newest=pin.version == tables.versions(pin.table)[-1],
        kept=retention(properties),
        now=now,
    )
    if "deletionVectors" not in (table.protocol().reader_features or []):
        return left
    return replace(left, notes=(*left.notes, f"{pin.table} may have deletion vectors: their files are not looked at"))


def _refuse_gap(uri: str, version: int, name: str) -> None:
    missing = delta_log.missing_for(uri, version)
    if missing:
        raise VersionExpired(
            f"nothing leads to {name} any more: its log has a gap and no checkpoint after it",
            where=uri,
            stored=f"{len(missing)} commits missing, first {missing[0]}",
            fix=f"Delta's log clean-up or a removed file took it. {_RESTORE}",
        )


def _data_files(uri: str, version: int, name: str) -> dict[str, int]:
    """Size per path of every data file of a version, as the log has it."""
    import pyarrow as pa

    actions = pa.table(_open(uri, version, name).get_add_actions(flatten=True))
    paths = [unquote(path) for path in actions.column("path").to_pylist()]
    return dict(zip(paths, actions.column("size_bytes").to_pylist(), strict=True))


def _wrong_files(uri: str, wanted: Mapping[str, int], name: str) -> Iterator[ReproError]:
    here = storage.sizes_below(uri)
    elsewhere = [path for path in wanted if "://" in path or path.startswith("/")]
    found = {**here, **{path: size for path in elsewhere if (size := storage.size(path)) is not None}}
    gone = sorted(path for path in wanted if path not in found)
    if gone:
        yield VersionExpired(
            f"{len(gone)} of {len(wanted)} data files of {name} are gone",
            where=uri,
            stored=f"nothing at {gone[0]}",
            fix=f"VACUUM or a person removed them. {_RESTORE}",
        )
    other = sorted(path for path, size in wanted.items() if path in found and found[path] != size)
    if other:
        yield DataDamaged(
            f"{len(other)} of {len(wanted)} data files of {name} have another size",
            where=storage.join(uri, other[0]),
            stored=f"{found[other[0]]:,} bytes",
            expected=f"{wanted[other[0]]:,} bytes",
            fix=_RESTORE,
        )


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
            stored=str(error).strip().splitlines()[0][:300],
            fix=_RESTORE,
        ) from error
