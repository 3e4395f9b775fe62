"""A verdict as a person reads it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from repro_assets.pins.verdict import Verdict
from repro_assets.verbs import diff_printing
from repro_assets.verbs.printing import SHORT, print_table
from repro_assets.verbs.reproduce import Answer


def verdict(answer: Answer) -> None:
    """The verdict, stage by stage, with what was different and what was not compared."""
    found = answer.verdict
    table = Table("stage", "", "expected", "found", box=None)
    for stage in found.stages:
        state = "equal" if stage.equal else "not reached" if stage.found is None else "differs"
        table.add_row(stage.asset, state, stage.expected[:SHORT], (stage.found or "-")[:SHORT])
    if found.stages:
        print_table(table)
    for line in _verdict_lines(found):
        sys.stderr.write(f"{line}\n")
    sys.stderr.write(f"MLflow run {answer.mlflow_run_id}  original {found.run}  {found.seconds:.1f} s\n")
    sys.stderr.write(f"{found.word}\n")


def _verdict_lines(found: Verdict) -> Iterator[str]:
    for component in found.components:
        if not component.equal and component.found is not None:
            how = "replaced on purpose" if component.swapped else "is another one"
            if component.name != "parameters":
                how += f": {_plain(component.expected)} -> {_plain(component.found)}"
            yield f"{component.name} {how}"
            yield from (f"  {line}" for line in _changes(component.name, found.changes.get(component.name, {})))
    for name, (one, other) in found.circumstances.items():
        yield f"{name} differs: {_plain(one)} -> {_plain(other)}"
    for part, difference in found.differences.items():
        yield (
            f"{part}: {difference.missing} rows missing, {difference.added} added, "
            f"{difference.changed} of {difference.rows_expected} changed"
        )
        for column, one in difference.columns.items():
            largest = "" if one.largest is None else f", by up to {one.largest:.3g}"
            yield f"  {column}: {one.rows} rows{largest}"
    if found.closeness is not None:
        yield f"predictions: largest difference {found.closeness.probability:.3g}, metrics {found.closeness.score:.3g}"
        yield from (f"  beyond the tolerance: {phrase}" for phrase in found.closeness.beyond)
    yield from (f"not compared: {line}" for line in found.not_compared)
    yield from found.reasons


def _changes(component: str, changes: Mapping[str, Any]) -> Iterator[str]:
    """What was replaced, in the lines of `repro diff`; the sources' diff is in the document."""
    if component == "data":
        for name, entry in changes.items():
            yield from diff_printing.table(name, entry)
    elif component == "code":
        yield from diff_printing.files(changes)
    elif component == "environment":
        yield from diff_printing.packages(changes.get("packages", {}))
    else:
        yield from diff_printing.pairs("setting" if component == "compute" else "parameter", changes)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
