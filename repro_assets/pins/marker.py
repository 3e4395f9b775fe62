"""What an output's marker says otherwise than the manifests that speak of the output.

The files of an output are proved against its marker, and the marker, which nobody else knows the digest of, here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repro_assets.pins.manifest import manifest_digest
from repro_assets.pins.output import Output
from repro_assets.pins.run_record import RunRecord, StageRecord


def contradictions(output: Output, stage: StageRecord, record: RunRecord) -> dict[str, tuple[Any, Any]]:
    """Stored and expected value of every field of a marker that its manifest says otherwise.

    Args:
        output: As the marker has it.
        stage: Whose manifest speaks of it.
        record: The run that the stage is of, with everything that the output was made of.

    Returns:
        By field. A run that made the same output once more left another run's marker standing, as
        `is_of_another_run` says; of such a marker only what every run finds alike is compared.
    """
    manifest = stage.manifest
    found: dict[str, Any] = {"parts": [(part.name, part.kind, part.digest, part.rows) for part in output.parts]}
    expected: dict[str, Any] = {
        "parts": [
            (part["name"], part.get("kind"), part["digest"], part.get("rows")) for part in manifest["output"]["parts"]
        ],
        "lineage": _lineage(stage, record.stages),
    }
    found["lineage"] = {name: dict(made) for name, made in output.lineage.items()}
    if not is_of_another_run(output, stage):
        found |= {
            "data": {table: dict(pin) for table, pin in output.data.items()},
            "metrics": dict(output.metrics),
            "dagster_run_id": output.dagster_run_id,
            "manifest_sha256": output.manifest_sha256,
        }
        expected |= {
            "data": dict(manifest["pins"]["data"]),
            "metrics": dict(manifest["metrics"]),
            "dagster_run_id": manifest.get("runs", {}).get("dagster"),
            "manifest_sha256": manifest_digest(manifest),
        }
        # One run of MLflow stands above all stages of a Dagster run; of a stage that was reused it is not known here.
        if output.dagster_run_id == record.dagster_run_id:
            found["mlflow_parent_run_id"] = output.mlflow_parent_run_id
            expected["mlflow_parent_run_id"] = record.mlflow_run_id
    return {name: (found[name], value) for name, value in expected.items() if found[name] != value}


def is_of_another_run(output: Output, stage: StageRecord) -> bool:
    """Whether another run than the stage's says in the marker that it computed the output."""
    return output.mlflow_run_id != stage.mlflow_run_id


def _lineage(stage: StageRecord, stages: Mapping[str, StageRecord]) -> dict[str, dict[str, str]]:
    """Identity and digest of everything that a stage was made of, by the manifests."""
    found: dict[str, dict[str, str]] = {}
    for name, entry in stage.manifest["inputs"].items():
        if name in stages:
            found |= _lineage(stages[name], stages)
        found[name] = {"identity": entry["identity"], "digest": entry["digest"]}
    return found
