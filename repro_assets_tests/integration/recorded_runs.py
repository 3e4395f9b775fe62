"""Past runs in a real MLflow store, written by the client alone: manifests and digests as the stages write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from repro_assets.pins.manifest import manifest_digest, run_manifest
from repro_assets.resources.tracking.records import log_documents
from repro_assets_tests.unit.pins.run_records import KEY, ORDER, manifest

UPSTREAM = {
    "train_test_snapshot": ["covid_cases", "job_changes"],
    "features": ["train_test_snapshot"],
    "model": ["features"],
    "predictions": ["features", "model"],
}


def record_run(
    client: Any,
    experiment: str,
    *,
    key: str = KEY,
    manifests: Mapping[str, Mapping[str, Any]] | None = None,
    reused: Mapping[str, str] | None = None,
    documents: Mapping[str, str | bytes] | None = None,
) -> str:
    """Write a finished run of the whole chain; returns its parent.

    Args:
        client: Bound to the store.
        experiment: Id of the experiment.
        key: Data version.
        manifests: By asset, entries of its manifest that are not the default ones.
        reused: Nested run by asset that another run computed.
        documents: Further artifacts of every stage.
    """
    parent = client.create_run(experiment, tags={"repro.data_version": key}).info.run_id
    stages: dict[str, dict[str, str]] = {}
    made: dict[str, dict[str, str]] = {}
    for asset in ORDER:
        nested = (reused or {}).get(asset)
        if nested is None:
            inputs = {name: made[name] for name in UPSTREAM.get(asset, [])}
            content = manifest(asset, data_version=key, inputs=inputs, **(manifests or {}).get(asset, {}))
            nested = _write_stage(client, experiment, parent, content, documents or {})
        tags = client.get_run(nested).data.tags
        stages[asset] = {"mlflow_run_id": nested, "manifest_sha256": tags["repro.manifest"]}
        named = {"identity": tags["repro.identity"], "digest": tags["repro.output_digest"]}
        made[asset] = {"mlflow_run_id": nested, **named}
    document = run_manifest(key, stages, {"dagster": "dagster run", "mlflow": parent})
    log_documents(client, parent, {"manifest.json": json.dumps(document)})
    client.set_tag(parent, "repro.manifest", manifest_digest(document))
    client.set_terminated(parent, "FINISHED")
    return str(parent)


def nested_of(client: Any, parent: str) -> dict[str, str]:
    """Nested run by asset, as the run's manifest names them."""
    document = json.loads(open_artifact(client, parent, "manifest.json"))
    return {asset: stage["mlflow_run_id"] for asset, stage in document["stages"].items()}


def open_artifact(client: Any, run_id: str, name: str) -> str:
    """Text of an artifact."""
    with open(client.download_artifacts(run_id, name), encoding="utf-8") as file:
        return file.read()


def _write_stage(
    client: Any, experiment: str, parent: str, content: Mapping[str, Any], documents: Mapping[str, str | bytes]
) -> str:
    tags = {
        "mlflow.parentRunId": parent,
        "repro.asset": content["asset"],
        "repro.data_version": content["data_version"],
        "repro.manifest": manifest_digest(content),
        "repro.identity": content["identity"]["digest"],
        "repro.output_digest": content["output"]["digest"],
    }
    nested = client.create_run(experiment, tags=tags).info.run_id
    log_documents(client, nested, {"manifest.json": json.dumps(content), **documents})
    client.set_terminated(nested, "FINISHED")
    return str(nested)
