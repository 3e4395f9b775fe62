"""The recipe of a past run, and what replacing a component of it means: which rows, sources, lock, cluster file.

Nothing is computed here; a replacement that there isn't is refused before anything starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.compute import parse_cluster
from repro_assets.pins.data_version import decode
from repro_assets.pins.environment import EnvironmentPin
from repro_assets.pins.recipe import Recipe, named_tables
from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.swap import CURRENT, Swap, replaced_parameters
from repro_assets.resources.code.capsule_store import capsule_path
from repro_assets.resources.code.commit_capsule import capture_commit
from repro_assets.resources.code.source_tree import capture
from repro_assets.resources.environments.conda_env import load_environment
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.reproduction.champion_models import located
from repro_assets.resources.spark.spark_cluster import load_cluster
from repro_assets.resources.tracking.run_records import load_record, verified_artifact
from repro_assets.settings import Settings
from repro_assets.steps.model_params import FAMILIES

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_CAPSULE_DIGITS = 64


@dataclass(frozen=True)
class Pantry:
    """Where the parts of recipes come from.

    Attributes:
        client: Bound to the live store.
        settings: Live locations.
        find: The run that a person means by a run id or key.
    """

    client: MlflowClient
    settings: Settings
    find: Callable[[str], Run]

    @cached_property
    def tables(self) -> RawTables:
        """The raw tables as they stand now."""
        return RawTables()

    def recipe(self, record: RunRecord) -> Recipe:
        """What a past run was made of, its files as the run logged them.

        Raises:
            Blocked: One of them, or its champion's model, is gone.
            DataDamaged: One is not what was pinned.
        """
        pin = EnvironmentPin.from_document(record.environment["declared"])
        cluster = record.compute["declared"]
        text = self._artifact(record, "cluster.json", str(cluster["sha256"])).decode()
        return Recipe(
            data_version=record.data_version,
            tables=named_tables(pin.commit for pin in record.data.values()),
            capsule=str(record.code["capsule"]),
            environment=pin,
            yaml=self._artifact(record, f"{pin.name}.yaml", pin.yaml_sha256),
            lock=self._artifact(record, f"{pin.name}.lock", pin.lock_sha256),
            record=not record.enforced,
            cluster=parse_cluster(str(cluster["name"]), text),
            parameters=record.parameters,
            champion=self._champion(record),
            stages=tuple(record.stages),
        )

    def replaced(self, recipe: Recipe, swaps: Sequence[Swap]) -> Recipe:
        """A recipe with components replaced.

        Raises:
            BadInput: A replacement that there isn't, or that is taken from a run with other assets.
            VersionExpired: A version of the data is gone.
            Blocked, DataDamaged: What the run that a component is taken from recorded can't be had.
            CapsuleRefused: The sources can't be stored.
        """
        original = recipe
        for swap in swaps:
            recipe = self._taken(recipe, swap) if swap.run is not None else self._replaced(recipe, swap)
        recipe = replace(recipe, parameters=replaced_parameters(recipe.parameters, swaps, FAMILIES))
        _refuse_other_champion(original, recipe)
        return recipe

    def _taken(self, recipe: Recipe, swap: Swap) -> Recipe:
        record = load_record(self.client, self.find(str(swap.run)))
        if swap.component == "data":
            for pin in record.data.values():
                self.tables.check(pin.commit)
        other = self.recipe(record)
        if other.stages != recipe.stages:
            raise BadInput(
                "a component can only be taken from a run of the same assets",
                where=swap.run,
                stored=", ".join(other.stages),
                expected=", ".join(recipe.stages),
            )
        return recipe.taking(swap.component, other)

    def _replaced(self, recipe: Recipe, swap: Swap) -> Recipe:
        if swap.component == "data":
            return replace(recipe, data_version=swap.value, tables=self._tables(swap.value))
        if swap.component == "code":
            return replace(recipe, capsule=self._capsule(swap.value))
        if swap.component == "environment":
            return self._environment(recipe, swap.value)
        if swap.component == "cluster":
            return replace(recipe, cluster=load_cluster(swap.value, self.settings))
        return recipe

    def _tables(self, key: str) -> dict[str, dict[str, str]]:
        versions = decode(key, EXPERIMENT.table_names)
        return named_tables(self.tables.pin_of_key(key, table, version) for table, version in versions.items())

    def _capsule(self, code: str) -> str:
        if code == CURRENT:
            return capture(self.settings.project, self.settings.capsules).capsule
        if len(code) == _CAPSULE_DIGITS and capsule_path(self.settings.capsules, code).exists():
            return code
        return capture_commit(self.settings.project, code, self.settings.capsules)

    def _environment(self, recipe: Recipe, name: str) -> Recipe:
        """Another lock under the Python and Java of the original: one component is replaced, not two."""
        env = load_environment(name, self.settings)
        old = recipe.environment
        pin = EnvironmentPin(env.name, env.lock_sha256, env.yaml_sha256, old.python_minor, old.java_major)
        return replace(recipe, environment=pin, yaml=env.yaml.encode(), lock=env.lock.encode(), record=False)

    def _artifact(self, record: RunRecord, name: str, sha256: str) -> bytes:
        return verified_artifact(self.client, record.last.mlflow_run_id, name, sha256)

    def _champion(self, record: RunRecord) -> dict[str, object] | None:
        """The champion that a run was made with, its files where they are now."""
        if record.champion is None:
            return None
        return located(record.champion, Lake(uri=self.settings.lake)).as_document()


def _refuse_other_champion(original: Recipe, recipe: Recipe) -> None:
    """Refuse what would ask the registry, or test the champion on people whom it has seen.

    Raises:
        BadInput: Predictions are to be made with a champion that the run did not have, or under another split than the
            champion was fitted on.
    """
    before, after = (side.parameters.get("predictions", {}).get("use_champion", False) for side in (original, recipe))
    if before != after and recipe.champion == original.champion:
        raise BadInput(
            "a champion can't be replaced: the registry's may be another one every day",
            where="predictions.use_champion",
            stored=after,
            expected=before,
            fix="`repro run KEY --set predictions.use_champion=true` asks the registry",
        )
    split = [side.parameters.get("train_test_snapshot") for side in (original, recipe)]
    if recipe.champion is not None and split[0] != split[1]:
        raise BadInput(
            "the champion was fitted on another split: it may have seen people whom it would be tested on",
            where="train_test_snapshot",
            stored=split[1],
            expected=split[0],
        )
