"""What a stage leaves behind: manifest and MLflow run, the output's record, and Dagster's metadata."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg

from repro_assets.defs.page_links import mlflow_link
from repro_assets.defs.stage_config import RECOMPUTES_EQUAL
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.manifest import Manifest, Pins, manifest_digest, run_manifest
from repro_assets.pins.output import Output, Part
from repro_assets.resources import model_registry, tracking_confirmations
from repro_assets.resources.receipt import compute_receipt
from repro_assets.resources.tracking_records import DatasetRecord, delta_dataset
from repro_assets.settings import load as load_settings

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage

# What a stored model needs to be loaded, out of the lock.
_MODEL_PACKAGES = ("scikit-learn", "numpy", "pandas", "scipy", "skops")
_MLFLOW_TYPES = {"string": "string", "int64": "long", "double": "double"}


def log(stage: Stage, found: str, parts: tuple[Part, ...], metrics: Mapping[str, float]) -> str:
    """Write the nested MLflow run and the parent's manifest so far; returns the manifest's digest."""
    mlflow, run_id = stage.context.resources.mlflow, stage.mlflow_run_id
    manifest = _manifest(stage, found, parts, metrics)
    sha256 = manifest_digest(manifest)
    mlflow.log_stage(
        run_id,
        params=_params(stage),
        metrics=metrics,
        tags=_tags(stage, found, sha256),
        datasets=_datasets(stage, parts),
        documents=_documents(stage, manifest),
    )
    _add_to_run(stage, "computed", found, run_id, sha256)
    if metrics:
        mlflow.log_stage(mlflow.parent_run_id, metrics=metrics)
    return sha256


def log_model(stage: Stage, name: str, model: Any, columns: Mapping[str, str]) -> None:
    """Log and register one fitted estimator; the alias `candidate` follows the highest data version.

    Args:
        stage: Of the model.
        name: Part name; the registered model is called `EXPERIMENT.NAME`.
        model: Fitted estimator with `feature_names_in_`.
        columns: Arrow type by column of what it may take.
    """
    from repro_assets.resources.model_file import TRUSTED_TYPES

    resources = stage.context.resources
    registered = f"{EXPERIMENT.name}.{name}"
    logged = resources.mlflow.log_sklearn_model(
        stage.mlflow_run_id,
        model,
        name=name,
        requirements=resources.conda_env.requirements(_MODEL_PACKAGES),
        trusted_types=sorted(TRUSTED_TYPES),
        input_columns=[(column, _MLFLOW_TYPES[columns[column]]) for column in model.feature_names_in_],
        params=stage.parameters,
        tags={"repro.identity": stage.identity.digest(), "repro.data_version": stage.data_version},
    )
    client = resources.mlflow.tracking_client
    version = model_registry.register(
        client,
        registered,
        source=logged.uri,
        run_id=stage.mlflow_run_id,
        data_version=stage.data_version,
        tags={"repro.identity": stage.identity.digest(), "repro.model_sha256": logged.sha256},
    )
    lock = load_settings().var / "locks" / "registry.lock"
    model_registry.move_candidate(client, registered, version, stage.rank(), lock=lock)


def as_output(stage: Stage, found: str, parts: tuple[Part, ...], metrics: Mapping[str, float], manifest: str) -> Output:
    """The output's record, as the marker holds it."""
    return Output(
        asset=stage.asset,
        data_version=stage.data_version,
        identity=stage.identity.digest(),
        digest=found,
        parts=parts,
        data={table: pin.as_document() for table, pin in stage.data.items()},
        mlflow_run_id=stage.mlflow_run_id,
        mlflow_parent_run_id=str(stage.context.resources.mlflow.parent_run_id),
        dagster_run_id=stage.context.run.run_id,
        manifest_sha256=manifest,
        metrics=metrics,
    )


def computed(stage: Stage, output: Output, standing: Output, notes: Mapping[str, Any]) -> dg.MaterializeResult[Any]:
    """The result of a computed output, next to the one that stands under its identity.

    Equal adds a confirmation to the original; another digest keeps both and turns the check red.
    """
    client = stage.context.resources.mlflow.tracking_client
    if standing == output:
        return _result(stage, output, "computed", True, "computed once so far", notes)
    witness = {
        "asset": output.asset,
        "identity": output.identity,
        "digest": output.digest,
        "mlflow_run_id": output.mlflow_run_id,
        "dagster_run_id": output.dagster_run_id,
        "host": socket.gethostname(),
        "compute": compute_receipt(None),
    }
    if standing.digest == output.digest:
        stage.lake.discard(output)
        count = tracking_confirmations.add_confirmation(client, standing.mlflow_run_id, witness)
        text = f"recomputed equal, {count} confirmation{'s' if count > 1 else ''}"
        return _result(stage, standing, "computed", True, text, {**notes, "confirmations": count})
    record = stage.lake.keep_beside(output)
    tracking_confirmations.add_conflict(client, standing.mlflow_run_id, {**witness, "expected": standing.digest})
    text = f"same identity, another digest: {output.digest[:12]} instead of {standing.digest[:12]}; both kept"
    return _result(stage, output, "computed", False, text, {**notes, "conflict": record})


def reused(stage: Stage, output: Output) -> dg.MaterializeResult[Any]:
    """The result of an output that was verified and not computed again."""
    _add_to_run(stage, "reused", output.digest, output.mlflow_run_id, output.manifest_sha256)
    return _result(stage, output, "reused", True, "reused, files verified", {})


def _result(
    stage: Stage, output: Output, state: str, passed: bool, text: str, notes: Mapping[str, Any]
) -> dg.MaterializeResult[Any]:
    rows = {part.name: part.rows for part in output.parts if part.rows is not None}
    pins = {table: document for table, document in output.data.items() if table in (stage.asset, *stage.upstream)}
    if stage.asset in output.data:
        rows = {stage.asset: output.data[stage.asset]["rows"]}
    metadata: dict[str, Any] = {
        "state": state,
        "identity": output.identity,
        "output_digest": output.digest,
        "manifest": output.manifest_sha256,
        "location": stage.lake.folder(output.asset, output.data_version, output.identity),
        "mlflow_run_id": output.mlflow_run_id,
        "mlflow_parent_run_id": output.mlflow_parent_run_id,
        "computed_by_dagster_run": output.dagster_run_id,
        "dagster/row_count": sum(rows.values()) if rows else None,
        "rows": rows or None,
        "pins": {table: {"version": pin["version"], "fingerprint": pin["fingerprint"]} for table, pin in pins.items()},
        "mlflow": mlflow_link(load_settings(), output.mlflow_run_id),
        **{name: float(value) for name, value in output.metrics.items()},
        **notes,
    }
    return dg.MaterializeResult(
        data_version=dg.DataVersion(output.digest),
        metadata={name: value for name, value in metadata.items() if value not in (None, {})},
        check_results=[
            dg.AssetCheckResult(
                check_name=RECOMPUTES_EQUAL, passed=passed, metadata={"finding": text}, description=text
            )
        ],
    )


def _manifest(stage: Stage, found: str, parts: tuple[Part, ...], metrics: Mapping[str, float]) -> dict[str, Any]:
    resources = stage.context.resources
    code = resources.source_tree.pin()
    cluster = resources.spark_cluster.cluster
    pins = Pins(
        data=stage.data,
        code={**asdict(code), "closure": stage.identity.code},
        environment={"declared": asdict(resources.conda_env.pin), "effective": asdict(resources.conda_env.check())},
        compute={
            "declared": {"name": cluster.name, "sha256": cluster.sha256, "settings": cluster.settings()},
            "effective": compute_receipt(resources.spark_cluster.opened_session),
        },
    )
    return Manifest(
        data_version=stage.data_version,
        identity=stage.identity,
        pins=pins,
        inputs={
            name: {"identity": output.identity, "digest": output.digest, "mlflow_run_id": output.mlflow_run_id}
            for name, output in stage.upstream.items()
        },
        output_digest=found,
        parts=parts,
        location=stage.lake.folder(stage.asset, stage.data_version, stage.identity.digest()),
        metrics=metrics,
        caveat=EXPERIMENT.caveat,
        runs={"dagster": stage.context.run.run_id, "mlflow": stage.mlflow_run_id},
    ).as_document()


def _params(stage: Stage) -> dict[str, Any]:
    tables = {
        f"{table}.{name}": value
        for table, pin in stage.data.items()
        for name, value in (("path", pin.commit.uri), ("version", pin.commit.version))
    }
    snapshot = stage.upstream.get("train_test_snapshot")
    identity = snapshot.identity if snapshot else stage.run.stages.get("train_test_snapshot", {}).get("identity")
    path = {"snapshot.path": stage.lake.folder("train_test_snapshot", stage.data_version, identity)} if identity else {}
    return {**tables, **path, **stage.parameters}


def _tags(stage: Stage, found: str, manifest: str) -> dict[str, Any]:
    resources = stage.context.resources
    code = resources.source_tree.pin()
    inputs = {f"repro.input.{name}": output.digest for name, output in stage.upstream.items()}
    return {
        "repro.identity": stage.identity.digest(),
        "repro.output_digest": found,
        "repro.manifest": manifest,
        "repro.code.commit": code.commit or "none",
        "repro.code.capsule": code.capsule,
        "repro.code.dirty": str(code.dirty).lower(),
        "repro.environment": f"{resources.conda_env.name}:{resources.conda_env.pin.digest}",
        "repro.compute": f"{resources.spark_cluster.cluster.name}:{resources.spark_cluster.cluster.sha256}",
        "repro.caveat": EXPERIMENT.caveat,
        **inputs,
    }


def _datasets(stage: Stage, parts: tuple[Part, ...]) -> list[DatasetRecord]:
    raw = [
        delta_dataset(
            table,
            path=pin.commit.uri,
            version=pin.commit.version,
            fingerprint=pin.rows.fingerprint,
            context="raw",
            columns=pin.rows.schema,
            rows=pin.rows.rows,
        )
        for table, pin in stage.data.items()
    ]
    tables = [(output, part) for output in stage.upstream.values() for part in output.parts if part.kind == "table"]
    read = [
        DatasetRecord(
            f"{output.asset}.{part.name}",
            part.digest,
            "input",
            "parquet",
            {"path": stage.lake.folder(output.asset, output.data_version, output.identity)},
            rows=part.rows,
        )
        for output, part in tables
    ]
    written = [
        DatasetRecord(
            f"{stage.asset}.{part.name}", part.digest, "output", "parquet", {"path": stage.attempt}, rows=part.rows
        )
        for part in parts
        if part.kind == "table"
    ]
    return [*raw, *read, *written]


def _documents(stage: Stage, manifest: Mapping[str, Any]) -> dict[str, str | bytes]:
    environment, cluster = stage.context.resources.conda_env.file, stage.context.resources.spark_cluster.cluster
    pins = manifest["pins"]
    receipt = {"environment": pins["environment"]["effective"], "compute": pins["compute"]["effective"]}
    return {
        "manifest.json": _pretty(manifest),
        "receipt.json": _pretty(receipt),
        "cluster.json": cluster.text,
        f"{environment.name}.yaml": environment.yaml,
        f"{environment.name}.lock": environment.lock,
    }


def _add_to_run(stage: Stage, state: str, found: str, run_id: str, manifest: str) -> None:
    """Write the run's manifest so far on the parent; there is none while everything is reused."""
    mlflow = stage.context.resources.mlflow
    stage.run.stages[stage.asset] = {
        "state": state,
        "identity": stage.identity.digest(),
        "output_digest": found,
        "mlflow_run_id": run_id,
        "manifest_sha256": manifest,
    }
    if mlflow.parent_run_id is None:
        return
    runs = {"dagster": stage.context.run.run_id, "mlflow": mlflow.parent_run_id}
    document = run_manifest(stage.data_version, stage.run.stages, runs)
    common = ("repro.code.commit", "repro.code.capsule", "repro.environment", "repro.compute", "repro.caveat")
    tags = {name: value for name, value in _tags(stage, found, manifest).items() if name in common}
    mlflow.log_stage(
        mlflow.parent_run_id,
        tags={**tags, "repro.manifest": manifest_digest(document)},
        documents={"manifest.json": _pretty(document)},
    )


def _pretty(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
