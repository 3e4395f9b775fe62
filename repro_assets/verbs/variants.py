"""Variants of past runs, with components replaced: looked up where they are known, else computed as reproductions.

`repro blame` and `repro grid` ask for many; each that is computed is a reproduction of its own, with its verdict in
MLflow, so that nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput, Outside, ReproError, TrackingUnreachable
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.preflight import reason
from repro_assets.pins.recipe import Recipe
from repro_assets.pins.run_difference import flat
from repro_assets.pins.run_record import RunRecord, StageRecord
from repro_assets.pins.variant import Outcome
from repro_assets.pins.verdict import Verdict
from repro_assets.resources.reproduction.known_results import Known, of_a_reproduction, of_a_run
from repro_assets.resources.reproduction.recipes import Pantry
from repro_assets.resources.tracking.run_lookup import find_parent
from repro_assets.resources.tracking.run_records import load_record
from repro_assets.resources.tracking.store import connect, initialise, speaking_of
from repro_assets.settings import Settings
from repro_assets.verbs.reproduce import reproduce

if TYPE_CHECKING:
    import dagster as dg


class VariantsMissing(ReproError):
    """Some variants came to nothing: the answer has gaps."""

    exit_code = 3


def require_outcomes(outcomes: Iterable[Outcome], where: str) -> None:
    """Refuse to call an answer whole that is not.

    Raises:
        VariantsMissing: Something came to nothing.
    """
    reasons = [outcome.reason for outcome in outcomes if outcome.reason is not None]
    if reasons:
        raise VariantsMissing(f"{len(reasons)} variants came to nothing", where=where, stored=reasons[0])


@dataclass(frozen=True)
class Past:
    """A past run with what it was made of."""

    record: RunRecord
    recipe: Recipe

    @property
    def closures(self) -> tuple[str, ...]:
        """Digest of the sources that reach each stage's result: equal where a capsule differs in other files only."""
        return tuple(str(stage.manifest["pins"]["code"]["closure"]) for stage in self.record.stages.values())

    def outcome(self, stages: Mapping[str, StageRecord] | None = None, run_id: str | None = None) -> Outcome:
        """What was recorded, beside this run: by itself, or by whoever has these stages."""
        stages = self.record.stages if stages is None else stages
        pairs = ((asset, stage, stages.get(asset)) for asset, stage in self.record.stages.items())
        first = next((asset for asset, one, other in pairs if not _equal(one, other)), None)
        metrics = flat({asset: stage.metrics for asset, stage in stages.items()})
        return Outcome(metrics, first, run_id or self.record.mlflow_run_id)


class Variants:
    """Gets variants of past runs."""

    def __init__(
        self, settings: Settings, instance: dg.DagsterInstance, report: Callable[[str], None], *, force: bool = False
    ) -> None:
        """Bind to the stores.

        Args:
            settings: Names the stores.
            instance: Dagster's history.
            report: Hears a line per step.
            force: Compute what is known already, too.
        """
        self.experiment = initialise(settings, EXPERIMENT.name)
        client = connect(settings.mlflow_tracking_uri)
        self.pantry = Pantry(client, settings, lambda run: find_parent(client, self.experiment, run, instance))
        self._instance, self._report, self.force = instance, report, force
        self._known: dict[str, Known | None] = {}

    def past(self, run: str) -> Past:
        """A past run.

        Raises:
            BadInput: There is no such run, it ended before its first stage did, or it only made a part of its stages.
            Blocked, DataDamaged: What it recorded is gone, or not what was recorded.
        """
        with speaking_of(self.pantry.settings.mlflow_tracking_uri):
            record = load_record(self.pantry.client, self.pantry.find(run))
        if not record.is_whole:
            raise BadInput(
                "the run made only a part of its stages: the others may be of other code, on another cluster",
                where=record.mlflow_run_id,
                stored=", ".join(sorted(record.own or ())),
                expected=", ".join(record.stages),
                fix="`repro run KEY` goes through all of them",
            )
        return Past(record, self.pantry.recipe(record))

    def known(self, recipe: Recipe) -> Known | None:
        """A result that was recorded under a recipe; None where there is none, or all is to be computed."""
        if self.force:
            return None
        if recipe.digest not in self._known:
            found = of_a_run(self.pantry, self.experiment, recipe)
            self._known[recipe.digest] = found or of_a_reproduction(self.pantry, self.experiment, recipe)
        return self._known[recipe.digest]

    def obtain(self, past: Past, recipe: Recipe, replace: Sequence[str]) -> Outcome:
        """What comes out of a run with components replaced.

        Args:
            past: The run.
            recipe: What the replacement makes of its recipe.
            replace: The replacement, as `repro reproduce --with` takes it.

        Returns:
            The outcome; where nothing came out, the reason.

        Raises:
            TrackingUnreachable: The store does not answer.
            KeyboardInterrupt: Ctrl-C or SIGTERM.
        """
        known = self.known(recipe)
        if known is not None:
            return past.outcome(known.result.stages, known.mlflow_run_id)
        run = past.record.mlflow_run_id
        try:
            answer = reproduce(run, self._instance, self._report, replace=replace, force=bool(replace))
        except TrackingUnreachable:
            raise
        except (BadInput, Outside) as trouble:
            # One variant that code refuses, or fails at, says nothing about the others.
            return Outcome(computed=True, reason=reason(trouble))
        return _judged(past, answer.verdict, answer.mlflow_run_id)


def _judged(past: Past, verdict: Verdict, run_id: str) -> Outcome:
    """What a verdict says: the original's metrics, and those that came out otherwise."""
    if verdict.reasons:
        return Outcome({}, verdict.first_difference, run_id, computed=True, reason="; ".join(verdict.reasons))
    found = dict(past.outcome().metrics)
    for stage in verdict.stages:
        for name, (_, value) in stage.metrics.items():
            found.pop(f"{stage.asset}.{name}", None)
            if value is not None:
                found[f"{stage.asset}.{name}"] = value
    return Outcome(found, verdict.first_difference, run_id, computed=True)


def _equal(one: StageRecord, other: StageRecord | None) -> bool:
    return other is not None and (one.output_digest, one.metrics) == (other.output_digest, other.metrics)
