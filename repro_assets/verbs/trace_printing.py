"""A trace as a person reads it: the row, then what made it, then what made the champion where one predicted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any


def trace(document: Mapping[str, Any]) -> None:
    """The row and its origin."""
    for line in lines(document):
        sys.stderr.write(f"{line}\n")


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The lines that `trace` writes."""
    for row in document["rows"]:
        yield f"{document['asset']}, {row['part']}: {json.dumps(row['row'], ensure_ascii=False)}"
    yield from _origin(document)
    model, champion = document["model"], document["champion"]
    if model is not None:
        role = "own model, not used" if champion else "model"
        yield f"{role}: {model['digest']}, MLflow run {model['mlflow_run_id']}"
    if champion is not None:
        registered = ", ".join(f"{name} version {number}" for name, number in champion["registered"].items())
        yield f"champion: {champion['digest']}, MLflow run {champion['mlflow_run_id']}, {registered}; it was made of"
        yield from (f"  {line}" for line in _origin(champion["origin"]))


def _origin(origin: Mapping[str, Any]) -> Iterator[str]:
    yield f"data version: {origin['data_version']}"
    for table, pin in origin["data"].items():
        yield f"data: {table} version {pin['version']}, {pin['rows']:,} rows, fingerprint {pin['fingerprint']}"
    code = origin["code"]
    yield f"code: commit {code['commit']} ({'edited' if code['dirty'] else 'clean'}), capsule {code['capsule']}"
    yield f"environment: {origin['environment']['name']}, lock {origin['environment']['lock_sha256']}"
    yield f"cluster: {origin['compute']['name']}, file {origin['compute']['sha256']}"
    yield f"parameters: {json.dumps(origin['parameters'], sort_keys=True)}"
    yield f"MLflow run {origin['mlflow_run_id']}, Dagster run {origin['dagster_run_id']}"
