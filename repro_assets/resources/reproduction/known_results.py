"""Results that are known already under a recipe, so that they need not be computed again.

A run of its own, whose outputs stand in the lake, or an earlier reproduction with replaced components, of which the
manifests and so the digests and metrics are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput, Blocked, DataDamaged
from repro_assets.pins.canonical import digest
from repro_assets.pins.contract import Result
from repro_assets.pins.manifest import manifest_digest
from repro_assets.pins.recipe import Recipe
from repro_assets.pins.run_record import StageRecord, stage_record
from repro_assets.resources.reproduction.recipes import Pantry
from repro_assets.resources.tracking.run_lookup import REPRODUCES_TAG
from repro_assets.resources.tracking.run_records import load_record, read_artifact
from repro_assets.resources.tracking.store import speaking_of

if TYPE_CHECKING:
    from mlflow.entities import Run

RECIPE_TAG, MANIFESTS_TAG = "repro.recipe", "repro.manifests"


@dataclass(frozen=True)
class Known:
    """A result that need not be computed.

    Attributes:
        mlflow_run_id: Run that recorded it.
        result: Its manifests.
    """

    mlflow_run_id: str
    result: Result


def manifests_digest(stages: Mapping[str, StageRecord]) -> str:
    """Names the manifests of a result, which a store's files hold and a tag of the run has to agree with."""
    return digest({asset: manifest_digest(stage.manifest) for asset, stage in stages.items()})


def of_a_run(pantry: Pantry, experiment: str, recipe: Recipe) -> Known | None:
    """The newest finished run that was made by this recipe; None where there is none."""
    wanted = {"repro.data_version": recipe.data_version, "repro.code.capsule": recipe.capsule}
    for run in _search(pantry, experiment, wanted):
        if {"mlflow.parentRunId", REPRODUCES_TAG} & set(run.data.tags):
            continue
        try:
            record = load_record(pantry.client, run)
            known = pantry.recipe(record)
        except (Blocked, DataDamaged, BadInput):
            continue  # not to be believed, so nothing is known by it
        if not record.is_whole:
            continue  # what it read was perhaps made by other code, or on another cluster
        if known.digest == recipe.digest:
            return Known(run.info.run_id, Result(record.stages, recipe.capsule))
    return None


def of_a_reproduction(pantry: Pantry, experiment: str, recipe: Recipe) -> Known | None:
    """The newest reproduction that came to its end by this recipe; None where there is none."""
    for run in _search(pantry, experiment, {RECIPE_TAG: recipe.digest}):
        try:
            stages = {asset: _stage(pantry, run, asset) for asset in recipe.stages}
        except (Blocked, DataDamaged, ValueError):
            continue  # as above
        if manifests_digest(stages) == run.data.tags.get(MANIFESTS_TAG):
            return Known(run.info.run_id, Result(stages, recipe.capsule))
    return None


def _stage(pantry: Pantry, run: Run, asset: str) -> StageRecord:
    content = read_artifact(pantry.client, run.info.run_id, f"manifests/{asset}.json")
    return stage_record(asset, run.info.run_id, json.loads(content))


def _search(pantry: Pantry, experiment: str, tags: dict[str, str]) -> list[Run]:
    wanted = " AND ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    with speaking_of(pantry.client.tracking_uri):
        return list(
            pantry.client.search_runs(
                [experiment],
                filter_string=f"{wanted} AND attributes.status = 'FINISHED'",
                order_by=["attributes.start_time DESC"],
            )
        )
