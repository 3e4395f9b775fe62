"""One past result: what made it, whether it can be had again, and whether it came out the same."""

from __future__ import annotations

from typing import Annotated

import typer

from repro_assets.cli import names
from repro_assets.cli.arguments import Json, Run

app = typer.Typer()


@app.command()
def show(
    run: Run,
    json: Json = False,
) -> None:
    """Show what made a result: data, code, environment, compute, digests, metrics."""
    from repro_assets.verbs.commands_judging import show as act

    act(run, json)


@app.command()
def reproduce(
    run: Run,
    replace: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="COMPONENT=VALUE",
            help="Replace on purpose: data=KEY, code=current, code=COMMIT, environment=NAME, cluster=NAME, "
            "ASSET.NAME=VALUE, or COMPONENT=@RUN for that of another run; repeatable.",
            callback=names.swaps,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Accept IDENTICAL only.")] = False,
    force: Annotated[bool, typer.Option("--force", help="With --with: compute what is known already, too.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the workspace there, to look at.")] = False,
    json: Json = False,
) -> None:
    """Run a past result again in isolation, with its own code and environment, and say whether it came out the same."""
    from repro_assets.verbs.commands_judging import reproduce as act

    act(run, replace or [], strict, keep, force, json)


@app.command()
def preflight(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="MLflow run id, Dagster run id, or a data version.", callback=names.run),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every run that computed something, oldest first.")] = False,
    json: Json = False,
) -> None:
    """Say whether a past result can still be run again, and until when; computes nothing."""
    from repro_assets.verbs.commands_judging import preflight as act

    act(run, every, json)
