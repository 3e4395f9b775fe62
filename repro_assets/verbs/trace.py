"""`repro trace`: from one row back to what made it: data version, code, environment, cluster, models, MLflow runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, Blocked, ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.output import Output
from repro_assets.pins.run_record import RunRecord, StageRecord
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.reproduction.original_outputs import stored_output
from repro_assets.resources.tracking.run_lookup import find_parent, newest_parent
from repro_assets.resources.tracking.run_records import load_record
from repro_assets.resources.tracking.store import connect, initialise, speaking_of
from repro_assets.steps.split import KEY, PEOPLE

if TYPE_CHECKING:
    import dagster as dg
    import pyarrow as pa
    from mlflow import MlflowClient

    from repro_assets.settings import Settings

SCHEMA = "repro-trace/1"
_SNAPSHOT = "train_test_snapshot"


class NoSuchRow(ReproError):
    """The output has no row of this key."""

    exit_code = 1


def trace(
    asset: str, key: str, settings: Settings, instance: dg.DagsterInstance, *, run: str | None = None
) -> dict[str, Any]:
    """Say what made one person's row of an asset's output.

    Args:
        asset: `predictions`, or any asset whose output holds people.
        key: The person, by the experiment's split key.
        settings: Names the store and the lake.
        instance: Dagster's history.
        run: MLflow run id, Dagster run id, or data version; by default the newest run that finished.

    Returns:
        The `trace` document.

    Raises:
        BadInput: There is no such run or asset, or the key is of another type.
        NoSuchRow: The output has no such row.
        Blocked: The output, or a manifest, is gone.
        DataDamaged: A file or manifest is not the one that was recorded.
        Outside: The store failed.
    """
    experiment = initialise(settings, EXPERIMENT.name)
    client = connect(settings.mlflow_tracking_uri)
    with speaking_of(settings.mlflow_tracking_uri):
        parent = find_parent(client, experiment, run, instance) if run else newest_parent(client, experiment, asset)
        record = load_record(client, parent)
        champion = _champion(client, record)
    if asset not in record.stages:
        raise BadInput("the run has no such asset", stored=asset, expected=", ".join(record.stages))
    lake = Lake(uri=settings.lake)
    rows = _rows(record, asset, key, lake)
    if not rows:
        raise NoSuchRow(
            f"{asset} has no row of this {KEY}",
            where=record.data_version,
            stored=key,
            fix=_elsewhere(record, key, lake),
        )
    return {
        "schema": SCHEMA,
        "asset": asset,
        KEY: rows[0]["row"][KEY],
        "rows": rows,
        **_origin(record, asset),
        "model": _model(record),
        "champion": champion,
    }


def _rows(record: RunRecord, asset: str, key: str, lake: Lake) -> list[dict[str, Any]]:
    """Rows of a person in every part of an output that holds people."""
    output = _stored(record, record.stages[asset], lake)
    tables = {part.name: lake.read_table(output, part.name) for part in output.parts if part.kind == "table"}
    people = {name: table for name, table in tables.items() if KEY in table.column_names}
    if not people:
        raise BadInput(f"the output of this asset has no {KEY}", stored=asset)
    found = {name: _matching(table, key) for name, table in people.items()}
    return [{"part": name, "row": _plain(row)} for name, table in found.items() for row in table.to_pylist()]


def _stored(record: RunRecord, stage: StageRecord, lake: Lake) -> Output:
    output = stored_output(stage, record.data_version, lake)
    if output is None:
        raise Blocked(
            f"the output of {stage.asset} is gone from the lake",
            where=stage.manifest["output"]["location"],
            fix=f"`repro run {record.data_version}` computes it again",
        )
    return output


def _matching(table: pa.Table, key: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        wanted = pa.scalar(key).cast(table.schema.field(KEY).type)
    except pa.ArrowInvalid as error:
        raise BadInput(
            "not a key", where=KEY, stored=repr(key)[:80], expected=str(table.schema.field(KEY).type)
        ) from error
    return table.filter(pc.equal(table[KEY], wanted))


def _elsewhere(record: RunRecord, key: str, lake: Lake) -> str:
    """Where the person is instead."""
    output = stored_output(record.stages[_SNAPSHOT], record.data_version, lake) if _SNAPSHOT in record.stages else None
    if output is None:
        return "Who is in that data version can't be looked up: its snapshot is gone"
    for part in PEOPLE:
        if _matching(lake.read_table(output, part), key).num_rows:
            return f"They are in {part} of that data version"
    return "They are not in that data version"


def _origin(record: RunRecord, asset: str) -> dict[str, Any]:
    """Everything that made a stage of a run, as its manifest has it."""
    pins = record.stages[asset].manifest["pins"]
    code, environment, compute = pins["code"], pins["environment"]["declared"], pins["compute"]["declared"]
    return {
        "data_version": record.data_version,
        "mlflow_run_id": record.mlflow_run_id,
        "dagster_run_id": record.dagster_run_id,
        "data": {
            table: {name: pin[name] for name in ("version", "fingerprint", "rows", "uri", "timestamp")}
            for table, pin in pins["data"].items()
        },
        "code": {name: code.get(name) for name in ("commit", "dirty", "capsule", "closure")},
        "environment": {name: environment.get(name) for name in ("name", "digest", "lock_sha256")},
        "compute": {name: compute.get(name) for name in ("name", "sha256")},
        "parameters": {name: dict(own) for name, own in record.parameters.items() if own},
        "stages": [
            {
                "asset": stage.asset,
                "identity": stage.identity,
                "output_digest": stage.output_digest,
                "mlflow_run_id": stage.mlflow_run_id,
            }
            for stage in record.stages.values()
        ],
    }


def _model(record: RunRecord) -> Mapping[str, Any] | None:
    """The data version's own model."""
    stage = record.stages.get("model")
    if stage is None:
        return None
    return {"identity": stage.identity, "digest": stage.output_digest, "mlflow_run_id": stage.mlflow_run_id}


def _champion(client: MlflowClient, record: RunRecord) -> dict[str, Any] | None:
    """The champion that predicted, with everything that made it; None where the run's own model did."""
    if record.champion is None:
        return None
    nested = client.get_run(record.champion["mlflow_run_id"])
    origin = load_record(client, client.get_run(nested.data.tags["mlflow.parentRunId"]))
    return {**record.champion, "origin": _origin(origin, "model")}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if value is None or isinstance(value, str | int | float) else str(value)
        for name, value in row.items()
    }
