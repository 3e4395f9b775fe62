"""A Spark standalone cluster on loopback, from the pip package alone: started, looked at, ended.

Master and workers are `bin/spark-class org.apache.spark.deploy.…` of the installed pyspark; nothing else is needed.
Source: https://spark.apache.org/docs/latest/spark-standalone.html and …/security.html
Here belongs the order of things; files are `resources.standalone_state`'s, processes `resources.standalone_processes`'.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from repro_assets.errors import ClusterMismatch, ClusterUnavailable, Outside
from repro_assets.pins.compute import ClusterFile
from repro_assets.pins.standalone import Workers, declared_workers
from repro_assets.resources.environments.conda_env import java_major
from repro_assets.resources.spark import standalone_processes
from repro_assets.resources.spark.standalone_state import (
    MASTER,
    ClusterState,
    client_settings,
    daemon_settings,
    folder_of,
    make_folder,
    page_token,
    read_state,
    scratch,
    write_state,
)
from repro_assets.settings import Settings

UP, PARTLY, DOWN = "up", "partly up", "down"

Answer = TypeVar("Answer")

_CLASSES = {MASTER: "org.apache.spark.deploy.master.Master", "worker": "org.apache.spark.deploy.worker.Worker"}
_URL = re.compile(r"Starting Spark master at (spark://127\.0\.0\.1:\d+)")
_PAGE = re.compile(r"Bound MasterWebUI to 127\.0\.0\.1, and started at http://[^:\s]+:(\d+)")
_CONF_DIR = Path(__file__).parent / "standalone_conf"
_LOOPBACK = "127.0.0.1"
_PATIENCE_SECONDS = 180.0
_LOOK_SECONDS = 0.2
_ANSWER_SECONDS = 5.0
_LAST_LINES = 5
# What a person's shell holds is none of a cluster's business: sources, credentials, options of another JVM.
_PASSED_ON = ("HOME", "JAVA_HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TMPDIR", "USER")


@dataclass(frozen=True)
class Standing:
    """How a cluster stands now.

    Attributes:
        state: `up`, `partly up` or `down`.
        workers: Workers that the master counts as alive.
        started: What was written down when it was started; None where it was not.
    """

    state: str
    workers: int
    started: ClusterState | None


@dataclass(frozen=True)
class Joined:
    """What a session needs to join a cluster that is up.

    Attributes:
        cluster: The file, with the master's real address.
        settings_file: Holds the secret.
    """

    cluster: ClusterFile
    settings_file: Path


def up(cluster: ClusterFile, settings: Settings, report: Callable[[str], None]) -> tuple[ClusterState, bool]:
    """Start a cluster and wait until all its workers have registered.

    Args:
        cluster: Its file.
        settings: Where `var` is.
        report: Gets a line per step.

    Returns:
        The cluster as it is, and whether this call started it.

    Raises:
        BadInput: The file is not that of a standalone cluster.
        ClusterUnavailable: It was up and has lost processes since, or did not come up; then nothing is left of it.
        Outside: Another process starts or ends it and does not come to an end.
    """
    workers = declared_workers(cluster)
    _require_spark(cluster)
    with _locked(cluster.name, settings, report):
        standing = look(cluster, settings)
        if standing.state == UP and standing.started is not None:
            return standing.started, False
        if standing.started is not None:
            if standing.started.complete:
                raise _partly(cluster, standing)
            # Whoever starts one holds the lock until it is whole: who began this one is dead.
            report(f"{cluster.name}: removing what a start that was killed has left")
        _clear(cluster.name, settings)
        try:
            return _start(cluster, workers, settings, report), True
        except BaseException:
            # Also at Ctrl-C: half a cluster is none, and nobody would know of it.
            _clear(cluster.name, settings)
            raise


def down(cluster: ClusterFile, settings: Settings, report: Callable[[str], None]) -> int:
    """End a cluster: master, workers, executors, and everything that was written for it.

    Returns:
        How many processes there were.

    Raises:
        BadInput: The file is not that of a standalone cluster.
        Outside: A process can't be ended, or another one is at it.
    """
    declared_workers(cluster)
    return end(cluster.name, settings, report)


def end(name: str, settings: Settings, report: Callable[[str], None]) -> int:
    """End whatever runs under a cluster's name and remove its files; asks neither its file nor what was written down.

    Returns:
        How many processes there were.

    Raises:
        Outside: A process can't be ended, or another one is at it.
    """
    with _locked(name, settings, report):
        return _clear(name, settings)


def left_over(settings: Settings) -> list[str]:
    """Names of the clusters of which something is there: up, partly up, or files alone."""
    return sorted(path.name for path in (settings.var / "clusters").glob("*") if path.is_dir())


def look(cluster: ClusterFile, settings: Settings) -> Standing:
    """How a cluster stands: its processes by id and start time, its workers by what the master says."""
    folder = folder_of(cluster.name, settings)
    state = read_state(folder)
    alive = state.alive if state else ()
    if state is None or not alive:
        return Standing(DOWN, 0, None)
    counted = _workers_alive(state, folder) if MASTER in alive else 0
    whole = state.complete and len(alive) == len(state.processes) and counted == cluster.num_workers
    return Standing(UP if whole else PARTLY, counted, state)


def join(cluster: ClusterFile, settings: Settings) -> Joined:
    """Check that a cluster is up, is the one of the file, and lets this process in.

    Raises:
        ClusterUnavailable: It is not up, not whole, or its secret is missing or another one.
        ClusterMismatch: It was started from another file, another Spark or another Java.
        BadInput: Others may read its secret.
    """
    declared_workers(cluster)
    standing = look(cluster, settings)
    state = standing.started
    if state is None or state.master is None:
        raise ClusterUnavailable(f"cluster {cluster.name} is not up", fix=f"Run `repro cluster up {cluster.name}`")
    wrong = {
        "file": (state.cluster_sha256, cluster.sha256),
        "Spark": (state.spark_version, _spark_version()),
        "Java": (state.java, java_major()),
    }
    for what, (stored, expected) in wrong.items():
        if stored != expected:
            raise ClusterMismatch(
                f"cluster {cluster.name} was started with another {what}",
                stored=stored,
                expected=expected,
                fix=f"Run `repro cluster down {cluster.name}` and `repro cluster up {cluster.name}`",
            )
    path = client_settings(folder_of(cluster.name, settings), state)
    if standing.state != UP:
        raise _partly(cluster, standing)
    return Joined(cluster.at(state.master), path)


def applications(cluster: ClusterFile, settings: Settings) -> list[str]:
    """Applications that hold executors of a cluster or wait for them, by id; empty where the master says nothing."""
    folder = folder_of(cluster.name, settings)
    state = read_state(folder)
    return [str(app["id"]) for app in _said(state, folder).get("activeapps", ())] if state else []


# --- inside -----------------------------------------------------------------------------------------------------


def _start(cluster: ClusterFile, workers: Workers, settings: Settings, report: Callable[[str], None]) -> ClusterState:
    folder = folder_of(cluster.name, settings)
    state = ClusterState(
        name=cluster.name,
        cluster_sha256=cluster.sha256,
        spark_version=_spark_version(),
        java=java_major(),
        processes={},
        secret_sha256=make_folder(folder, cluster),
        started=round(time.time(), 2),
    )
    write_state(folder, state)
    report(f"{cluster.name}: starting the master")
    port = cluster.master.rpartition(":")[2]
    state = _spawn(state, folder, cluster, MASTER, ["--port", port])
    state = _with_addresses(state, folder)
    report(f"{cluster.name}: {state.master}, starting {workers.count} workers")
    size = ["--cores", str(workers.cores), "--memory", f"{workers.megabytes}m"]
    for number in range(1, workers.count + 1):
        own = ["--port", "0", *size, "--work-dir", str(folder / "work" / str(number)), str(state.master)]
        state = _spawn(state, folder, cluster, f"worker-{number}", own)
    _wait(state, folder, lambda: _workers_alive(state, folder) == workers.count, "not all of its workers registered")
    state = replace(state, complete=True)
    write_state(folder, state)
    return state


def _spawn(state: ClusterState, folder: Path, cluster: ClusterFile, name: str, own: list[str]) -> ClusterState:
    home = _spark_home()
    common = ["--host", _LOOPBACK, "--webui-port", "0", "--properties-file", str(daemon_settings(folder))]
    owner = standalone_processes.spawn(
        [str(home / "bin" / "spark-class"), _CLASSES[name.partition("-")[0]], *common, *own],
        log=folder / f"{name}.log",
        environment=_environment(folder, cluster, home),
        folder=folder,
    )
    state = replace(state, processes={**state.processes, name: owner})
    write_state(folder, state)
    return state


def _environment(folder: Path, cluster: ClusterFile, home: Path) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        **cluster.spark_env_vars,
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(_CONF_DIR),
        # Where it binds, pages included, and what it calls itself.
        "SPARK_LOCAL_IP": _LOOPBACK,
        standalone_processes.SCRATCH: str(scratch(folder)),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }


def _with_addresses(state: ClusterState, folder: Path) -> ClusterState:
    log = folder / f"{MASTER}.log"

    def said() -> tuple[str, str] | None:
        text = log.read_text(encoding="utf-8", errors="replace")
        url, page = _URL.search(text), _PAGE.search(text)
        return (url[1], f"http://{_LOOPBACK}:{page[1]}") if url and page else None

    master, page = _wait(state, folder, said, "its master does not say where it is")
    state = replace(state, master=master, page=page)
    write_state(folder, state)
    return state


def _wait(state: ClusterState, folder: Path, answer: Callable[[], Answer | None], otherwise: str) -> Answer:
    """Ask again and again until there is an answer; a process that ended, or too long a time, ends the waiting."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (found := answer()):
        gone = [name for name in state.processes if name not in state.alive]
        if gone or time.monotonic() > deadline:
            name = gone[0] if gone else MASTER
            raise ClusterUnavailable(
                f"cluster {state.name} did not come up: {f'{name} ended' if gone else otherwise}",
                stored=_last_lines(folder / f"{name}.log"),
            )
        time.sleep(_LOOK_SECONDS)
    return found


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return " | ".join(line.strip() for line in lines[-_LAST_LINES:]) or "nothing"


def _workers_alive(state: ClusterState, folder: Path) -> int:
    return sum(worker.get("state") == "ALIVE" for worker in _said(state, folder).get("workers", ()))


def _said(state: ClusterState, folder: Path) -> Mapping[str, Any]:
    """What the master's page says as JSON; nothing where it does not answer."""
    if state.page is None:
        return {}
    # No proxy: the page is on this host, and a proxy would look for it on its own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    token = page_token(folder)
    opener.addheaders = [("Authorization", f"Bearer {token}")] if token else []
    try:
        with opener.open(f"{state.page}/json/", timeout=_ANSWER_SECONDS) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return {}


def _clear(name: str, settings: Settings) -> int:
    folder = folder_of(name, settings)
    state = read_state(folder)
    owners = state.processes.values() if state else ()
    ended = standalone_processes.end(standalone_processes.sessions(owners, daemon_settings(folder), scratch(folder)))
    shutil.rmtree(folder, ignore_errors=True)
    return ended


def _partly(cluster: ClusterFile, standing: Standing) -> ClusterUnavailable:
    return ClusterUnavailable(
        f"cluster {cluster.name} is not whole",
        stored=f"{standing.workers} workers registered",
        expected=str(cluster.num_workers),
        fix=f"Run `repro cluster down {cluster.name}` and `repro cluster up {cluster.name}`",
    )


@contextmanager
def _locked(name: str, settings: Settings, report: Callable[[str], None]) -> Generator[None, None, None]:
    import filelock

    path = settings.var / "locks" / f"cluster-{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            report(f"{name}: another process starts or ends it; waiting")
            lock.acquire(timeout=_PATIENCE_SECONDS)
    except filelock.Timeout as error:
        raise Outside("a cluster is being started or ended by another process", where=path) from error
    try:
        yield
    finally:
        lock.release()


def _spark_home() -> Path:
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise Outside("pyspark is not installed here", fix="Run `make setup`")
    return Path(spec.origin).parent


def _spark_version() -> str:
    from importlib.metadata import version

    return version("pyspark")


def _require_spark(cluster: ClusterFile) -> None:
    if _spark_version() != cluster.spark_version:
        raise ClusterMismatch(
            f"cluster {cluster.name} is for another Spark",
            stored=_spark_version(),
            expected=cluster.spark_version,
            fix="Use the environment that holds it",
        )
