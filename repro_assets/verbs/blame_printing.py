"""Blame as a person reads it: a row per metric, a column per component."""

from __future__ import annotations

import sys

from rich.table import Table

from repro_assets.pins.blame import Blame
from repro_assets.verbs.printing import print_table


def blame(found: Blame) -> None:
    """Every metric that moved: by each component alone, by all, and what is left."""
    table = Table("metric", "from", *(f"{one} alone" for one in found.order), "interaction", "total", "to", box=None)
    for name in found.names:
        ends = [found.outcomes[taken].metrics.get(name) for taken in (frozenset[str](), frozenset(found.order))]
        effects = [*(found.alone(one, name) for one in found.order), found.interaction(name), found.total(name)]
        table.add_row(name, _number(ends[0]), *(_change(effect) for effect in effects), _number(ends[1]))
    print_table(table)
    if len(found.order) > 1:
        _in_order(found)
    for component in found.order:
        outcome = found.outcomes[frozenset({component})]
        first = f"differs first at {outcome.first_difference}" if outcome.first_difference else "changes no result"
        said = outcome.reason or first
        sys.stderr.write(f"{component} alone: {said}  MLflow run {outcome.mlflow_run_id}\n")


def _in_order(found: Blame) -> None:
    table = Table(
        "one after the other", *(f"{'then ' if at else ''}{one}" for at, one in enumerate(found.order)), box=None
    )
    for name in found.names:
        table.add_row(name, *(_change(found.step(one, name)) for one in found.order))
    print_table(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _change(value: float | None) -> str:
    return "not known" if value is None else "0" if value == 0 else f"{value:+.3g}"
