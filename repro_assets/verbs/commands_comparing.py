"""What `repro diff`, `blame`, `grid`, `promote` and `trace` do with their arguments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, Outside
from repro_assets.pins.swap import CURRENT
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.verbs import printing
from repro_assets.verbs.opened import say, spark_opener, tidy_instance


def diff(first: str, second: str, json: bool) -> None:
    """`repro diff`."""
    from repro_assets.verbs import diff as verb
    from repro_assets.verbs import diff_printing

    here = settings_module.load()
    found = verb.diff(first, second, here, tidy_instance(here), spark_opener(here))
    if json:
        printing.document(found.as_document())
    else:
        diff_printing.difference(found)


def blame(first: str, second: str, force: bool, json: bool) -> None:
    """`repro blame`."""
    from repro_assets.verbs import blame as verb
    from repro_assets.verbs import blame_printing

    here = settings_module.load()
    found = verb.blame(first, second, here, tidy_instance(here), say, force=force)
    run = verb.log(found, here)
    if json:
        printing.document({**found.as_document(), "mlflow_run_id": run})
    else:
        blame_printing.blame(found)
        say(f"MLflow run {run}")
    verb.require_whole(found)


def grid(
    runs: Sequence[str], codes: Sequence[str], metric: str | None, plot: Path | None, force: bool, json: bool
) -> None:
    """`repro grid`."""
    from repro_assets.verbs import grid as verb
    from repro_assets.verbs import grid_printing
    from repro_assets.verbs.versions import list_versions

    here = settings_module.load()
    if plot is not None and (os.path.isdir(plot) or not os.access(plot.parent, os.W_OK)):
        raise BadInput("the heat map can't be written there", where=plot, fix="Name a file in a folder that is there")
    instance = tidy_instance(here)
    known = [row.runs[0] for row in list_versions(RawTables(), instance) if row.state == "materialized"]
    found = verb.grid(runs or known, codes or [CURRENT], here, instance, say, metric=metric or verb.METRIC, force=force)
    picture = grid_printing.heat_map(found)
    run = verb.log(found, picture, here)
    if json:
        printing.document({**found.as_document(), "mlflow_run_id": run})
    else:
        grid_printing.table(found)
        say(f"heat map in MLflow run {run}" + (f" and in {plot}" if plot else ""))
    if plot is not None:
        _write(plot, picture)
    verb.require_whole(found)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Outside("the heat map can't be written", where=path, stored=error.strerror or error) from error


def promote(run: str, check: bool, json: bool) -> None:
    """`repro promote`."""
    from repro_assets.verbs import promote as verb

    here = settings_module.load()
    found = verb.promote(run, here, tidy_instance(here), check=check)
    if json:
        printing.document(found.as_document())
    elif found.reason is None:
        say(verb.in_a_line(found, check=check))
    verb.require_promoted(found)


def trace(asset: str, key: str, run: str | None, json: bool) -> None:
    """`repro trace`."""
    from repro_assets.verbs import trace as verb
    from repro_assets.verbs import trace_printing

    here = settings_module.load()
    document = verb.trace(asset, key, here, tidy_instance(here), run=run)
    if json:
        printing.document(document)
    else:
        trace_printing.trace(document)
