"""How far a result moves when nothing but its circumstances change."""

from __future__ import annotations

from typing import Annotated

import typer

from repro_assets.cli import names
from repro_assets.cli.arguments import Json, Run

app = typer.Typer()


@app.command()
def probe(
    run: Run,
    variant: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this standard variant; repeatable. Default: all.")
    ] = None,
    cluster: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Also on this file of envs/clusters; repeatable. Default: those that are up.",
            callback=names.clusters,
        ),
    ] = None,
    no_write: Annotated[bool, typer.Option("--no-write", help="Write no tolerance file.")] = False,
    json: Json = False,
) -> None:
    """Repeat a run under other threads, partitions, clusters and CPU dispatch; measure the tolerance of EQUIVALENT."""
    from repro_assets.verbs.commands_probe import probe as act

    act(run, variant or [], cluster or [], not no_write, json)
