"""`repro promote`: the registry's alias `champion`, only for a run whose newest verdict passes.

A verdict about a swapped component says nothing about the run itself and does not count.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from repro_assets.errors import Blocked, ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.verdict import PASSING
from repro_assets.resources.process_owner import user_name
from repro_assets.resources.raw.given_up import given_up
from repro_assets.resources.reproduction.verdict_runs import verdicts_on
from repro_assets.resources.tracking.champions import move_champion, registered_name, versions_of
from repro_assets.resources.tracking.run_lookup import find_parent
from repro_assets.resources.tracking.run_records import load_record, read_artifact
from repro_assets.resources.tracking.store import connect, initialise, speaking_of

if TYPE_CHECKING:
    import dagster as dg
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from repro_assets.settings import Settings

SCHEMA = "repro-promote/1"
_MODEL = "model"


class NotPromoted(ReproError):
    """The run may not become the champion."""

    exit_code = 1


@dataclass(frozen=True)
class Promotion:
    """Whether a run may go out, and what was done about it.

    Attributes:
        run: MLflow run.
        data_version: Its key.
        verdict: Word of its newest verdict; None where there is none.
        verdict_run: MLflow run that holds the verdict.
        reason: Why it may not; None where it may.
        models: Version by registered model.
        before: Champion before, by registered model; empty where nothing was moved.
        moved: Whether an alias moved.
    """

    run: str
    data_version: str
    verdict: str | None
    verdict_run: str | None
    reason: str | None
    models: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str | None] = field(default_factory=dict)
    moved: bool = False

    def as_document(self) -> dict[str, Any]:
        """The `promote` document."""
        models = [{"name": name, "version": number} for name, number in self.models.items()]
        return {
            "schema": SCHEMA,
            "run": self.run,
            "data_version": self.data_version,
            "may": self.reason is None,
            "reason": self.reason,
            "verdict": self.verdict,
            "verdict_run": self.verdict_run,
            "models": [{**model, "before": self.before.get(str(model["name"]))} for model in models],
            "moved": self.moved,
        }


def newest_verdict(witnesses: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The newest verdict about a run as it was, of those that `verdicts_on` gives, oldest first."""
    return next((one for one in reversed(witnesses) if not one["swapped"]), None)


def promote(run: str, settings: Settings, instance: dg.DagsterInstance, *, check: bool = False) -> Promotion:
    """Make a run's models the champion, if its newest verdict passes.

    Args:
        run: MLflow run id, Dagster run id, or a data version for its newest run.
        settings: Names the store and the registry's lock.
        instance: Dagster's history.
        check: Move nothing.

    Returns:
        What was found; with a `reason` nothing was moved.

    Raises:
        BadInput: There is no such run, or it ended before its first stage did.
        Blocked, DataDamaged: A manifest of the run is gone, or not the one that was recorded.
        Outside: The store failed.
    """
    experiment = initialise(settings, EXPERIMENT.name)
    client = connect(settings.mlflow_tracking_uri)
    with speaking_of(settings.mlflow_tracking_uri):
        record = load_record(client, find_parent(client, experiment, run, instance))
    newest = newest_verdict(verdicts_on(client, record.mlflow_run_id))
    versions = _versions(client, record)
    reason = _given_up(record, settings) or _against(client, record, newest) or _unregistered(record, versions)
    found = Promotion(
        run=record.mlflow_run_id,
        data_version=record.data_version,
        verdict=newest["verdict"] if newest else None,
        verdict_run=newest["run"] if newest else None,
        reason=reason,
        models={name: str(version.version) for name, version in versions.items()},
    )
    if check or newest is None or reason is not None:
        return found
    lock = settings.var / "locks" / "registry.lock"
    before = move_champion(client, versions, _tags(record, newest), lock=lock)
    return replace(found, before=before, moved=before != dict(found.models))


def require_promoted(found: Promotion) -> None:
    """Turn the answer into the exit code.

    Raises:
        NotPromoted: The run may not become the champion.
    """
    if found.reason is not None:
        raise NotPromoted("not promoted", where=found.run, stored=found.reason)


def in_a_line(found: Promotion, *, check: bool) -> str:
    """What was done, as a sentence."""
    models = ", ".join(f"{name} version {number}" for name, number in found.models.items())
    said = f"{found.verdict} by run {found.verdict_run}"
    if check:
        return f"may be promoted ({said}): {models}"
    return f"{'champion now' if found.moved else 'was the champion before'} ({said}): {models}"


def _versions(client: MlflowClient, record: RunRecord) -> dict[str, ModelVersion]:
    if _MODEL not in record.stages:
        return {}
    return versions_of(client, record.stages[_MODEL], record.data_version, _registered_names())


def _registered_names() -> list[str]:
    return [registered_name(estimator.name) for estimator in EXPERIMENT.estimators]


def _given_up(record: RunRecord, settings: Settings) -> str | None:
    found = given_up(settings.lake).get(record.data_version)
    return f"{found.words}; `repro pin` takes that back" if found else None


def _against(client: MlflowClient, record: RunRecord, newest: Mapping[str, Any] | None) -> str | None:
    if newest is None:
        return f"never verified; `repro reproduce {record.mlflow_run_id}` gives a verdict"
    if newest["verdict"] in PASSING:
        return None
    when = datetime.fromtimestamp(newest["time"] / 1000, UTC).isoformat(timespec="seconds")
    return f"its newest verdict is {newest['verdict']}{_detail(client, newest)} ({when}, run {newest['run']})"


def _detail(client: MlflowClient, newest: Mapping[str, Any]) -> str:
    try:
        document = json.loads(read_artifact(client, newest["run"], "verdict.json"))
    except Blocked:  # the word alone is enough to refuse
        return ""
    if newest["verdict"] == "BLOCKED":
        return f" by {'; '.join(document['reasons'])}"
    return f" at {document['first_difference']}"


def _unregistered(record: RunRecord, versions: Mapping[str, ModelVersion]) -> str | None:
    if _MODEL not in record.stages:
        return "it made no model"
    missing = [name for name in _registered_names() if name not in versions]
    return f"its models are not registered: {', '.join(missing)}" if missing else None


def _tags(record: RunRecord, newest: Mapping[str, Any]) -> dict[str, str]:
    return {
        "repro.promoted_by": f"{user_name()}@{socket.gethostname()}",
        "repro.promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "repro.promoted_run": record.mlflow_run_id,
        "repro.promoted_verdict": f"{newest['verdict']} {newest['run']}",
    }
