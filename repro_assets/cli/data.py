"""Data: published files into raw tables, data versions listed and pinned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro_assets.cli import names
from repro_assets.cli.arguments import Json

app = typer.Typer()
ingest_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Published files into a raw table, one Delta commit each."
)
app.add_typer(ingest_app, name="ingest")

Files = Annotated[
    list[Path] | None, typer.Argument(metavar="FILE…", help="Published files, oldest first.", callback=names.paths)
]
Accept = Annotated[
    list[str] | None,
    typer.Option(metavar="ANOMALY", help="Do not refuse a file for this, as docs/feeds.md names it; repeatable."),
]


@ingest_app.command("covid_cases")
def ingest_covid_cases(
    files: Files = None,
    from_git: Annotated[
        Path | None, typer.Option(metavar="REPO", help="Every version in a git clone.", callback=names.path)
    ] = None,
    path: Annotated[str | None, typer.Option(help="The file's path in REPO.")] = None,
    since: Annotated[str | None, typer.Option(metavar="REV", help="Only versions after this revision.")] = None,
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Go on after a refused version of REPO.")
    ] = False,
    accept: Accept = None,
    json: Json = False,
) -> None:
    """JHU's cumulative cases per county (.csv, .csv.gz), or every published version of them in a git clone."""
    from repro_assets.verbs.commands_data import ingest

    ingest("covid_cases", files or [], from_git, path, since, skip_refused, accept or [], json)


@ingest_app.command("job_changes")
def ingest_job_changes(files: Files = None, accept: Accept = None, json: Json = False) -> None:
    """Kaggle's aug_train.csv and aug_test.csv; given together they are one commit."""
    from repro_assets.verbs.commands_data import ingest

    ingest("job_changes", files or [], None, None, None, False, accept or [], json)


@app.command()
def versions(json: Json = False) -> None:
    """List the data versions, oldest first, and what became of each."""
    from repro_assets.verbs.commands_data import versions as act

    act(json)


@app.command()
def pin(
    tables: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE@N]…", help="A table not named: its newest.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(metavar="TIME", help="Commit time, as in Delta's time travel.")] = None,
    published_as_of: Annotated[str | None, typer.Option(metavar="TIME", help="Publication time of the feeds.")] = None,
    json: Json = False,
) -> None:
    """Register a data version, keep it, and print its key."""
    from repro_assets.verbs.commands_data import pin as act

    act(tables or [], as_of, published_as_of, json)
