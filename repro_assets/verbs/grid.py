"""`repro grid`: past data versions under past code and today's, so that what the data did stands apart from the code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.grid import Column, Grid, Row
from repro_assets.pins.swap import CURRENT, Swap
from repro_assets.pins.variant import Outcome
from repro_assets.resources.tracking_comparisons import log_comparison
from repro_assets.resources.tracking_records import as_readable_json
from repro_assets.resources.tracking_store import connect, initialise
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
    columns = _columns(source, pasts, codes)
    rows = [Row(past.recipe.data_version, past.record.mlflow_run_id, past.recipe.capsule) for past in pasts]
    cells: list[tuple[Outcome, ...]] = []
    for past in pasts:
        row: list[Outcome] = []
        for column in columns:
            done = len(cells) * len(columns) + len(row) + 1
            report(f"{done} of {len(rows) * len(columns)}: {past.recipe.data_version} under {column.label}")
            row.append(_cell(source, past, column))
        cells.append(tuple(row))
    return Grid(tuple(rows), tuple(columns), tuple(cells), metric)


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


def _cell(source: Variants, past: Past, column: Column) -> Outcome:
    replace = [] if column.capsule == past.recipe.capsule else [f"code={column.capsule}"]
    recipe = source.pantry.replaced(past.recipe, [Swap("code", column.capsule)]) if replace else past.recipe
    return source.obtain(past, recipe, replace)


def _columns(source: Variants, pasts: Sequence[Past], codes: Sequence[str]) -> list[Column]:
    """Every code once, the runs' own first; two names of one capsule are one column."""
    found: dict[str, str] = {}
    for past in pasts:
        commit, is_dirty = past.record.code["commit"], past.record.code["dirty"]
        label = f"{commit[:_SHORT]}{'+' if is_dirty else ''}" if commit else past.recipe.capsule[:_SHORT]
        found.setdefault(past.recipe.capsule, label)
    for code in codes:
        capsule = source.pantry.replaced(pasts[0].recipe, [Swap("code", code)]).capsule
        found[capsule] = code[:_SHORT] if capsule not in found else _both(found[capsule], code)
    return [Column(label, capsule) for capsule, label in found.items()]


def _both(label: str, code: str) -> str:
    return f"{label} ({CURRENT})" if code == CURRENT else label


def _require_one_each(pasts: Sequence[Past]) -> None:
    keys = [past.recipe.data_version for past in pasts]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if not keys or twice is not None:
        raise BadInput(
            "a grid has one run for each data version", stored=twice or "no run", fix="`repro versions` lists the runs"
        )


def _require_metric(pasts: Sequence[Past], metric: str) -> None:
    known = pasts[0].outcome().metrics
    if metric not in known:
        raise BadInput("the runs have no such metric", stored=repr(metric)[:80], expected=", ".join(sorted(known)))
