"""Comparisons of several runs in MLflow: a run of its own that holds the documents and names what was compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from repro_assets.resources.process_owner import current_owner, user_name
from repro_assets.resources.tracking.records import checked_tags, log_documents
from repro_assets.resources.tracking.store import speaking_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

_NAMED_AT_MOST = 200  # a tag has 8,000 characters; the documents name all
KIND_TAG, COMPARED_TAG = "repro.comparison", "repro.compares"


def log_comparison(
    client: MlflowClient, experiment: str, kind: str, runs: Sequence[str], documents: Mapping[str, str | bytes]
) -> str:
    """Write a comparison as a run of its own.

    Args:
        client: Bound to the store.
        experiment: Id of the experiment.
        kind: `blame` or `grid`.
        runs: What was compared.
        documents: Content by artifact name.

    Returns:
        The run.

    Raises:
        Outside: The store failed.
    """
    tags = {
        KIND_TAG: kind,
        COMPARED_TAG: ", ".join(runs[:_NAMED_AT_MOST]),
        "repro.owner": json.dumps(current_owner()),
        "mlflow.user": user_name(),
        "mlflow.note.content": f"{kind} of {len(runs)} runs",
    }
    with speaking_of(client.tracking_uri):
        run = client.create_run(experiment, run_name=kind, tags={tag.key: tag.value for tag in checked_tags(tags)})
        status = "FAILED"
        try:
            log_documents(client, run.info.run_id, documents)
            status = "FINISHED"
        finally:
            client.set_terminated(run.info.run_id, status)
    return str(run.info.run_id)
