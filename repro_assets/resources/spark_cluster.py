"""The Spark session of a cluster file: built from that file alone, on first use, and read back.

`spark.conf` repeats what was asked even when the SparkContext kept something else, so the context, the session,
Hadoop's settings and the JVM's arguments are all compared with the file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, ClusterMismatch
from repro_assets.pins.compute import ClusterFile, check_name, parse_cluster, require_effective, require_variables
from repro_assets.pins.version_file import verified_bytes
from repro_assets.resources.jars import jar_paths
from repro_assets.settings import DEFAULT_CLUSTER, Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_HADOOP = "spark.hadoop."
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
_CONF_DIR = Path(__file__).parent / "spark_conf"


class _Process:
    """What this process has bound itself to: one JVM holds one SparkContext."""

    cluster: ClusterFile | None = None
    session: SparkSession | None = None


def load_cluster(name: str, settings: Settings) -> ClusterFile:
    """Read `envs/clusters/NAME.json`.

    Raises:
        BadInput: There is no such file, or it is malformed.
        EditedUnderOldName: It is not the one that `envs/digests.lock` names.
    """
    folder = settings.envs / "clusters"
    path = folder / f"{check_name(name, 'cluster')}.json"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.json"))) or "none"
        raise BadInput("no such cluster file", where=path, expected=f"one of: {known}")
    return parse_cluster(name, verified_bytes(path).decode())


def open_session(cluster: str | ClusterFile = DEFAULT_CLUSTER, settings: Settings | None = None) -> SparkSession:
    """Open, or return, this process's session of a cluster file.

    Raises:
        ClusterMismatch: Another cluster is open here, or what was read back is not what the file says.
    """
    here = settings or settings_module.load()
    wanted = load_cluster(cluster, here) if isinstance(cluster, str) else cluster
    if _Process.session is not None and _Process.cluster is not None:
        if _Process.cluster.sha256 != wanted.sha256:
            raise ClusterMismatch(
                "this process already runs another cluster",
                stored=_Process.cluster.name,
                expected=wanted.name,
                fix=f"Start a fresh process with `--cluster {wanted.name}`",
            )
        return _Process.session
    require_variables(wanted, os.environ)
    session = _start(wanted, here)
    require_effective(wanted, effective_settings(wanted, session))
    _Process.cluster, _Process.session = wanted, session
    return session


def close_session() -> None:
    """Stop this process's session, if there is one."""
    if _Process.session is not None:
        _Process.session.stop()
    _Process.cluster = _Process.session = None


def effective_settings(cluster: ClusterFile, session: SparkSession) -> dict[str, dict[str, str | None]]:
    """Read every declared setting back from where it takes effect."""
    context = session.sparkContext
    declared = cluster.settings()
    configuration = dict(context.getConf().getAll())
    hadoop = context._jsc.hadoopConfiguration()
    runtime = context._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean()  # type: ignore[union-attr] # as above
    kept = [name for name in declared if name != _JAVA_OPTIONS]
    return {
        "SparkContext": {name: configuration.get(name) for name in kept},
        "session": {name: session.conf.get(name, None) for name in kept},
        "hadoop": {name: hadoop.get(name.removeprefix(_HADOOP)) for name in declared if name.startswith(_HADOOP)},
        "jvm": _jvm_settings(list(runtime.getInputArguments()), declared.get(_JAVA_OPTIONS, "")),
    }


def _jvm_settings(arguments: list[str], options: str) -> dict[str, str | None]:
    """What the JVM was really started with; Spark puts options of its own before the declared ones."""
    heap = [argument.removeprefix("-Xmx") for argument in arguments if argument.startswith("-Xmx")]
    present = " ".join(option for option in options.split() if option in arguments)
    return {"spark.driver.memory": heap[-1] if heap else None, _JAVA_OPTIONS: present}


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
    os.environ.setdefault("SPARK_CONF_DIR", str(_CONF_DIR))
    # Workers in the environment that was pinned: Spark would take whatever `python3` is on PATH.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    wanted = {**cluster.settings(), **_placement(cluster, settings)}
    with _stdout_kept():
        session: SparkSession = spark_session_from_config(wanted)  # type: ignore[no-untyped-call] # left untyped there
    return session


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
        "spark.jars": ",".join(str(path) for path in jar_paths(cluster.jars, settings.jars)),
        "spark.sql.warehouse.dir": (settings.var / "spark-warehouse").as_uri(),
    }


class SparkClusterResource(dg.ConfigurableResource[Any]):
    """Injects a versioned Spark cluster into assets.

    What assets get is a `dagster_pyspark.PySparkResource` (its lazy form): `.spark_session` and `.spark_context`
    open the session on first use, so that a run that reuses everything starts no JVM.

    Attributes:
        name: A file of `envs/clusters/`, without `.json`.
    """

    name: str = DEFAULT_CLUSTER

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Any, None, None]:
        """Give the lazy resource; the session stays open for the next run of this process."""
        yield self.create_resource(context)

    def create_resource(self, context: dg.InitResourceContext) -> Any:  # noqa: ARG002 # Dagster's signature
        """Build the lazy resource of the cluster file; the file is read now, the JVM starts later."""
        return lazy_resource(load_cluster(self.name, settings_module.load()))


def lazy_resource(cluster: ClusterFile) -> Any:
    """A `PySparkResource` whose session is opened by `open_session` on first use.

    A function and not a module-level class: subclassing needs pyspark imported.
    """
    from dagster_pyspark import LazyPySparkResource

    class ClusterResource(LazyPySparkResource):
        """`LazyPySparkResource` of one cluster file."""

        @property
        def cluster(self) -> ClusterFile:
            """The declared cluster."""
            return cluster

        @property
        def opened_session(self) -> SparkSession | None:
            """The session if it was opened in this process; asking does not start a JVM."""
            return _Process.session

        def _init_session(self) -> None:
            self._spark_session = open_session(cluster)

    return ClusterResource(spark_config=dict(cluster.settings()))
