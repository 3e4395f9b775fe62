"""What a stage writes down: its MLflow run, its manifest, and the record of its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.manifest import Manifest, Pins, manifest_digest, run_manifest
from repro_assets.pins.output import Output, Part
from repro_assets.resources.reproduction.tolerances import tolerance_of
from repro_assets.resources.tracking.records import DatasetRecord, as_readable_json, delta_dataset
from repro_assets.settings import load as load_settings

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage


# The asset whose path every later run names as a parameter.
_SNAPSHOT = "train_test_snapshot"
_TAGS_OF_A_RUN = (
    "repro.code.commit",
    "repro.code.capsule",
    "repro.code.dirty",
    "repro.environment",
    "repro.compute",
    "repro.caveat",
)


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
    add_to_run(stage, "computed", found, run_id, sha256)
    if metrics:
        mlflow.log_stage(mlflow.parent_run_id, metrics=metrics)
    return sha256


def as_output(stage: Stage, found: str, parts: tuple[Part, ...], metrics: Mapping[str, float], manifest: str) -> Output:
    """The output's record, as the marker holds it."""
    return Output(
        asset=stage.asset,
        data_version=stage.data_version,
        identity=stage.identity.digest(),
        digest=found,
        parts=parts,
        data={table: pin.as_document() for table, pin in stage.data.items()},
        lineage=stage.lineage,
        mlflow_run_id=stage.mlflow_run_id,
        mlflow_parent_run_id=str(stage.context.resources.mlflow.parent_run_id),
        dagster_run_id=stage.context.run.run_id,
        manifest_sha256=manifest,
        metrics=metrics,
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
            "declared": {
                "name": cluster.name,
                "sha256": cluster.sha256,
                "settings": cluster.settings(),
                **({"variables": dict(cluster.variables)} if cluster.variables else {}),
            },
            "effective": resources.spark_cluster.receipt(),
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
        location=stage.folder,
        metrics=metrics,
        caveat=EXPERIMENT.caveat,
        runs={"dagster": stage.context.run.run_id, "mlflow": stage.mlflow_run_id},
        champion=stage.champion.as_document() if stage.champion else None,
        tolerance=_tolerance(stage),
    ).as_document()


def _tolerance(stage: Stage) -> dict[str, Any]:
    env = stage.context.resources.conda_env
    lock = {"name": env.name, "sha256": env.file.lock_sha256}
    return tolerance_of(load_settings(), stage.all_parameters, lock, enforced=env.mode == "enforce")


def _params(stage: Stage) -> dict[str, Any]:
    """Path and version of every raw table, the snapshot's path once there is one, and all parameters so far."""
    tables = {
        f"{table}.{name}": value
        for table, version in stage.versions.items()
        for name, value in (("path", stage.raw_tables.uri(table)), ("version", version))
    }
    snapshot = stage.descent.get(_SNAPSHOT)
    path = {"snapshot.path": stage.lake.folder(_SNAPSHOT, stage.data_version, snapshot["identity"])} if snapshot else {}
    set_so_far = {name: value for own in stage.all_parameters.values() for name, value in own.items()}
    return {**tables, **path, **set_so_far}


def _tags(stage: Stage, found: str, manifest: str) -> dict[str, Any]:
    resources = stage.context.resources
    code = resources.source_tree.pin()
    inputs = {f"repro.input.{name}": output.digest for name, output in stage.upstream.items()}
    if stage.champion is not None:
        inputs["repro.input.champion"] = stage.champion.digest
        inputs["repro.champion"] = stage.champion.mlflow_run_id
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
            f"{stage.asset}.{part.name}", part.digest, "output", "parquet", {"path": stage.folder}, rows=part.rows
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
        "manifest.json": as_readable_json(manifest),
        "receipt.json": as_readable_json(receipt),
        "cluster.json": cluster.text,
        f"{environment.name}.yaml": environment.yaml,
        f"{environment.name}.lock": environment.lock,
    }


def add_to_run(stage: Stage, state: str, found: str, run_id: str, manifest: str) -> None:
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
    tags = {name: value for name, value in _tags(stage, found, manifest).items() if name in _TAGS_OF_A_RUN}
    mlflow.log_stage(
        mlflow.parent_run_id,
        params=_params(stage),
        tags={**tags, "repro.manifest": manifest_digest(document)},
        documents={"manifest.json": as_readable_json(document)},
    )
