"""The alias `champion`: which registered versions the models of a run are, and who made them the champion, and when.

The alias `candidate` and registering itself are `model_registry`'s; whether a run may be promoted is `verbs.promote`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.run_record import StageRecord
from repro_assets.resources.tracking.store import locked, speaking_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
_LOCK_SECONDS = 60
_DIGEST_TAG = "repro.output_digest"


def registered_name(estimator: str) -> str:
    """The registered model of an estimator of the experiment."""
    return f"{EXPERIMENT.name}.{estimator}"


def versions_of(
    client: MlflowClient, model: StageRecord, data_version: str, names: Sequence[str]
) -> dict[str, ModelVersion]:
    """The registered versions that the models of a run are.

    What a run reused was registered by the run that computed it, which its record names. A recomputation that only
    confirmed a model registered none: then the version under the same identity, where its digest is the same.

    Args:
        client: Bound to the store.
        model: The model's stage, as the run recorded it.
        data_version: Key of the run.
        names: Registered models.

    Returns:
        Version by registered model; what is not registered is left out.

    Raises:
        Outside: The store failed.
    """
    with speaking_of(client.tracking_uri):
        own = client.search_model_versions(f"run_id = '{model.mlflow_run_id}'")
        found = {version.name: version for version in own}
        for name in names:
            if name not in found and (confirmed := _confirmed(client, model, data_version, name)) is not None:
                found[name] = confirmed
    return {name: found[name] for name in names if name in found}


def move_champion(
    client: MlflowClient, versions: Mapping[str, ModelVersion], tags: Mapping[str, str], *, lock: Path
) -> dict[str, str | None]:
    """Give the alias `champion` to these versions, all of them under one lock.

    Args:
        client: Bound to the store.
        versions: Version by registered model.
        tags: Who did it, when and why; written on each version that was not the champion before.
        lock: Lock file that all writers of this registry on this machine share.

    Returns:
        Number of the version that was the champion before, by registered model; None where there was none.

    Raises:
        Outside: The store failed, or the lock was not free in time.
    """
    with locked(lock, _LOCK_SECONDS), speaking_of(client.tracking_uri):
        before = {name: _number(client, name) for name in versions}
        for name, version in versions.items():
            if before[name] == str(version.version):
                continue
            for key, value in tags.items():
                client.set_model_version_tag(name, str(version.version), key, value)
            client.set_registered_model_alias(name, CHAMPION, str(version.version))
    return before


def champions(client: MlflowClient, names: Sequence[str]) -> dict[str, ModelVersion]:
    """The present champions by registered model; a model that has none is left out.

    Raises:
        Outside: The store failed.
    """
    with speaking_of(client.tracking_uri):
        numbers = {name: _number(client, name) for name in names}
        return {name: client.get_model_version(name, number) for name, number in numbers.items() if number is not None}


def _number(client: MlflowClient, name: str) -> str | None:
    from mlflow.exceptions import MlflowException

    try:
        number = client.get_registered_model(name).aliases.get(CHAMPION)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return None if number is None else str(number)


def _confirmed(client: MlflowClient, model: StageRecord, data_version: str, name: str) -> ModelVersion | None:
    wanted = f"name = '{name}' AND tags.`repro.identity` = '{model.identity}'"
    for version in client.search_model_versions(wanted):
        of_this_version = version.tags.get("repro.data_version") == data_version
        computed = client.get_run(version.run_id or "").data.tags if of_this_version else {}
        if computed.get(_DIGEST_TAG) == model.output_digest:
            return version
    return None
