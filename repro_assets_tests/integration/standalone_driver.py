"""What a process does that joins a standalone cluster: one session, everything that the tests ask about it, as JSON.

Started by `test_standalone_cluster`, with the state folder of the cluster in `REPRO_VAR`; a session of its own, since
one process holds one cluster. In the end it kills the workers, one and then the other.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from repro_assets import settings as settings_module
from repro_assets.errors import ReproError
from repro_assets.resources.spark import cluster_members, spark_cluster
from repro_assets.resources.spark.standalone_processes import members
from repro_assets.resources.spark.standalone_state import (
    PAGE_KEY_SETTING,
    ClusterState,
    daemon_settings,
    folder_of,
    page_token,
    read_state,
)

NAME = "standalone-2x1-v1"
ROWS = 1000


def place(_: Any) -> tuple[int, str, str]:
    """Where a row is computed: session of the process, interpreter, sources."""
    import repro_assets

    return os.getsid(0), sys.executable, str(Path(repro_assets.__file__).parent)


def killing(pid: int) -> Callable[[int], int]:
    """A step that kills a worker while its rows are computed, once, and takes a while for each."""
    marker = Path(os.environ["REPRO_VAR"]) / "killed"

    def step(value: int) -> int:
        import time

        if value == ROWS // 2 and not marker.exists():
            marker.touch()
            os.kill(pid, signal.SIGKILL)
        if value % 100 == 0:
            time.sleep(0.2)
        return value * 3

    return step


def told(act: Callable[[], object]) -> str:
    """What an act is refused with."""
    try:
        act()
    except ReproError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def listening(sessions: list[int]) -> set[tuple[str, int]]:
    """Addresses and ports on which this process's JVM and the cluster's processes listen."""
    pids = [pid for session in sessions for pid in members(session)]
    pids += [child.pid for child in psutil.Process().children(recursive=True)]
    found = set()
    for pid in pids:
        for connection in psutil.Process(pid).net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN:
                found.add((connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port))
    return found


def answers(state: ClusterState, folder: Path) -> dict[str, list[int]]:
    """What pages of master and workers answer to whoever has no token, another one, or the owner's."""
    own, other = (
        page_token(folder),
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.4EKWlOkobpaAPR0J4BE0cPQ-ZD1tRQKLZp1vtE7upPw",
    )
    master = f"{state.page}/json/"
    with urllib.request.urlopen(_asking(master, own)) as said:
        workers = [worker["webuiaddress"] for worker in json.load(said)["workers"]]
    logs = [f"{worker}/logPage/?appId=a&executorId=0&logType=stderr" for worker in workers]
    pages = [f"{state.page}/environment/", master, *logs, *(f"{worker}/json/" for worker in workers)]
    return {
        name: [status(_asking(page, token)) for page in pages]
        for name, token in {"none": None, "another": other, "own": own}.items()
    }


def _asking(page: str, token: str | None) -> urllib.request.Request:
    return urllib.request.Request(page, headers={"Authorization": f"Bearer {token}"} if token else {})


def status(request: urllib.request.Request) -> int:
    """Status of an answer."""
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def observed(spark: Any, state: ClusterState, folder: Path) -> dict[str, Any]:
    """Everything that is looked at while the cluster is whole."""
    context, declared = spark.sparkContext, spark_cluster.load_cluster(NAME, settings_module.load())
    secret = (folder / "client.conf").read_text().split()[1]
    daemons = dict(line.split(maxsplit=1) for line in daemon_settings(folder).read_text().splitlines())
    never_shown = (secret, daemons[PAGE_KEY_SETTING])
    places = context.parallelize(range(4), 4).map(place).collect()
    table = str(folder.parents[1] / "lake" / "table")
    spark.range(ROWS).write.format("delta").save(table)
    sessions = [int(owner["pid"]) for owner in state.processes.values()]
    places_to_call = listening(sessions)
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    changed = told(lambda: spark_cluster.receipt(declared))
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    receipt = spark_cluster.receipt(declared)
    return {
        "places": places,
        "rows": spark.read.format("delta").load(table).count(),
        "executor_sessions": sorted({session for session, _, _ in places}),
        "sessions": sessions,
        "addresses": sorted({address for address, _ in places_to_call}),
        "ports": sorted(port for _, port in places_to_call),
        "receipt": receipt,
        "secret_in_receipt": secret in json.dumps(receipt),
        "secret_on_a_command_line": any(one in line for line in lines for one in never_shown),
        "secret_in_a_log": any(
            one in log.read_text() for log in (*folder.rglob("*.log"), *folder.rglob("std*")) for one in never_shown
        ),
        "pages": answers(state, folder),
        "changed_setting": changed,
        "second_cluster": told(lambda: spark_cluster.open_session("local-v1")),
        "same_again": spark_cluster.open_session(NAME) is spark,
    }


def lost(spark: Any, state: ClusterState) -> dict[str, Any]:
    """What comes of a worker that is killed mid-job, and of the last one."""
    cluster_members._PATIENCE_SECONDS = 3.0
    cluster_members._ALONE_SECONDS = 1.0
    context, declared = spark.sparkContext, spark_cluster.load_cluster(NAME, settings_module.load())
    total = context.parallelize(range(ROWS), 8).map(killing(int(state.processes["worker-1"]["pid"]))).sum()
    after_one = told(lambda: spark_cluster.receipt(declared))
    os.kill(int(state.processes["worker-2"]["pid"]), signal.SIGKILL)
    try:
        context.parallelize(range(ROWS), 8).sum()
        after_all = "nothing"
    except Exception as error:  # noqa: BLE001 - whatever Spark says is what is looked at
        after_all = str(error)
    return {"sum": total, "after_one": after_one, "after_all": after_all}


def main() -> None:
    """Join, look, lose the workers; one JSON document on stdout."""
    here = settings_module.load()
    folder = folder_of(NAME, here)
    state = read_state(folder)
    assert state is not None
    # Before the watch takes them over.
    cluster_members._BETWEEN_LOOKS_SECONDS = 0.5
    spark = spark_cluster.open_session(NAME)
    document = observed(spark, state, folder)
    document.update(lost(spark, state))
    spark_cluster.close_session()
    sys.stdout.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
