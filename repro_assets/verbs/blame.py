"""`repro blame`: which component moved which metric between two runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.blame import Blame, Taken, cheapest_order, variants
from repro_assets.pins.recipe import Recipe, differing
from repro_assets.pins.variant import Outcome
from repro_assets.resources.tracking.comparisons import log_comparison
from repro_assets.resources.tracking.records import as_readable_json
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets.settings import Settings
from repro_assets.verbs.variants import Past, Variants, require_outcomes

if TYPE_CHECKING:
    import dagster as dg


def blame(
    first: str,
    second: str,
    settings: Settings,
    instance: dg.DagsterInstance,
    report: Callable[[str], None],
    *,
    force: bool = False,
) -> Blame:
    """Go from one run to another one component at a time, and change each component alone.

    Args:
        first: MLflow run id, Dagster run id, or a data version for its newest run.
        second: As `first`.
        settings: Names the stores.
        instance: Dagster's history.
        report: Hears a line per step.
        force: Compute variants that are known already, too.

    Raises:
        BadInput: There is no such run, the runs have other assets, or nothing differs between them.
        Blocked, DataDamaged: What a run recorded is gone, or not what was recorded.
        Outside: A variant failed for a reason that says nothing about the result.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what was computed is known when it is started again.
    """
    source = Variants(settings, instance, report, force=force)
    one, other = source.past(first), source.past(second)
    components = _components(one, other)

    def recipe(taken: Taken) -> Recipe:
        return _mixed(one.recipe, other.recipe, taken)

    order = cheapest_order(components, lambda taken: source.known(recipe(taken)) is not None)
    outcomes: dict[Taken, Outcome] = {frozenset(): one.outcome()}
    wanted = variants(order)
    for number, taken in enumerate(wanted, start=1):
        names = [name for name in order if name in taken]
        report(f"{number} of {len(wanted)}: {', '.join(names)} of {other.record.mlflow_run_id}")
        replace = [f"{name}=@{other.record.mlflow_run_id}" for name in names]
        outcomes[taken] = source.obtain(one, recipe(taken), replace)
    outcomes[frozenset(order)] = one.outcome(other.record.stages, other.record.mlflow_run_id)
    return Blame(one.record.mlflow_run_id, other.record.mlflow_run_id, order, outcomes)


def log(found: Blame, settings: Settings) -> str:
    """Keep an answer in MLflow as a run of its own; returns it.

    Raises:
        Outside: The store failed.
    """
    client, experiment = connect(settings.mlflow_tracking_uri), initialise(settings, EXPERIMENT.name)
    documents: dict[str, str | bytes] = {"blame.json": as_readable_json(found.as_document())}
    return log_comparison(client, experiment, "blame", [found.first, found.second], documents)


def require_whole(found: Blame) -> None:
    """Turn variants that came to nothing into the exit code.

    Raises:
        VariantsMissing: A component could not be changed alone, or a step is missing.
    """
    require_outcomes(found.outcomes.values(), found.first)


def _components(one: Past, other: Past) -> tuple[str, ...]:
    if one.recipe.stages != other.recipe.stages:
        raise BadInput(
            "runs of other assets can't be led over into each other",
            where=other.record.mlflow_run_id,
            stored=", ".join(other.recipe.stages),
            expected=", ".join(one.recipe.stages),
        )
    components = differing(one.recipe, other.recipe)
    if one.closures == other.closures:  # other sources, and none of them reaches a result
        components = tuple(name for name in components if name != "code")
    if not components:
        raise BadInput(
            "both runs were made of the same data, code, environment, cluster and parameters",
            where=f"{one.record.mlflow_run_id}, {other.record.mlflow_run_id}",
            fix="`repro diff` shows whether their results differ all the same",
        )
    return components


def _mixed(one: Recipe, other: Recipe, taken: Taken) -> Recipe:
    for component in taken:
        one = one.taking(component, other)
    return one
