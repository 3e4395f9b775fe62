"""Later runs bear witness on the original one: the same result again, or another one under the same identity."""

from __future__ import annotations

import json
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.pins.canonical import canonical_json
from repro_assets.resources.tracking.records import log_documents
from repro_assets.resources.tracking.store import speaking_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONFIRMATIONS = "confirmations"
CONFLICTS = "conflicts"


def add_confirmation(client: MlflowClient, run_id: str, record: dict[str, Any]) -> int:
    """Write down on the original run that a recomputation gave the same digest.

    Each witness is a file of its own, so that two at once lose nothing; the tag `repro.confirmations` counts the files.

    Args:
        client: Bound to the store.
        run_id: The original MLflow run.
        record: Who confirmed what; anything `canonical_json` takes.

    Returns:
        The number of confirmations, this one included.

    Raises:
        BadInput: The record has no stable text.
        Outside: The store failed, or has no such run.
    """
    return _witness(client, run_id, record, folder=CONFIRMATIONS, tag="repro.confirmations")


def add_conflict(client: MlflowClient, run_id: str, record: dict[str, Any]) -> int:
    """Write down on the original run that the same identity gave another digest (tag `repro.conflict`).

    Returns:
        The number of conflicts, this one included.

    Raises:
        BadInput: The record has no stable text.
        Outside: The store failed, or has no such run.
    """
    return _witness(client, run_id, record, folder=CONFLICTS, tag="repro.conflict")


def witnesses_on(client: MlflowClient, run_id: str, folder: str) -> list[dict[str, Any]]:
    """What later runs wrote down on a run, oldest first; records of before the time was kept come first.

    Args:
        client: Bound to the store.
        run_id: The original MLflow run of one asset.
        folder: `CONFIRMATIONS` or `CONFLICTS`.

    Raises:
        Outside: The store failed.
    """
    with speaking_of(client.tracking_uri), tempfile.TemporaryDirectory() as place:
        if not client.list_artifacts(run_id, folder):
            return []
        files = Path(client.download_artifacts(run_id, folder, place)).glob("*.json")
        return sorted((json.loads(file.read_text()) for file in files), key=lambda record: record.get("time", 0))


def _witness(client: MlflowClient, run_id: str, record: dict[str, Any], *, folder: str, tag: str) -> int:
    content = canonical_json(record)
    with speaking_of(client.tracking_uri):
        client.get_run(run_id)
        log_documents(client, run_id, {f"{folder}/{uuid.uuid4().hex}.json": content})
        count = sum(1 for file in client.list_artifacts(run_id, folder) if file.path.endswith(".json"))
        client.set_tag(run_id, tag, str(count))
    return count
