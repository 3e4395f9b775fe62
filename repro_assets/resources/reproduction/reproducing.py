"""Runs a past result again and judges it: from a run's record to its verdict, without Dagster.

The current code reads and compares; what is computed, the run's own capsule computes (`capsule_process`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput, Blocked, DataDamaged, Outside
from repro_assets.pins.compute import STANDALONE, parse_cluster
from repro_assets.pins.contract import Failure, Result
from repro_assets.pins.preflight import reason
from repro_assets.pins.recipe import Recipe, departures, differing
from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.swap import Swap
from repro_assets.pins.verdict import Verdict, blocked, judge
from repro_assets.resources.code.capsule_store import capsule_path, unpack
from repro_assets.resources.environments.run_environment import interpreter
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.reproduction.capsule_process import run_capsule, write_envs
from repro_assets.resources.reproduction.component_changes import Replacement, component_changes
from repro_assets.resources.reproduction.known_results import Known
from repro_assets.resources.reproduction.original_outputs import damaged_outputs
from repro_assets.resources.reproduction.recipes import Pantry
from repro_assets.resources.reproduction.verdict_evidence import NUMERIC, Tables, gather
from repro_assets.resources.reproduction.workspaces import Workspace, workspace
from repro_assets.resources.spark.standalone_cluster import join
from repro_assets.resources.tracking.run_records import load_record
from repro_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# Failures inside a capsule that say: an input or a pin is not there any more. By name: the capsule's classes are its own.
BLOCKING = (
    "Blocked",
    "BadInput",
    "CapsuleRefused",
    "ClusterMismatch",
    "DataDamaged",
    "EditedUnderOldName",
    "EnvironmentMismatch",
    "NoSuchVersion",
    "PinChanged",
    "TableReplaced",
    "VersionExpired",
)
# Failures that say something about the result, not about its inputs.
_TELLING = ("CheckFailed", "NotDeterministic")
# What a verdict calls a component that a person calls otherwise.
_VERDICTS_NAME = {"cluster": "compute"}


@dataclass(frozen=True)
class Reproduction:
    """What came of one attempt.

    Attributes:
        verdict: The answer.
        record: What the original recorded; None where that can't be read.
        result: What the capsule gave; None where it was not started.
        recipe: What it was asked for, and did; None where nothing was, or something else was done.
        computed: Whether something was computed here and now; not where a known result was looked up.
    """

    verdict: Verdict
    record: RunRecord | None = None
    result: Result | None = None
    recipe: Recipe | None = None
    computed: bool = True


@dataclass(frozen=True)
class Conditions:
    """Circumstances other than the run's own, as a probe varies them.

    Attributes:
        cluster: Name and content of another cluster file.
        variables: Environment variables of the process, beside those that the cluster file wants.
    """

    cluster: tuple[str, bytes] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    """How a reproduction is carried out.

    Attributes:
        settings: Live locations.
        report: Hears a line per step.
        obstacles: Says, of a record, everything that its inputs lack (`preflight`), components that are replaced left
            out.
        swaps: Components to replace on purpose; none for the result as it was.
        find: The run that a person means by a run id or key, for components that are taken from another run.
        known: A result that was recorded under a recipe, so that it need not be computed again; asked only where
            components are replaced.
        keep: Leave the workspace there, to look at.
        touch: Called with the workspace before the capsule starts; tests plant a change there.
        conditions: What is to be other than it was.
    """

    settings: Settings
    report: Callable[[str], None]
    obstacles: Callable[[RunRecord, Collection[str]], Sequence[str]]
    swaps: tuple[Swap, ...] = ()
    find: Callable[[str], Run] | None = None
    known: Callable[[Recipe], Known | None] = lambda _: None
    keep: bool = False
    touch: Callable[[Workspace], None] = lambda _: None
    conditions: Conditions = Conditions()


def reproduce(client: MlflowClient, parent: Run, way: Way) -> Reproduction:
    """Run a past result again, in isolation, and compare.

    Args:
        client: Bound to the live store.
        parent: The run, as `run_lookup.find_parent` gives it.
        way: How.

    Raises:
        BadInput: The run did not finish, or a replacement can't be had.
        Outside: The capsule did not come to an answer, for a reason that says nothing about the result.
    """
    started = time.monotonic()
    _require_finished(parent)
    run_id, key = parent.info.run_id, parent.data.tags.get("repro.data_version", "unknown")
    asked = tuple(dict.fromkeys(_VERDICTS_NAME.get(swap.component, swap.component) for swap in way.swaps))

    def refused(reasons: Sequence[str], record: RunRecord | None = None) -> Reproduction:
        return Reproduction(blocked(run_id, key, reasons, swapped=asked, seconds=_since(started)), record)

    try:
        record = load_record(client, parent)
    except (Blocked, DataDamaged) as trouble:
        return refused([reason(trouble)])
    way.report(f"checking what {run_id} needs")
    pantry = Pantry(client, way.settings, way.find or client.get_run)
    try:
        # Of what is replaced the original's need not be there; what turns out to be the same is not replaced.
        plan = _plan(record, pantry, way) if way.swaps else None
        reasons = _reasons(record, client, way, plan.components if plan else ())
        if reasons:
            return refused(reasons, record)
        plan = plan or _plan(record, pantry, way)
        known = way.known(plan.recipe) if plan.replaced else None
        return _recorded(plan, known, way) if known is not None else _computed(plan, way)
    except (Blocked, DataDamaged) as trouble:
        return refused([reason(trouble)], record)


@dataclass(frozen=True)
class _Plan:
    """What is going to be run.

    Attributes:
        record: The original.
        original: What it was made of.
        recipe: What is asked for: the same, or with components replaced.
        replaced: Components that are not those of the original.
    """

    record: RunRecord
    original: Recipe
    recipe: Recipe
    replaced: tuple[str, ...]

    @property
    def components(self) -> list[str]:
        """What was replaced, in the words of a verdict."""
        return [_VERDICTS_NAME.get(name, name) for name in self.replaced]


def _plan(record: RunRecord, pantry: Pantry, way: Way) -> _Plan:
    original = pantry.recipe(record)
    recipe = pantry.replaced(original, way.swaps)
    if way.conditions.cluster is not None:
        name, content = way.conditions.cluster
        recipe = replace(recipe, cluster=parse_cluster(name, content.decode()))
    replaced = differing(original, recipe)
    for name in sorted({swap.component for swap in way.swaps} - set(replaced)):
        way.report(f"{name}: nothing is replaced, the run had the same")
    return _Plan(record, original, recipe, replaced)


def _computed(plan: _Plan, way: Way) -> Reproduction:
    with workspace(way.settings, plan.recipe.data_version, keep=way.keep) as place:
        result = _run(plan.recipe, place, way)
        _raise_if_outside(result.failure)
        _raise_if_asked_wrongly(result.failure, plan)
        found = _judged(plan, result, Lake(uri=place.lake), way)
        if way.keep:
            way.report(f"the workspace is kept in {place.folder}")
    return found


def _recorded(plan: _Plan, known: Known, way: Way) -> Reproduction:
    way.report(f"known from run {known.mlflow_run_id}: nothing is computed")
    told = [
        f"{asset}: known under its identity from run {known.mlflow_run_id}, not computed again (--force does)"
        for asset in known.result.stages
    ]
    return _judged(plan, known.result, Lake(uri=way.settings.lake), way, told)


def _judged(plan: _Plan, result: Result, copies: Lake, way: Way, told: Sequence[str] = ()) -> Reproduction:
    unread: list[str] = []
    changes = component_changes(Replacement(plan.original, plan.recipe, plan.record, result), way.settings, unread)
    tables = Tables(plan.record, result, Lake(uri=way.settings.lake), copies)
    counted = [name for name, rows in changes.get("data", {}).items() if "changed" in rows]
    evidence = gather(tables, counted, plan.components)
    departed = _departed(plan, result)
    astray = [f"{name}: what ran is not what was asked for" for name in departed if name in plan.replaced]
    not_compared = (*evidence.not_compared, *unread, *astray, *told)
    evidence = replace(evidence, swapped=plan.components, changes=changes, not_compared=not_compared)
    verdict = judge(plan.record, result, evidence, blocking=BLOCKING, numeric=NUMERIC)
    computed = not told
    return Reproduction(verdict, plan.record, result, None if departed else plan.recipe, computed)


def _departed(plan: _Plan, result: Result) -> tuple[str, ...]:
    """Components that did not come out as asked for; nothing can be said of a result that is not whole."""
    if result.failure is not None or set(result.stages) != set(plan.recipe.stages):
        return ()
    record = RunRecord("", "", result.stages[plan.recipe.stages[-1]].manifest["data_version"], result.stages)
    return departures(plan.recipe, record, result.capsule)


def _require_finished(parent: Run) -> None:
    if parent.info.status != "FINISHED":
        raise BadInput(
            "only a run that finished has a result to get again",
            where=parent.info.run_id,
            stored=parent.info.status,
            expected="FINISHED",
        )


def _reasons(record: RunRecord, client: MlflowClient, way: Way, replaced: Collection[str]) -> list[str]:
    reasons = way.obstacles(record, replaced)
    damage = damaged_outputs(record, Lake(uri=way.settings.lake), client)
    return [*reasons, *(reason(one) for one in damage)]


def _run(recipe: Recipe, place: Workspace, way: Way) -> Result:
    unpack(capsule_path(way.settings.capsules, recipe.capsule), recipe.capsule, place.code)
    if not (place.code / "repro_assets" / "contract.py").is_file():
        raise Blocked(
            "the capsule is older than reproductions: it can't be asked",
            where=f"capsule {recipe.capsule}",
            expected="repro_assets/contract.py",
        )
    write_envs(place, recipe.files())
    if recipe.cluster.kind == STANDALONE:
        join(recipe.cluster, way.settings)  # said now and here: the capsule would find it out after it has started
    python = interpreter(recipe.environment, recipe.yaml, recipe.lock, way.settings, way.report)
    way.touch(place)
    way.report(f"capsule {recipe.capsule[:12]} starts in {python}")
    return run_capsule(
        recipe.request(),
        place,
        python=python,
        settings=way.settings,
        variables={**recipe.cluster.spark_env_vars, **way.conditions.variables},
        # Stages speak of their data version; whatever else the old process says is not for whoever waits.
        progress=lambda line: way.report(line) if line.startswith(f"{recipe.data_version} ") else None,
    )


def _raise_if_outside(failure: Failure | None) -> None:
    if failure is not None and failure.kind not in (*BLOCKING, *_TELLING):
        raise Outside("the capsule failed", stored=f"{failure.kind}: {failure.message}")


def _raise_if_asked_wrongly(failure: Failure | None, plan: _Plan) -> None:
    """A parameter that the code refuses was asked for here; it says nothing about the original."""
    if failure is not None and failure.kind == "BadInput" and "parameters" in plan.replaced:
        raise BadInput("the run's code refuses what replaces a parameter", stored=failure.message)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
