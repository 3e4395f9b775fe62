"""`repro versions`: all data versions, what became of each; registers the new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from repro_assets.defs.partitions import register, registered
from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.data import Commit
from repro_assets.pins.data_history import DataVersion, data_versions
from repro_assets.pins.data_version import decode
from repro_assets.resources.raw.given_up import given_up
from repro_assets.resources.raw.table_vacuum import taken_versions

if TYPE_CHECKING:
    import dagster as dg

    from repro_assets.resources.raw.raw_tables import RawTables

_MOST_MATERIALIZATIONS = 10_000


@dataclass(frozen=True)
class VersionRow:
    """One data version; the fields of the `versions` document."""

    key: str
    tables: Mapping[str, Mapping[str, object]]
    state: str
    runs: Sequence[str]
    given_up: Mapping[str, object] | None = None


def register_all(raw_tables: RawTables, instance: dg.DagsterInstance) -> list[DataVersion]:
    """Register every data version that the raw tables' logs hold, in commit order."""
    versions = data_versions(raw_tables.histories(EXPERIMENT.table_names))
    register(instance, versions)
    return versions


def list_versions(raw_tables: RawTables, instance: dg.DagsterInstance) -> list[VersionRow]:
    """All registered data versions in their order.

    `materialized`: its predictions are there; `expired`: a table's version is gone from its log, or `repro vacuum` took
    files of it; else `registered`.
    `given_up` says who gave it up, when and why (`repro unpin`); None for all others.
    """
    register_all(raw_tables, instance)
    histories = {
        table: {commit.version: commit for commit in commits}
        for table, commits in raw_tables.histories(EXPERIMENT.table_names).items()
    }
    runs = _runs_by_key(instance)
    dropped = given_up(raw_tables.records)
    taken = {table: taken_versions(raw_tables, table) for table in EXPERIMENT.table_names}
    rows = [_row(key, histories, taken, runs.get(key, [])) for key in registered(instance)]
    return [replace(row, given_up=asdict(dropped[row.key])) if row.key in dropped else row for row in rows]


def _row(
    key: str, histories: Mapping[str, Mapping[int, Commit]], taken: Mapping[str, set[int]], runs: list[str]
) -> VersionRow:
    try:
        wanted = decode(key, EXPERIMENT.table_names)
    except BadInput:
        # Somebody added a partition on the page by hand: it is listed, and no run of it can start.
        return VersionRow(key, {}, "invalid", runs)
    found = {table: histories[table].get(version) for table, version in wanted.items()}
    tables = {
        table: {"version": version, "timestamp": _iso(commit.timestamp) if (commit := found[table]) else None}
        for table, version in wanted.items()
    }
    expired = any(commit is None or wanted[table] in taken[table] for table, commit in found.items())
    state = "expired" if expired else "materialized" if runs else "registered"
    return VersionRow(key, tables, state, runs)


def _runs_by_key(instance: dg.DagsterInstance) -> dict[str, list[str]]:
    """MLflow runs behind the predictions of each key, newest first, each once."""
    import dagster as dg

    found: dict[str, list[str]] = {}
    records = instance.fetch_materializations(dg.AssetKey("predictions"), limit=_MOST_MATERIALIZATIONS).records
    for record in records:
        materialization = record.asset_materialization
        run = materialization.metadata.get("mlflow_parent_run_id") if materialization else None
        if materialization is None or materialization.partition is None or run is None:
            continue
        runs = found.setdefault(materialization.partition, [])
        if str(run.value) not in runs:
            runs.append(str(run.value))
    return found


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def register_key(key: str, raw_tables: RawTables, instance: dg.DagsterInstance) -> None:
    """Register all data versions, then this key if it is none of them: an explicit pair is appended."""
    register_all(raw_tables, instance)
    if key in registered(instance):
        return
    commits = {
        table: raw_tables.commit(table, version) for table, version in decode(key, EXPERIMENT.table_names).items()
    }
    register(instance, [DataVersion(key, commits, max(commit.timestamp for commit in commits.values()))])
