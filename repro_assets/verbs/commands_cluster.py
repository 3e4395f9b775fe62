"""What `repro cluster …` does with its arguments."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from repro_assets import settings as settings_module
from repro_assets.verbs import printing
from repro_assets.verbs.opened import say

if TYPE_CHECKING:
    from repro_assets.verbs.cluster import ClusterRow

_MISSING = "-"


def cluster_list(json: bool) -> None:
    """`repro cluster list`."""
    from repro_assets.verbs import cluster as verb

    rows = verb.list_clusters(settings_module.load())
    if json:
        printing.document({"schema": "repro-cluster-list/1", "clusters": [asdict(row) for row in rows]})
        return
    table = Table("cluster", "kind", "Spark", "workers", "state", "file", box=None)
    for row in rows:
        digest = (row.sha256 or _MISSING)[: printing.SHORT]
        table.add_row(
            row.name, row.kind or _MISSING, row.spark_version or _MISSING, _size(row), row.state or _MISSING, digest
        )
    printing.print_table(table)
    for row in rows:
        if row.trouble:
            say(row.trouble)


def cluster_show(name: str, json: bool) -> None:
    """`repro cluster show`."""
    from repro_assets.verbs import cluster as verb

    document = verb.show(name, settings_module.load())
    if json:
        printing.document(document)
        return
    say(f"{name}: {document['kind']}, sha256 {document['sha256']}")
    if document["state"] is not None:
        say(f"state: {document['state']}, {document['workers']} workers registered")
    for label in ("master", "page"):
        if document[label]:
            say(f"{label}: {document[label]}")
    for process, pid in document["processes"].items():
        say(f"{process}: process {pid}")
    for application in document["applications"]:
        say(f"application: {application}")
    for line in json_module.dumps(document["declared"], indent=2).splitlines():
        say(line)  # each on a line of its own: what is said holds no line breaks


def cluster_check(name: str, json: bool) -> None:
    """`repro cluster check`."""
    from repro_assets.verbs import cluster as verb

    document = verb.check(name, settings_module.load())
    if json:
        printing.document(document)
    else:
        say(f"{name}: {document['kind']}, registered, every field known, {len(document['jars'])} jars as declared")


def cluster_diff(first: str, second: str, json: bool) -> None:
    """`repro cluster diff`."""
    from repro_assets.verbs import cluster as verb

    document = verb.diff(first, second, settings_module.load())
    if json:
        printing.document(document)
        return
    table = Table("field", first, second, box=None)
    for row in document["differences"]:
        table.add_row(row["field"], _told(row["from"]), _told(row["to"]))
    if document["differences"]:
        printing.print_table(table)
    else:
        say("no field differs")


def cluster_up(name: str, json: bool) -> None:
    """`repro cluster up`."""
    from repro_assets.resources.spark.spark_cluster import load_cluster
    from repro_assets.resources.spark.standalone_cluster import look, up
    from repro_assets.verbs.cluster import standing_document

    here = settings_module.load()
    cluster = load_cluster(name, here)
    state, is_new = up(cluster, here, say)
    if json:
        standing = standing_document(look(cluster, here))
        printing.document({"schema": "repro-cluster-up/1", "name": name, "started": is_new, **standing})
    else:
        say(f"{name}: {'is up' if is_new else 'was up before'}, {cluster.num_workers} workers, {state.master}")


def cluster_down(name: str | None, every: bool, json: bool) -> None:
    """`repro cluster down`."""
    from repro_assets.verbs import cluster as verb

    ended = verb.end(name, settings_module.load(), say, every=every)
    if json:
        rows = [{"name": one, "processes_ended": count} for one, count in ended.items()]
        printing.document({"schema": "repro-cluster-down/1", **({"clusters": rows} if every else rows[0])})
        return
    for one, count in ended.items():
        say(f"{one}: {f'down, {count} processes ended' if count else 'was not up'}")
    if not ended:
        say("no cluster is up")


def _size(row: ClusterRow) -> str:
    if row.autoscale is not None:
        return "-".join(map(str, row.autoscale))
    return _MISSING if row.workers is None else str(row.workers)


def _told(value: object) -> str:
    return _MISSING if value is None else value if isinstance(value, str) else json_module.dumps(value)
