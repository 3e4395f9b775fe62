"""`repro grid`: past data versions under past code and today's, so that what the data did stands apart from the code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.grid import Column, Grid, Row
from repro_assets.pins.recipe import differing
from repro_assets.pins.swap import COMPONENTS, parse_swaps
from repro_assets.pins.variant import Outcome
from repro_assets.resources.tracking.comparisons import log_comparison
from repro_assets.resources.tracking.records import as_readable_json
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets.settings import Settings
from repro_assets.verbs.variants import Past, Variants, require_outcomes

if TYPE_CHECKING:
    import dagster as dg

METRIC = "predictions.roc_auc"
_SHORT = 10


def grid(
    runs: Sequence[str],
    codes: Sequence[str],
    settings: Settings,
    instance: dg.DagsterInstance,
    report: Callable[[str], None],
    *,
    metric: str = METRIC,
    force: bool = False,
) -> Grid:
    """Get every past run under every code.

    Args:
        runs: MLflow run ids, Dagster run ids or data versions for their newest runs; at least one.
        codes: `current`, commits or digests of capsules, beside the runs' own code.
        settings: Names the stores.
        instance: Dagster's history.
        report: Hears a line per step.
        metric: `ASSET.NAME`.
        force: Compute cells that are known already, too, the runs' own included.

    Raises:
        BadInput: There is no such run, code or metric, or two of the runs are of one data version.
        Blocked, DataDamaged: What a run recorded is gone, or not what was recorded.
        Outside: A cell failed for a reason that says nothing about the result.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what was computed is known when it is started again.
    """
    source = Variants(settings, instance, report, force=force)
    pasts = [source.past(run) for run in runs]
    _require_one_each(pasts)
    _require_metric(pasts, metric)
    columns, own = _columns(source, pasts, codes)
    rows = tuple(Row(past.recipe.data_version, past.record.mlflow_run_id, own[at]) for at, past in enumerate(pasts))
    cells: list[tuple[Outcome, ...]] = []
    for past, capsule in zip(pasts, own, strict=True):
        row: list[Outcome] = []
        for column in columns:
            done = len(cells) * len(columns) + len(row) + 1
            report(f"{done} of {len(rows) * len(columns)}: {past.recipe.data_version} under {column.label}")
            row.append(_told(_cell(source, past, column.capsule, is_own=column.capsule == capsule), metric))
        cells.append(tuple(row))
    others = {name for past in pasts for name in differing(pasts[0].recipe, past.recipe)} - {"data", "code"}
    return Grid(rows, tuple(columns), tuple(cells), metric, tuple(name for name in COMPONENTS if name in others))


def log(found: Grid, picture: bytes, settings: Settings) -> str:
    """Keep a grid and its heat map in MLflow as a run of its own; returns it.

    Raises:
        Outside: The store failed.
    """
    client, experiment = connect(settings.mlflow_tracking_uri), initialise(settings, EXPERIMENT.name)
    documents: dict[str, str | bytes] = {"grid.json": as_readable_json(found.as_document()), "grid.png": picture}
    return log_comparison(client, experiment, "grid", [row.mlflow_run_id for row in found.rows], documents)


def require_whole(found: Grid) -> None:
    """Turn cells that came to nothing into the exit code.

    Raises:
        VariantsMissing: A cell is missing.
    """
    require_outcomes((cell for row in found.cells for cell in row), "grid")


def _cell(source: Variants, past: Past, capsule: str, *, is_own: bool) -> Outcome:
    """One run under one code; under its own it is the run itself, computed again only where that is asked for."""
    if is_own:
        return source.obtain(past, past.recipe, []) if source.force else past.outcome()
    asked = [f"code={capsule}"]
    return source.obtain(past, source.pantry.replaced(past.recipe, parse_swaps(asked)), asked)


def _told(cell: Outcome, metric: str) -> Outcome:
    if cell.reason is None and metric not in cell.metrics:
        return replace(cell, reason=f"{metric} did not come out: this code has no such metric")
    return cell


def _columns(source: Variants, pasts: Sequence[Past], codes: Sequence[str]) -> tuple[list[Column], list[str]]:
    """Every code once, the runs' own first, and the capsule of each run's own column.

    Runs whose sources differ in nothing that reaches a result share a column.
    """
    labels: dict[str, str] = {}
    by_closures: dict[tuple[str, ...], str] = {}
    own = []
    for past in pasts:
        capsule = by_closures.setdefault(past.closures, past.recipe.capsule)
        commit, is_dirty = past.record.code["commit"], past.record.code["dirty"]
        labels.setdefault(capsule, f"{commit[:_SHORT]}{'+' if is_dirty else ''}" if commit else capsule[:_SHORT])
        own.append(capsule)
    for code in codes:
        capsule = source.pantry.replaced(pasts[0].recipe, parse_swaps([f"code={code}"])).capsule
        labels[capsule] = f"{labels[capsule]} ({code})" if capsule in labels else code
    told = list(labels.values())
    return [
        Column(label if told.count(label) == 1 else f"{label} {capsule[:_SHORT]}", capsule)
        for capsule, label in labels.items()
    ], own


def _require_one_each(pasts: Sequence[Past]) -> None:
    keys = [past.recipe.data_version for past in pasts]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if not keys or twice is not None:
        raise BadInput(
            "a grid has one run for each data version", stored=twice or "no run", fix="`repro versions` lists the runs"
        )


def _require_metric(pasts: Sequence[Past], metric: str) -> None:
    for past in pasts:
        known = past.outcome().metrics
        if metric not in known:
            raise BadInput(
                "a run has no such metric",
                where=past.record.mlflow_run_id,
                stored=repr(metric)[:80],
                expected=", ".join(sorted(known)),
            )
