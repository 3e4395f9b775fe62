"""Clusters of `envs/clusters`: listed, shown, checked, compared; standalone ones started and ended."""

from __future__ import annotations

from typing import Annotated

import typer

from repro_assets.cli import names
from repro_assets.cli.arguments import Json

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Spark clusters of envs/clusters: list, check, compare, start and end them.",
)

ClusterName = Annotated[
    str, typer.Argument(metavar="NAME", help="A cluster; `repro cluster list` lists them.", callback=names.cluster)
]


@app.command("list")
def cluster_list(json: Json = False) -> None:
    """List the cluster files: kind, Spark, workers, and whether one is up."""
    from repro_assets.verbs.commands_cluster import cluster_list as act

    act(json)


@app.command("show")
def cluster_show(name: ClusterName, json: Json = False) -> None:
    """Show a cluster file, and whether its cluster is up: workers, addresses, processes."""
    from repro_assets.verbs.commands_cluster import cluster_show as act

    act(name, json)


@app.command("check")
def cluster_check(name: ClusterName, json: Json = False) -> None:
    """Check a cluster file: registered and unedited, fields and types as Databricks has them, jars as declared."""
    from repro_assets.verbs.commands_cluster import cluster_check as act

    act(name, json)


@app.command("diff")
def cluster_diff(
    first: Annotated[str, typer.Argument(metavar="NAME", help="Compared from.", callback=names.cluster)],
    second: Annotated[str, typer.Argument(metavar="NAME", help="Compared to.", callback=names.cluster)],
    json: Json = False,
) -> None:
    """Show every field that differs between two cluster files."""
    from repro_assets.verbs.commands_cluster import cluster_diff as act

    act(first, second, json)


@app.command("up")
def cluster_up(name: ClusterName, json: Json = False) -> None:
    """Start a standalone cluster on loopback and wait until all its workers have registered."""
    from repro_assets.verbs.commands_cluster import cluster_up as act

    act(name, json)


@app.command("down")
def cluster_down(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A cluster, also one whose file is gone.", callback=names.optional_cluster),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All of which something is left.")] = False,
    json: Json = False,
) -> None:
    """End a standalone cluster: master, workers, executors, and everything written for it."""
    from repro_assets.verbs.commands_cluster import cluster_down as act

    act(name, every, json)
