"""The resource `champion`: lets the registry's champion predict, and be part of what determines the predictions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from repro_assets.errors import BadInput
from repro_assets.pins.champion import Champion
from repro_assets.resources.reproduction.champion_models import present_champion, read_champion, require_same_split

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage


@dataclass(frozen=True)
class JoinedChampion:
    """A champion that determines the output of a stage."""

    stage: Stage
    champion: Champion

    def read(self, estimator: str) -> Any:
        """One of its estimators, its digests checked.

        Raises:
            Blocked, DataDamaged, BadInput: As `read_champion`.
        """
        self.stage.begin()
        return read_champion(self.champion, estimator, lambda: self.stage.spark)


class ChampionResource(dg.ConfigurableResource["ChampionResource"]):
    """Where the champion comes from: the registry, or what a reproduction was given."""

    given: str = Field(
        default="",
        description="The champion as a manifest names it, as JSON; empty for the one that the registry names.",
    )

    def join(self, stage: Stage) -> JoinedChampion:
        """Make the champion part of what determines a stage's output; before its identity is asked for.

        Raises:
            BadInput: There is no champion, or it was fitted on another split.
            Blocked, DataDamaged: It is gone, or not what was recorded.
        """
        champion = self._given() if self.given else self._present(stage)
        stage.join(champion)
        return JoinedChampion(stage, champion)

    def _given(self) -> Champion:
        try:
            document = json.loads(self.given)
        except (ValueError, RecursionError) as error:
            raise BadInput("a champion is not JSON", where="resources.champion.given", stored=str(error)) from error
        return Champion.from_document(document, "resources.champion.given")

    def _present(self, stage: Stage) -> Champion:
        champion, fitted_on = present_champion(stage.context.resources.mlflow.tracking_client, stage.lake)
        require_same_split(champion, fitted_on, stage.all_parameters.get("train_test_snapshot", {}))
        return champion
