"""A past run's manifests, small but whole, for unit tests."""

from __future__ import annotations

from typing import Any

from repro_assets.pins.run_record import RunRecord, stage_record

KEY = "covid_cases-v000001--job_changes-v000000"
ORDER = ("covid_cases", "job_changes", "train_test_snapshot", "features", "model", "predictions")


def data_pin(table: str) -> dict[str, Any]:
    """Pin of a raw table as a manifest holds it."""
    return {
        "table": table,
        "uri": f"file:///lake/raw/{table}",
        "table_id": f"id of {table}",
        "version": 0,
        "commit_sha256": "c" * 64,
        "timestamp": 1_600_000_000_000,
        "fingerprint": f"{table:f<64}"[:64],
        "rows": 10,
        "schema": [["fips", "string"]],
    }


def manifest(asset: str, **changes: Any) -> dict[str, Any]:
    """Manifest of one stage; `changes` replace its top-level entries."""
    kinds = {"model": {"with_cases": "model", "without_cases": "model"}, "predictions": {"predictions": "table"}}
    parts = kinds.get(asset, {} if asset in ORDER[:2] else {asset: "table"})
    document = {
        "schema": "repro-manifest/1",
        "asset": asset,
        "data_version": KEY,
        "identity": {"digest": f"identity of {asset}"},
        "pins": {
            "data": {table: data_pin(table) for table in ORDER[:2]}
            if asset not in ORDER[:2]
            else {asset: data_pin(asset)},
            "code": {"capsule": "a" * 64, "commit": "b" * 40, "dirty": False, "closure": f"closure of {asset}"},
            "environment": {
                "declared": {"name": "ml-v1", "lock_sha256": "1" * 64, "yaml_sha256": "2" * 64, "digest": "e" * 64},
                "effective": {"mode": "enforce"},
            },
            "compute": {"declared": {"name": "local-v1", "sha256": "d" * 64}, "effective": {}},
        },
        "parameters": {},
        "inputs": {},
        "output": {
            "digest": f"digest of {asset}",
            "location": f"file:///lake/{asset}",
            "parts": [
                {"name": name, "kind": kind, "digest": f"digest of {name}", "rows": 10 if kind == "table" else None}
                for name, kind in parts.items()
            ],
        },
        "metrics": {"roc_auc": 0.75, "tp": 3} if asset == "predictions" else {},
        "tolerance": {"probability": 1e-9, "score": 1e-6, "source": "assumed"},
        "caveat": "made up",
        "runs": {"dagster": "d", "mlflow": "m"},
    }
    return {**document, **changes}


def run_record(**changes: Any) -> RunRecord:
    """A record of the whole chain; `changes` replace entries of every stage's manifest."""
    stages = {asset: stage_record(asset, f"run of {asset}", manifest(asset, **changes)) for asset in ORDER}
    return RunRecord("parent", "dagster run", KEY, stages)
