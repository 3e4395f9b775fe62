"""What is kept: nothing that is pinned goes, damage is found, and what nobody needs makes room."""

from __future__ import annotations

from typing import Annotated

import typer

from repro_assets.cli import names
from repro_assets.cli.arguments import Json, Key
from repro_assets.experiment import EXPERIMENT

app = typer.Typer()

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")]


@app.command()
def vacuum(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A raw table of the experiment.", callback=names.asset)],
    dry_run: DryRun = False,
    safe_hours: Annotated[
        float, typer.Option(metavar="N", help="How old a file must be that no commit names (a writer may have yet to).")
    ] = 168,
    json: Json = False,
) -> None:
    """Remove what no pin needs of a raw table; files and log of every pinned version stay."""
    from repro_assets.verbs.commands_keep import vacuum as act

    act(table, dry_run, safe_hours, json)


@app.command()
def unpin(
    key: Key,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason; it is kept.", callback=names.reason)],
    json: Json = False,
) -> None:
    """Give a data version up on purpose, written down; `repro pin` takes it back."""
    from repro_assets.verbs.commands_keep import unpin as act

    act(key, why, json)


@app.command()
def verify(
    key: Annotated[
        str | None,
        typer.Argument(metavar="KEY", help="Data version; `repro versions` lists them.", callback=names.key),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every run that computed something.")] = False,
    json: Json = False,
) -> None:
    """Hash everything again that manifests speak of: raw versions, outputs, models, capsules."""
    from repro_assets.verbs.commands_keep import verify as act

    act(key, every, json)


@app.command()
def gc(
    dry_run: DryRun = False,
    safe_hours: Annotated[
        float, typer.Option(metavar="N", help="How old a leftover must be; another installation may share the stores.")
    ] = 24,
    json: Json = False,
) -> None:
    """Remove outputs that no manifest or alias needs, and what dead runs left; show disk use."""
    from repro_assets.verbs.commands_keep import gc as act

    act(dry_run, safe_hours, json)


@app.command()
def doctor(json: Json = False) -> None:
    """Say what is wrong with this installation, and what to do; changes nothing."""
    from repro_assets.verbs.commands_keep import doctor as act

    act(json)


@app.command()
def forget(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="The raw table that has a row per person.", callback=names.asset)
    ],
    person: Annotated[
        str,
        typer.Argument(
            metavar=EXPERIMENT.split_key.upper(),
            help="The person, by the experiment's split key.",
            callback=names.person,
        ),
    ],
    why: Annotated[
        str,
        typer.Option(
            "--why", metavar="TEXT", help="The reason; it is kept, so name nobody in it.", callback=names.reason
        ),
    ],
    dry_run: DryRun = False,
    safe_hours: Annotated[
        float, typer.Option(metavar="N", help="How old a file must be that no commit names (a writer may have yet to).")
    ] = 168,
    json: Json = False,
) -> None:
    """Remove one person from raw versions, change data and outputs; lists the runs that are lost by it."""
    from repro_assets.verbs.commands_keep import forget as act

    act(table, person, why, dry_run, safe_hours, json)
