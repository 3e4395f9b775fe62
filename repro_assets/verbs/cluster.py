"""`repro cluster`: the files of `envs/clusters`, what differs between two of them, and whether one is up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from repro_assets.errors import BadInput, ReproError
from repro_assets.pins.cluster_use import autoscale_of
from repro_assets.pins.compute import STANDALONE, ClusterFile
from repro_assets.pins.run_difference import differing, flat
from repro_assets.pins.standalone import declared_workers
from repro_assets.resources.spark.cluster_check import check_cluster
from repro_assets.resources.spark.jars import jar_paths
from repro_assets.resources.spark.spark_cluster import load_cluster
from repro_assets.resources.spark.standalone_cluster import UP, Standing, applications, left_over, look
from repro_assets.resources.spark.standalone_cluster import end as end_cluster
from repro_assets.settings import Settings


@dataclass(frozen=True)
class ClusterRow:
    """A cluster file and how it stands.

    Attributes:
        name: Of the file.
        kind: `local`, `standalone` or `databricks`.
        sha256: Digest of the file.
        spark_version: As declared.
        workers: As declared; 0 where the driver computes itself, None where the file names a range.
        state: `up`, `partly up` or `down`; None where there is nothing to start.
        trouble: Why the file can't be used; None where it can.
        autoscale: The fewest and the most workers; None where their number is fixed.
    """

    name: str
    kind: str | None
    sha256: str | None
    spark_version: str | None
    workers: int | None
    state: str | None
    trouble: str | None = None
    autoscale: tuple[int, int] | None = None


def list_clusters(settings: Settings) -> list[ClusterRow]:
    """All cluster files, by name; one that can't be used is listed with the reason."""
    return [_row(path.stem, settings) for path in sorted((settings.envs / "clusters").glob("*.json"))]


def standing_clusters(settings: Settings) -> list[str]:
    """Names of the clusters that are up."""
    return [row.name for row in list_clusters(settings) if row.state == UP]


def show(name: str, settings: Settings) -> dict[str, Any]:
    """The `cluster-show` document: the file, its digest, and how it stands.

    Raises:
        BadInput: There is no such file, or it is malformed.
        EditedUnderOldName: It is not the registered one.
    """
    cluster = load_cluster(name, settings)
    return {
        "schema": "repro-cluster-show/1",
        "name": cluster.name,
        "kind": cluster.kind,
        "sha256": cluster.sha256,
        "declared": json.loads(cluster.text),
        **_standing(cluster, settings),
    }


def check(name: str, settings: Settings) -> dict[str, Any]:
    """The `cluster-check` document: the file is registered, is Databricks' cluster JSON, and its jars are those it names.

    Raises:
        BadInput: A field is unknown or of another type, by its name.
        EditedUnderOldName: The file was edited.
        Outside, DataDamaged: A jar is missing, or another one.
    """
    cluster = load_cluster(name, settings)
    check_cluster(name, cluster.text)
    jars = [path.name for path in jar_paths(cluster.jars, settings.jars)]
    return {
        "schema": "repro-cluster-check/1",
        "name": name,
        "kind": cluster.kind,
        "sha256": cluster.sha256,
        "jars": jars,
    }


def diff(first: str, second: str, settings: Settings) -> dict[str, Any]:
    """The `cluster-diff` document: every field that differs, by its dotted name.

    Raises:
        BadInput: There is no such file, or it is malformed.
        EditedUnderOldName: One is not the registered one.
    """
    one, other = (flat(json.loads(load_cluster(name, settings).text)) for name in (first, second))
    return {
        "schema": "repro-cluster-diff/1",
        "first": first,
        "second": second,
        "differences": [{"field": field, **pair} for field, pair in differing(one, other).items()],
    }


def end(name: str | None, settings: Settings, report: Callable[[str], None], *, every: bool) -> dict[str, int]:
    """End one cluster, or all of which something is left.

    Where something is left of it, the name is enough: its file may be edited or gone, what was written down damaged.

    Returns:
        How many processes there were, by name.

    Raises:
        BadInput: Neither or both of name and `every` were given; or nothing is left of it, and there is no such file of
            a standalone cluster.
        Outside: A process can't be ended, or another one is at it.
    """
    if every == (name is not None):
        raise BadInput("which cluster is to end", expected="NAME, or --all")
    left = left_over(settings)
    names = left if name is None else [name]
    if name is not None and name not in left:
        declared_workers(load_cluster(name, settings))
    return {one: end_cluster(one, settings, report) for one in names}


def _row(name: str, settings: Settings) -> ClusterRow:
    try:
        cluster = load_cluster(name, settings)
    except ReproError as error:
        return ClusterRow(name, None, None, None, None, None, str(error))
    state = look(cluster, settings).state if cluster.kind == STANDALONE else None
    scale = autoscale_of(cluster)
    workers = cluster.num_workers if scale is None else None
    return ClusterRow(name, cluster.kind, cluster.sha256, cluster.spark_version, workers, state, autoscale=scale)


def _standing(cluster: ClusterFile, settings: Settings) -> dict[str, Any]:
    if cluster.kind != STANDALONE:
        return {"state": None, "workers": None, "master": None, "page": None, "processes": {}, "applications": []}
    return {**standing_document(look(cluster, settings)), "applications": applications(cluster, settings)}


def standing_document(standing: Standing) -> dict[str, Any]:
    """How a cluster stands, as JSON values."""
    started = standing.started
    return {
        "state": standing.state,
        "workers": standing.workers,
        "master": started.master if started else None,
        "page": started.page if started else None,
        "processes": {name: owner["pid"] for name, owner in started.processes.items()} if started else {},
    }
