"""Verdicts in MLflow: a run of its own for each reproduction, linked both ways with the original.

On the original stand the newest verdict and how often it was reproduced, counted from one file per verdict, so that
two at once lose nothing.
"""

from __future__ import annotations

import json
import socket
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.pins.canonical import canonical_json
from repro_assets.pins.verdict import Verdict
from repro_assets.resources.process_owner import current_owner, user_name
from repro_assets.resources.reproduction.known_results import MANIFESTS_TAG, RECIPE_TAG, manifests_digest
from repro_assets.resources.reproduction.reproducing import Reproduction
from repro_assets.resources.spark.receipt import cpu
from repro_assets.resources.tracking.records import as_readable_json, checked_metrics, checked_tags, log_documents
from repro_assets.resources.tracking.run_lookup import REPRODUCES_TAG, SWAPPED_TAG
from repro_assets.resources.tracking.store import speaking_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

VERDICT_TAG = "repro.verdict"
VERDICT_RUN_TAG = "repro.verdict.run"
REPRODUCED_TAG = "repro.reproduced"
_WITNESSES = "verdicts"


def log_verdict(client: MlflowClient, original: Run, found: Reproduction, *, dagster_run_id: str | None) -> str:
    """Write a verdict as a run of its own, and on the original.

    Args:
        client: Bound to the store.
        original: The run that was reproduced.
        found: What came of it.
        dagster_run_id: Dagster run of the reproduction.

    Returns:
        MLflow run of the reproduction.

    Raises:
        Outside: The store failed.
    """
    with speaking_of(client.tracking_uri):
        run_id = _own_run(client, original, found, dagster_run_id)
        if found.computed:
            _on_original(client, original.info.run_id, found.verdict, run_id)
    return run_id


def reproduced(witnesses: Sequence[Mapping[str, Any]]) -> str | None:
    """How often a run was reproduced, in words: `3 of 3, on 2 hosts`; None where it was never tried.

    A verdict counts where a result came out and nothing was swapped: what is blocked was not tried.
    """
    tried = [one for one in witnesses if one["verdict"] != "BLOCKED" and not one["swapped"]]
    if not tried:
        return None
    passed = [one for one in tried if one["verdict"] in ("IDENTICAL", "EQUIVALENT")]
    hosts = len({one["host"] for one in passed})
    return f"{len(passed)} of {len(tried)}, on {hosts} host{'' if hosts == 1 else 's'}"


def _own_run(client: MlflowClient, original: Run, found: Reproduction, dagster_run_id: str | None) -> str:
    verdict, result = found.verdict, found.result
    now = int(time.time() * 1000)
    tags = {
        REPRODUCES_TAG: original.info.run_id,
        VERDICT_TAG: verdict.word,
        "repro.data_version": verdict.data_version,
        "repro.first_difference": verdict.first_difference if verdict.word == "DIVERGED" else None,
        SWAPPED_TAG: ", ".join(verdict.swapped) or None,
        **_known_by(found),
        "dagster_run_id": dagster_run_id,
        "repro.owner": json.dumps(current_owner()),
        "mlflow.user": user_name(),
        "mlflow.note.content": f"{verdict.word}: reproduction of run {original.info.run_id}",
    }
    run = client.create_run(
        original.info.experiment_id,
        start_time=now - int(verdict.seconds * 1000),
        run_name=f"reproduction of {verdict.data_version}",
        tags={tag.key: tag.value for tag in checked_tags({k: v for k, v in tags.items() if v is not None})},
    )
    run_id = str(run.info.run_id)
    documents = {"verdict.json": as_readable_json(verdict.as_document())}
    metrics = {"reproduction_seconds": verdict.seconds}
    for stage in result.stages.values() if result else ():
        documents[f"manifests/{stage.asset}.json"] = as_readable_json(stage.manifest)
        metrics.update(stage.metrics)
    status = "FAILED"
    try:
        log_documents(client, run_id, documents)
        client.log_batch(run_id, metrics=checked_metrics(metrics))
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)
    return run_id


def _known_by(found: Reproduction) -> dict[str, str]:
    """Tags by which a result is known later: nothing where some stages did not come out, or it was known already."""
    recipe, result = found.recipe, found.result
    if recipe is None or result is None or result.failure is not None or not found.computed:
        return {}
    if set(result.stages) != set(recipe.stages):
        return {}
    return {RECIPE_TAG: recipe.digest, MANIFESTS_TAG: manifests_digest(result.stages)}


def _on_original(client: MlflowClient, original: str, verdict: Verdict, run_id: str) -> None:
    witness = {
        "verdict": verdict.word,
        "run": run_id,
        "swapped": list(verdict.swapped),
        "host": socket.gethostname(),
        "user": user_name(),
        "cpu": cpu()["model"],
        "time": int(time.time() * 1000),
    }
    log_documents(client, original, {f"{_WITNESSES}/{uuid.uuid4().hex}.json": canonical_json(witness)})
    if verdict.swapped:
        return  # says something about the swap, and nothing about the original
    tags = {
        VERDICT_TAG: verdict.word,
        VERDICT_RUN_TAG: run_id,
        REPRODUCED_TAG: reproduced(verdicts_on(client, original)),
    }
    client.log_batch(original, tags=checked_tags(tags))


def verdicts_on(client: MlflowClient, run_id: str) -> list[dict[str, Any]]:
    """Every verdict on a run, oldest first: `verdict`, `run`, `swapped`, `host`, `user`, `cpu`, `time` (ms, UTC).

    Raises:
        Outside: The store failed.
    """
    with speaking_of(client.tracking_uri), tempfile.TemporaryDirectory() as folder:
        if not client.list_artifacts(run_id, _WITNESSES):
            return []
        files = Path(client.download_artifacts(run_id, _WITNESSES, folder)).glob("*.json")
        found = [witness for witness in map(_witness, files) if witness is not None]
        return sorted(found, key=lambda witness: witness["time"])


def _witness(file: Path) -> dict[str, Any] | None:
    """A verdict's record; None for one that is being written right now, which its writer is going to count."""
    try:
        return dict(json.loads(file.read_text()))
    except ValueError:
        return None
