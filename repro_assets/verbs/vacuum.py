"""`repro vacuum`: remove what no pin needs of a raw table, and keep files and log of everything that is pinned."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.retention import SAFE_AGE, FoundFile, Holder, VacuumPlan, kept_keys, kept_versions, plan_vacuum
from repro_assets.resources.raw import given_up as record
from repro_assets.resources.raw.expiry import record_vacuum
from repro_assets.resources.raw.table_vacuum import found_files, needed_files, recorded_files, remove_files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from repro_assets.resources.raw.raw_tables import RawTables

SCHEMA = "repro-vacuum/1"
_LISTED = 1000


def plan(
    table: str,
    raw_tables: RawTables,
    holders: Sequence[Holder],
    given_up: Collection[str],
    *,
    safe_age: timedelta = SAFE_AGE,
) -> VacuumPlan:
    """What would go and what stays; reads the log and lists files, without a JVM.

    Args:
        table: Name of the raw table.
        raw_tables: As they stand now.
        holders: Everybody who needs a data version.
        given_up: Data versions that were given up.
        safe_age: How old a file must be that no commit names.

    Raises:
        BadInput: There is no such table, or it belongs to another installation.
        DataDamaged: The log or a list of files can't be read: then nothing is removed.
    """
    _require_table(table)
    require_own(raw_tables)
    uri = raw_tables.uri(table)
    if not raw_tables.versions(table):
        raise BadInput("there is no such raw table", where=uri, fix=f"`repro ingest {table} FILE…` makes it")
    # Files first: what a writer commits in between is then in no list of what may go.
    found = found_files(uri)
    logged = needed_files(uri)
    return plan_vacuum(
        table,
        found,
        {version.version: version.files for version in logged},
        {version.version: version.changes for version in logged},
        kept_versions(kept_keys(holders, given_up), EXPERIMENT.table_names)[table],
        newest_data=_newest_data(raw_tables, table),
        recorded=recorded_files(raw_tables.records, table, uri),
        now=datetime.now(UTC),
        safe_age=safe_age,
    )


def vacuum(wanted: VacuumPlan, raw_tables: RawTables, open_spark: Callable[[], SparkSession]) -> None:
    """Write down what expires, then remove it; nothing to remove starts no JVM.

    Raises:
        Outside: Spark stopped, or a file is still there afterwards.
    """
    if not wanted.remove:
        return
    # Spark first: it may fail to open, and then nothing was removed and nothing is written down.
    spark = open_spark()
    note_removal(raw_tables, wanted.table, wanted.expired, [kept.version for kept in wanted.kept], wanted.remove)
    remove_files(spark, raw_tables.uri(wanted.table), wanted.remove)


def note_removal(
    raw_tables: RawTables,
    table: str,
    expired: Sequence[int],
    kept: Sequence[int],
    files: Sequence[FoundFile],
    *,
    by: str = "repro vacuum",
) -> None:
    """Write down what is about to go, before the first file does: whoever finds one missing is told why.

    Args:
        raw_tables: Say where the records are.
        table: Name of the raw table.
        expired: Versions that can't be read afterwards.
        kept: Versions that stay.
        files: What goes.
        by: The command.
    """
    entry = {
        "schema": SCHEMA,
        "by": by,
        "table": table,
        "who": record.who(),
        "when": record.now(),
        "expired": list(expired),
        "kept": list(kept),
        "files": len(files),
        "bytes": sum(file.bytes for file in files),
    }
    record_vacuum(raw_tables, table, f"{entry['when']}-{uuid.uuid4().hex[:8]}", entry)


def require_own(raw_tables: RawTables) -> None:
    """Refuse raw tables of another lake: whoever needs them is written down there.

    Raises:
        BadInput: `REPRO_RAW` names another lake than `REPRO_LAKE`.
    """
    if raw_tables.root != raw_tables.records:
        raise BadInput(
            "these raw tables belong to another installation, which knows who needs them",
            where=raw_tables.root,
            expected=raw_tables.records,
            fix="Start it there, with REPRO_LAKE at its lake and without REPRO_RAW",
        )


def _newest_data(raw_tables: RawTables, table: str) -> int | None:
    """Read from the newest backwards, and no further than needed."""
    commits = (raw_tables.commit(table, version) for version in reversed(raw_tables.versions(table)))
    return next((commit.version for commit in commits if commit.changes_rows), None)


def _require_table(table: str) -> None:
    if table not in EXPERIMENT.table_names:
        raise BadInput("no such raw table", stored=repr(table)[:80], expected=" or ".join(EXPERIMENT.table_names))


def document(wanted: VacuumPlan, *, dry_run: bool) -> dict[str, Any]:
    """The `vacuum` document; of very many files the first are listed."""
    return {
        "schema": SCHEMA,
        "table": wanted.table,
        "dry_run": dry_run,
        "removed": {
            "files": len(wanted.remove),
            "bytes": wanted.bytes,
            "paths": [file.path for file in wanted.remove[:_LISTED]],
        },
        "young": len(wanted.young),
        "kept": [asdict(kept) for kept in wanted.kept],
        "expired": list(wanted.expired),
        "lost": list(wanted.lost),
    }
