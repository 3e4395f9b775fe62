"""Materializing the chain, and looking at what it made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro_assets import settings as settings_module
from repro_assets.cli import names
from repro_assets.cli.arguments import Assignments, Cluster, Environment, Force, Json, Key, Record
from repro_assets.settings import DEFAULT_CLUSTER, DEFAULT_ENVIRONMENT

app = typer.Typer()


@app.command()
def run(
    key: Key,
    assignments: Assignments = None,
    force: Force = False,
    environment: Environment = DEFAULT_ENVIRONMENT,
    cluster: Cluster = DEFAULT_CLUSTER,
    record: Record = False,
    json: Json = False,
) -> None:
    """Materialize the chain of one data version; what is there under its identity is verified and reused."""
    from repro_assets.verbs.commands_materializing import run as act

    act(key, assignments or [], force, environment, cluster, record, json)


@app.command()
def backfill(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY]…", help="Data versions; `repro versions` lists them.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All data versions, in commit order.")] = False,
    assignments: Assignments = None,
    force: Force = False,
    environment: Environment = DEFAULT_ENVIRONMENT,
    cluster: Cluster = DEFAULT_CLUSTER,
    record: Record = False,
    json: Json = False,
) -> None:
    """Materialize the chain of many data versions in one warm process; one that fails does so alone."""
    from repro_assets.verbs.commands_materializing import backfill as act

    act(keys or [], every, assignments or [], force, environment, cluster, record, json)


@app.command()
def demo(
    covid: Annotated[
        Path | None,
        typer.Option(metavar="DIR_OR_GIT", help="Real case files: a folder, or a git clone.", callback=names.path),
    ] = None,
    jobs: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Real job files; repeatable.", callback=names.paths)
    ] = None,
    json: Json = False,
) -> None:
    """From published files to predictions for three data versions, and one of them run again; without options on a sample."""
    from repro_assets.verbs.commands_materializing import demo as act

    act(covid, jobs or [], json)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="SELECT, WITH, SHOW or DESCRIBE, in Spark SQL.")],
    limit: Annotated[int, typer.Option(metavar="N", help="Rows to print; 0 for all.")] = 1000,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout.")] = False,
) -> None:
    """Ask a query over the tables of all data versions, e.g. predictions, features, train, covid_cases."""
    from repro_assets.verbs.commands_materializing import sql as act

    act(query, limit, json, csv)


@app.command()
def ui(
    dagster_port: Annotated[int, typer.Option(help="Port of Dagster's page.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's page.")] = 5000,
) -> None:
    """Start Dagster's page (with its daemon) and MLflow's page on loopback; Ctrl-C stops both."""
    from repro_assets.verbs.ui import serve

    serve(settings_module.load(), dagster_port, mlflow_port)
