"""The manifest: the JSON document of one materialization, and of the run that holds several of them.

A manifest says what was declared and, beside it, what was really used.
Its own digest is written to MLflow and Dagster, so that a changed manifest is seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from repro_assets.pins.canonical import canonical_json
from repro_assets.pins.data import DataPin
from repro_assets.pins.identity import Identity
from repro_assets.pins.output import Part

SCHEMA = "repro-manifest/1"
RUN_SCHEMA = "repro-run-manifest/1"

# Until `repro probe` has measured one for the family and the lock (envs/tolerances).
ASSUMED_TOLERANCE = {"probability": 1e-9, "score": 1e-6, "source": "assumed"}


@dataclass(frozen=True)
class Pins:
    """The four pins of one materialization, each as declared and as found.

    Attributes:
        data: Pin per raw table.
        code: Commit, branch, remote, dirty flag, capsule digest, closure digest.
        environment: `declared` (name, digests) and `effective` (interpreter, packages, mode).
        compute: `declared` (name, digest, settings) and `effective` (what was read back, CPU, BLAS).
    """

    data: Mapping[str, DataPin]
    code: Mapping[str, Any]
    environment: Mapping[str, Any]
    compute: Mapping[str, Any]


@dataclass(frozen=True)
class Manifest:
    """One materialization, whole.

    Attributes:
        data_version: Key of the partition.
        identity: What determined the output.
        pins: The four pins.
        inputs: Identity and digest of each upstream output that was read.
        output_digest: Digest of the result.
        parts: Tables and models of the output.
        location: URI of the output's folder.
        metrics: Numbers that belong to the result.
        caveat: Assumption that everything here rests on.
        runs: Dagster and MLflow run ids.
        champion: The registry's champion where the output was made with it (`Champion.as_document`); else None.
        tolerance: How far predictions and scores of another machine or lock may lie from these; `probability`, `score`
            and where it comes from.
    """

    data_version: str
    identity: Identity
    pins: Pins
    inputs: Mapping[str, Mapping[str, str]]
    output_digest: str
    parts: tuple[Part, ...]
    location: str
    metrics: Mapping[str, float]
    caveat: str
    runs: Mapping[str, str]
    champion: Mapping[str, Any] | None = None
    tolerance: Mapping[str, Any] = field(default_factory=lambda: dict(ASSUMED_TOLERANCE))

    def as_document(self) -> dict[str, Any]:
        """The manifest as JSON values."""
        return {
            "schema": SCHEMA,
            "asset": self.identity.asset,
            "data_version": self.data_version,
            "identity": {"digest": self.identity.digest(), **self.identity.as_document()},
            "pins": {
                "data": {table: pin.as_document() for table, pin in self.pins.data.items()},
                "code": dict(self.pins.code),
                "environment": dict(self.pins.environment),
                "compute": dict(self.pins.compute),
            },
            "parameters": dict(self.identity.parameters),
            "inputs": {name: dict(entry) for name, entry in self.inputs.items()},
            "output": {
                "digest": self.output_digest,
                "location": self.location,
                "parts": [
                    {"name": part.name, "kind": part.kind, "digest": part.digest, "rows": part.rows}
                    for part in self.parts
                ],
            },
            "metrics": dict(self.metrics),
            "tolerance": dict(self.tolerance),
            "caveat": self.caveat,
            "runs": dict(self.runs),
            **({"champion": dict(self.champion)} if self.champion is not None else {}),
        }


def run_manifest(data_version: str, stages: Mapping[str, Mapping[str, Any]], runs: Mapping[str, str]) -> dict[str, Any]:
    """The document of one run over several assets.

    Args:
        data_version: Key of the partition.
        stages: Per asset in the order it ran: `state`, `identity`, `output_digest`, `mlflow_run_id`, `manifest_sha256`.
        runs: Dagster and MLflow run ids.
    """
    return {
        "schema": RUN_SCHEMA,
        "data_version": data_version,
        "stages": {asset: dict(stage) for asset, stage in stages.items()},
        "order": list(stages),
        "runs": dict(runs),
    }


def manifest_digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest's canonical JSON."""
    return hashlib.sha256(canonical_json(document)).hexdigest()
