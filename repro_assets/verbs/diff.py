"""`repro diff`: everything that differs between two past runs, and nothing else.

What can't be looked at any more is said under `not_compared`; the rest is compared all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, Blocked, DataDamaged, ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins import run_difference
from repro_assets.pins.capsule import entries_of
from repro_assets.pins.code_difference import code_difference
from repro_assets.pins.data import DataPin
from repro_assets.pins.environment import applicable, marker_values, parse_lock
from repro_assets.pins.part_moves import part_moves
from repro_assets.pins.preflight import reason
from repro_assets.pins.run_record import RunRecord
from repro_assets.resources.code.capsule_store import capsule_path, load
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.row_difference import row_difference
from repro_assets.resources.reproduction.original_outputs import stored_output
from repro_assets.resources.tracking.run_lookup import find_parent
from repro_assets.resources.tracking.run_records import load_record, read_artifact
from repro_assets.resources.tracking.store import connect, initialise, speaking_of
from repro_assets.steps.split import KEY, PEOPLE

if TYPE_CHECKING:
    import dagster as dg
    from mlflow import MlflowClient
    from pyspark.sql import SparkSession

    from repro_assets.settings import Settings

SCHEMA = "repro-diff/1"
_SNAPSHOT = "train_test_snapshot"
_SECTIONS = ("data", "code", "environment", "compute", "parameters", "metrics")


@dataclass(frozen=True)
class Difference:
    """What differs between two runs; every section is empty where nothing does.

    Attributes:
        first: The run that is compared from.
        second: The run that is compared to.
        stages: Output digests that differ.
        data: `tables`: rows of each raw table; `people`: who is in another part of the snapshot.
        code: Capsules, stages that other code computed, files and a unified diff.
        environment: As declared and as found, with packages.
        compute: As declared and as found.
        parameters: By `ASSET.NAME`.
        metrics: By `ASSET.NAME`.
        not_compared: What could not be looked at, and why.
    """

    first: RunRecord
    second: RunRecord
    stages: list[dict[str, Any]]
    data: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    compute: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    not_compared: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs, and everything was compared."""
        return not (self.stages or self.not_compared or any(getattr(self, name) for name in _SECTIONS))

    def as_document(self) -> dict[str, Any]:
        """The `diff` document."""
        return {
            "schema": SCHEMA,
            "from": {"mlflow_run_id": self.first.mlflow_run_id, "data_version": self.first.data_version},
            "to": {"mlflow_run_id": self.second.mlflow_run_id, "data_version": self.second.data_version},
            "same": self.same,
            "stages": self.stages,
            **{name: dict(getattr(self, name)) for name in _SECTIONS},
            "not_compared": list(self.not_compared),
        }


@dataclass(frozen=True)
class Sources:
    """Where the parts of two runs are read from.

    Attributes:
        client: Bound to the store.
        settings: Names the lake and the capsules.
        open_spark: Starts Spark, only where rows have to be compared.
    """

    client: MlflowClient
    settings: Settings
    open_spark: Callable[[], SparkSession]


def diff(
    first: str, second: str, settings: Settings, instance: dg.DagsterInstance, open_spark: Callable[[], SparkSession]
) -> Difference:
    """Compare two past runs.

    Args:
        first: MLflow run id, Dagster run id, or a data version for its newest run.
        second: As `first`.
        settings: Names the stores.
        instance: Dagster's history.
        open_spark: Starts Spark, only where rows have to be compared.

    Raises:
        BadInput: There is no such run, or it ended before its first stage did.
        Blocked: A manifest is gone.
        DataDamaged: A manifest is not the one that was recorded.
        Outside: The store failed.
    """
    experiment = initialise(settings, EXPERIMENT.name)
    client = connect(settings.mlflow_tracking_uri)
    with speaking_of(settings.mlflow_tracking_uri):
        one, other = (load_record(client, find_parent(client, experiment, run, instance)) for run in (first, second))
    return compare(one, other, Sources(client, settings, open_spark))


def compare(first: RunRecord, second: RunRecord, sources: Sources) -> Difference:
    """Compare two records; what can't be read is left out and said."""
    not_compared: list[str] = []
    tables = _tables(first, second, sources, not_compared)
    people = _people(first, second, sources, not_compared)
    data = {"tables": tables, "people": people}
    return Difference(
        first,
        second,
        stages=run_difference.stages(first, second),
        data={name: value for name, value in data.items() if value},
        code=_code(first, second, sources, not_compared),
        environment=run_difference.environment(first, second, _locks(first, second, sources, not_compared)),
        compute=run_difference.compute(first, second),
        parameters=run_difference.parameters(first, second),
        metrics=run_difference.metrics(first, second),
        not_compared=tuple(not_compared),
    )


def _tables(first: RunRecord, second: RunRecord, sources: Sources, not_compared: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for table in EXPERIMENT.table_names:
        one, other = first.data.get(table), second.data.get(table)
        if one is None or other is None:
            if one is not other:
                not_compared.append(f"rows of {table}: one of the runs has not read it")
            continue
        entry: dict[str, Any] = {}
        if one.commit.version != other.commit.version:
            entry["versions"] = {"from": one.commit.version, "to": other.commit.version}
        if one.rows.fingerprint != other.rows.fingerprint:
            entry |= _rows(table, one, other, sources, not_compared)
        if entry:
            found[table] = {"rows": {"from": one.rows.rows, "to": other.rows.rows}, **entry}
    return found


def _rows(table: str, one: DataPin, other: DataPin, sources: Sources, not_compared: list[str]) -> dict[str, Any]:
    keys = EXPERIMENT.table(table).keys
    try:
        return row_difference(sources.open_spark(), RawTables(), one, other, keys).as_document()
    except (Blocked, DataDamaged, BadInput) as trouble:
        not_compared.append(f"rows of {table}: {reason(trouble)}")
        return {}


def _people(first: RunRecord, second: RunRecord, sources: Sources, not_compared: list[str]) -> list[dict[str, Any]]:
    pair = [run.stages.get(_SNAPSHOT) for run in (first, second)]
    if None in pair or _people_digests(first) == _people_digests(second):
        return []
    try:
        return part_moves(*(_keys_by_part(run, sources) for run in (first, second)))
    except (Blocked, DataDamaged) as trouble:
        not_compared.append(f"who moved between train and test: {reason(trouble)}")
        return []


def _people_digests(run: RunRecord) -> list[str | None]:
    return [run.stages[_SNAPSHOT].parts.get(part) for part in PEOPLE]


def _keys_by_part(run: RunRecord, sources: Sources) -> dict[str, list[Any]]:
    lake, stage = Lake(uri=sources.settings.lake), run.stages[_SNAPSHOT]
    output = stored_output(stage, run.data_version, lake)
    if output is None:
        raise Blocked("a snapshot is gone from the lake", where=stage.manifest["output"]["location"])
    return {part: lake.read_table(output, part)[KEY].to_pylist() for part in PEOPLE}


def _code(first: RunRecord, second: RunRecord, sources: Sources, not_compared: list[str]) -> dict[str, Any]:
    stages = run_difference.code_stages(first, second)
    named = {name: {"from": first.code[name], "to": second.code[name]} for name in ("capsule", "commit", "dirty")}
    if named["capsule"]["from"] == named["capsule"]["to"]:
        return {"stages": stages} if stages else {}
    found = {**{name: pair for name, pair in named.items() if pair["from"] != pair["to"]}, "stages": stages}
    try:
        members = [_members(str(run.code["capsule"]), sources) for run in (first, second)]
    except ReproError as trouble:
        not_compared.append(f"source files: {reason(trouble)}")
        return found
    return {**found, **code_difference(*members).as_document()}


def _members(capsule: str, sources: Sources) -> Any:
    path = capsule_path(sources.settings.capsules, capsule)
    return entries_of(load(path, capsule), where=path)


def _locks(
    first: RunRecord, second: RunRecord, sources: Sources, not_compared: list[str]
) -> tuple[Mapping[str, str], Mapping[str, str]] | None:
    try:
        return _locked(first, sources), _locked(second, sources)
    except (Blocked, BadInput) as trouble:
        not_compared.append(f"packages: {reason(trouble)}")
        return None


def _locked(run: RunRecord, sources: Sources) -> dict[str, str]:
    """Version by package of the lock that the run logged, as it applies to the run's Python."""
    name, python = run.environment["declared"]["name"], run.environment["effective"]["python"]
    text = read_artifact(sources.client, run.last.mlflow_run_id, f"{name}.lock").decode("utf-8")
    chosen = applicable(parse_lock(text), marker_values(python))
    return {package.name: package.version for package in chosen.values()}
