"""The model registry: one version per fitted model, and the alias `candidate` on that of the newest data version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.resources.tracking.store import locked, process_default, speaking_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CANDIDATE = "candidate"
RANK_TAG = "repro.data_version_rank"
_LOCK_SECONDS = 60


def register(
    client: MlflowClient,
    name: str,
    *,
    source: str,
    run_id: str,
    data_version: str,
    tags: Mapping[str, Any] | None = None,
) -> str:
    """Register a model as a new version.

    Args:
        client: Bound to the store.
        name: Registered model; created where it does not exist.
        source: `models:/<model_id>` of a logged model, or the URI of the folder with its files.
        run_id: MLflow run that fitted it.
        data_version: Key of the data version it was fitted on (tag `repro.data_version`).
        tags: Further tags of the version.

    Returns:
        The version's number, as text.

    Raises:
        Outside: The store failed.
    """
    texts = {key: str(value) for key, value in {**(tags or {}), "repro.data_version": data_version}.items()}
    # The store's registry looks `models:/<model_id>` up in the process-wide store, whichever client asks.
    with process_default(client.tracking_uri), speaking_of(client.tracking_uri):
        _create(client, name)
        made = client.create_model_version(
            name, source=source, run_id=run_id, tags=texts, await_creation_for=0, model_id=_model_id(source)
        )
    return str(made.version)


def _model_id(source: str) -> str | None:
    """The logged model that a source names: a tracking server takes such a source only with the id beside it."""
    return source.removeprefix("models:/") if source.startswith("models:/") else None


def move_candidate(client: MlflowClient, name: str, version: str, rank: int, *, lock: Path) -> bool:
    """Give the alias `candidate` to this version, unless the present candidate stands on a newer data version.

    So a backfill of old data versions never moves the candidate back.

    Args:
        client: Bound to the store.
        name: Registered model.
        version: The version that `register` returned.
        rank: Position of its data version in commit order; recorded as the tag `repro.data_version_rank`.
        lock: Lock file that all writers of this registry on this machine share.

    Returns:
        Whether this version is the candidate now.

    Raises:
        Outside: The store failed, or the lock was not free in time.
    """
    with locked(lock, _LOCK_SECONDS), speaking_of(client.tracking_uri):
        client.set_model_version_tag(name, version, RANK_TAG, str(rank))
        present = _candidate(client, name)
        if present is not None and _rank(present) > rank:
            return False
        client.set_registered_model_alias(name, CANDIDATE, version)
    return True


def _create(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _candidate(client: MlflowClient, name: str) -> ModelVersion | None:
    version = client.get_registered_model(name).aliases.get(CANDIDATE)
    return None if version is None else client.get_model_version(name, str(version))


def _rank(version: ModelVersion) -> int:
    """A candidate that somebody set by hand has no rank and gives way."""
    text = version.tags.get(RANK_TAG, "")
    return int(text) if text.isdecimal() else -1
