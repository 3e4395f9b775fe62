"""The start of a session: the JVM with the cluster file's settings, the secret without a trace, failures in one line.

Here belongs what is done once, from settings to a session; what is compared afterwards is `resources.spark_cluster`'s.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from repro_assets.errors import ClusterMismatch, ClusterUnavailable, ReproError
from repro_assets.pins.compute import STANDALONE, ClusterFile
from repro_assets.resources.spark.jars import as_setting, jar_paths
from repro_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_REDACTION = "spark.redaction.regex"
_PACKAGE_PARENT = Path(__file__).parents[3]
_SUBMIT_ARGUMENTS = "PYSPARK_SUBMIT_ARGS"
# Spark itself asks a master that does not let it in for a minute; a JVM starts within seconds, or a minute under load.
_START_SECONDS = 240.0
# How Spark says that a master did not answer: it may have other reasons than the secret, and none of the file's.
_TURNED_AWAY = re.compile(
    r"masters are unresponsive|stopped while waiting for backend|stopped SparkContext", re.IGNORECASE
)
# A port, an address, a disk: none of these is the file's.
_OUTSIDE = ("java.net.", "java.io.", "java.nio.", "java.util.concurrent.", "io.netty.")


def start(cluster: ClusterFile, settings: Settings, settings_file: Path | None = None) -> SparkSession:
    """Start this process's JVM, if there is none, and a session in it.

    Args:
        cluster: The file; of a standalone cluster with the master's real address.
        settings: Where this installation lives.
        settings_file: Of a standalone cluster: holds its secret.

    Raises:
        ClusterMismatch: It is for another Spark, or Spark refuses what the file says.
        ClusterUnavailable: The JVM does not start, or the standalone cluster does not let this process in.
    """
    if settings_file is None:
        with told_in_one_line(cluster):
            return _start(cluster, settings)
    with _secret_given(settings_file), _bounded() as late, told_in_one_line(cluster, late):
        return _start(cluster, settings)


def end_jvm() -> None:
    """End this process's JVM, if there is one, so that the next session starts another."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    SparkContext._gateway = SparkContext._jvm = None
    if gateway is None:
        return
    gateway.shutdown()
    process = getattr(gateway, "proc", None)
    if process is not None:
        process.kill()
        process.wait()


def start_failure(cluster: ClusterFile, error: BaseException, *, late: bool = False) -> ReproError:
    """What a session's failed start is to be told as: in Spark's own words, and by whose fault.

    Args:
        cluster: That was to be started or joined.
        error: What pyspark raised.
        late: Whether this process ended the JVM, since it took too long.
    """
    kind, said = _java_exception(error)
    joining = cluster.kind == STANDALONE
    if late or (joining and _TURNED_AWAY.search(said)):
        return ClusterUnavailable(
            f"cluster {cluster.name} does not let this process in",
            where=cluster.master,
            stored=f"no session within {_START_SECONDS:g} s" if late else said,
            fix=f"Its secret may be another one: run `repro cluster down {cluster.name}` "
            f"and `repro cluster up {cluster.name}`",
        )
    if kind is None or kind.startswith(_OUTSIDE):
        return ClusterUnavailable(
            f"no session of cluster {cluster.name} could be started",
            where=cluster.master,
            stored=said,
            fix="What Java said stands above" if "JAVA_GATEWAY_EXITED" in said else None,
        )
    return ClusterMismatch(
        f"Spark refuses cluster {cluster.name}",
        where=f"envs/clusters/{cluster.name}.json",
        stored=said,
        fix="Make a new cluster file without it",
    )


def _java_exception(error: BaseException) -> tuple[str | None, str]:
    """Class and first line of what the JVM raised; no class where it was not the JVM.

    py4j hands the exception on; once a session is there, pyspark turns some kinds into its own and keeps it as `_origin`.
    """
    raised = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    text = str(raised.getMessage() or "") if raised is not None else str(error)
    kind = str(raised.getClass().getName()) if raised is not None else None
    return kind, (text.strip().splitlines() or [kind or type(error).__name__])[0].rstrip(".")


@contextmanager
def told_in_one_line(cluster: ClusterFile, late: threading.Event | None = None) -> Generator[None, None, None]:
    """Raise what pyspark raises meanwhile as `start_failure` tells it.

    Args:
        cluster: That is started or joined, or whose session is asked for the first time.
        late: Set once this process ended the JVM, since it took too long.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException, OSError) as error:
        raise start_failure(cluster, error, late=late is not None and late.is_set()) from error


@contextmanager
def _secret_given(settings_file: Path) -> Generator[None, None, None]:
    """Let Spark's launcher read a file of settings: given as a setting, the secret would be on a command line."""
    os.environ[_SUBMIT_ARGUMENTS] = f"{shlex.join(['--properties-file', str(settings_file)])} pyspark-shell"
    try:
        yield
    finally:
        del os.environ[_SUBMIT_ARGUMENTS]


@contextmanager
def _bounded() -> Generator[threading.Event, None, None]:
    """End the JVM if the session does not open in time: what waits for its answer fails then, and goes on.

    Yields:
        Set once the JVM was ended.
    """
    opened, late = threading.Event(), threading.Event()

    def end_if_late() -> None:
        from pyspark import SparkContext

        patience = _START_SECONDS
        while not opened.wait(patience):
            process = getattr(SparkContext._gateway, "proc", None)
            if process is not None:
                late.set()
                process.kill()
            patience = 1.0  # the JVM itself may not be there yet

    watch = threading.Thread(target=end_if_late, daemon=True)
    watch.start()
    try:
        yield late
    finally:
        opened.set()
        watch.join()


def _start(cluster: ClusterFile, settings: Settings) -> SparkSession:
    import pyspark
    from dagster_pyspark.resources import spark_session_from_config

    if pyspark.__version__ != cluster.spark_version:
        raise ClusterMismatch(
            f"cluster {cluster.name} is for another Spark",
            stored=pyspark.__version__,
            expected=cluster.spark_version,
            fix="Use the environment that holds it",
        )
    wanted = {**cluster.settings(), **_placement(cluster, settings)}
    with _stdout_kept():
        if cluster.variables:
            wanted |= _hiding(cluster)
            _start_jvm(wanted)
            wanted |= cluster.resolved(os.environ)
        session: SparkSession = spark_session_from_config(wanted)  # type: ignore[no-untyped-call] # left untyped there
    return session


def _start_jvm(settings: Mapping[str, str]) -> None:
    """Start the JVM before it is told what variables hold: pyspark puts every setting on its command line."""
    from pyspark import SparkConf, SparkContext

    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    SparkContext._ensure_initialized(conf=conf)


def _hiding(cluster: ClusterFile) -> dict[str, str]:
    """Let Spark leave these settings out of its own logs and pages, whatever they are called."""
    names = "|".join(re.escape(name) for name in sorted(cluster.variables))
    return {} if _REDACTION in cluster.spark_conf else {_REDACTION: f"(?i)secret|password|token|access[.]?key|{names}"}


@contextmanager
def _stdout_kept() -> Generator[None, None, None]:
    """Give what starts meanwhile our stderr as its stdout.

    The JVM writes its own warnings (`CodeCache is full`) to stdout, into the middle of a JSON document.
    """
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(ours, 1)
        os.close(ours)


def _placement(cluster: ClusterFile, settings: Settings) -> dict[str, str]:
    """Settings that say where this installation lives; they are no part of what computes."""
    return {
        "spark.app.name": "repro_assets",
        "spark.jars": as_setting(jar_paths(cluster.jars, settings.jars)),
        "spark.sql.warehouse.dir": (settings.var / "spark-warehouse").as_uri(),
        # Python workers of another process import what this process imports, and not what happens to be installed.
        **({"spark.executorEnv.PYTHONPATH": str(_PACKAGE_PARENT)} if cluster.kind == STANDALONE else {}),
    }
