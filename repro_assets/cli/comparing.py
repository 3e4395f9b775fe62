"""Results beside each other, the model that goes out, and the way back from one row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro_assets.cli import names
from repro_assets.cli.arguments import Json, Run
from repro_assets.experiment import EXPERIMENT

app = typer.Typer()

ForceVariants = Annotated[bool, typer.Option("--force", help="Compute what is known already, too.")]


@app.command()
def diff(
    first: Annotated[
        str, typer.Argument(metavar="RUN", help="Compared from: a run id or a data version.", callback=names.run)
    ],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Compared to.", callback=names.run)],
    json: Json = False,
) -> None:
    """Show everything that differs between two runs: rows, people, sources, packages, cluster, parameters, metrics."""
    from repro_assets.verbs.commands_comparing import diff as act

    act(first, second, json)


@app.command()
def blame(
    first: Annotated[
        str, typer.Argument(metavar="RUN", help="Gone from: a run id or a data version.", callback=names.run)
    ],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Gone to.", callback=names.run)],
    force: ForceVariants = False,
    json: Json = False,
) -> None:
    """Say which component (data, code, environment, cluster, parameters) moved which metric between two runs."""
    from repro_assets.verbs.commands_comparing import blame as act

    act(first, second, force, json)


@app.command()
def grid(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]…",
            help="Runs, one per data version; by default the newest of every one.",
            callback=names.runs,
        ),
    ] = None,
    codes: Annotated[
        list[str] | None,
        typer.Option(
            "--code",
            metavar="CODE",
            help="Beside the runs' own: current (the default), a commit; repeatable.",
            callback=names.codes,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="ASSET.NAME", help="What to tell; predictions.roc_auc by default.", callback=names.metric),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the heat map there, too: a file.png.", callback=names.picture),
    ] = None,
    force: ForceVariants = False,
    json: Json = False,
) -> None:
    """Run past data versions under past code and today's: what the data did, and what the code did."""
    from repro_assets.verbs.commands_comparing import grid as act

    act(runs or [], codes or [], metric, plot, force, json)


@app.command()
def promote(
    run: Run,
    check: Annotated[bool, typer.Option("--check", help="Move nothing; the exit code says whether it may.")] = False,
    json: Json = False,
) -> None:
    """Make a run's models the champion, only where its newest verdict is IDENTICAL or EQUIVALENT."""
    from repro_assets.verbs.commands_comparing import promote as act

    act(run, check, json)


@app.command()
def trace(
    asset: Annotated[
        str,
        typer.Argument(
            metavar="ASSET", help="predictions, or another asset with a row per person.", callback=names.asset
        ),
    ],
    person: Annotated[
        str,
        typer.Argument(
            metavar=EXPERIMENT.split_key.upper(),
            help="The person, by the experiment's split key.",
            callback=names.person,
        ),
    ],
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="RUN", help="A data version or run; by default the newest run.", callback=names.run
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Trace one row back to data version, code, environment, cluster, models and MLflow runs."""
    from repro_assets.verbs.commands_comparing import trace as act

    act(asset, person, key, json)
