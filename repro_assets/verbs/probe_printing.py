"""How a probe is shown to people: a table with a row per variant and a column per output, and what follows."""

from __future__ import annotations

import sys

from repro_assets.pins.tolerance import Trial
from repro_assets.verbs.probe import Probe

_SHORT = 8


def shown(found: Probe) -> None:
    """Print a probe to stderr."""
    sys.stderr.write("\n".join([*table(found), "", *_conclusion(found)]) + "\n")


def table(found: Probe) -> list[str]:
    """Rows in Markdown: the run itself, then each variant; digests cut, and `=` where equal to the run's."""
    assets = list(found.record.stages)
    digests = [f"`{stage.output_digest[:_SHORT]}`" for stage in found.record.stages.values()]
    head = ["variant", *assets, "probability", "score", "decisions", "seconds"]
    rows = [["the run itself", *digests, "", "", "", ""], *(_row(trial, assets) for trial in found.trials)]
    return [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]


def _row(trial: Trial, assets: list[str]) -> list[str]:
    cells = []
    for asset in assets:
        digest = trial.digests.get(asset)
        cells.append("not reached" if digest is None else f"`{digest[:_SHORT]}`" if asset in trial.moved else "=")
    spreads = ["?" if spread is None else f"{spread:.3g}" for spread in (trial.probability, trial.score)]
    return [trial.variant.name, *cells, *spreads, str(trial.decisions), f"{trial.seconds:.0f}"]


def _conclusion(found: Probe) -> list[str]:
    if found.obstacle is not None:
        return [f"no tolerance follows: {found.obstacle}"]
    if found.file is None or found.tolerance is None:
        return ["nothing was written"]
    bound = f"probability {found.tolerance['probability']:.3g}, score {found.tolerance['score']:.3g}"
    done = "written and registered; commit it" if found.written else "says it already"
    return [f"{bound}: envs/tolerances/{found.file} {done}"]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
