"""The Spark session of a cluster file: built from that file alone, on first use, and read back.

Read back means: the settings from every place where they take effect (`resources.effective_settings`), and on a
standalone cluster the executors that registered (`resources.cluster_members`). It is done when the session opens and
again for every receipt, since a step can change a setting and a worker can die.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, ClusterMismatch, ReproError
from repro_assets.pins.cluster_use import require_usable
from repro_assets.pins.compute import (
    DATABRICKS,
    STANDALONE,
    ClusterFile,
    check_name,
    parse_cluster,
    require_effective,
    require_files,
    require_unchanged,
    require_variables,
)
from repro_assets.pins.number_threads import require_threads
from repro_assets.pins.standalone import require_members
from repro_assets.pins.version_file import verified_bytes
from repro_assets.resources.known_secrets import note_variable
from repro_assets.resources.spark.cluster_members import Watch, members, wait_for_members
from repro_assets.resources.spark.effective_settings import effective_settings, standing_settings
from repro_assets.resources.spark.receipt import blas, compute_receipt, host_cores, loaded_files
from repro_assets.resources.spark.session_start import end_jvm, start, told_in_one_line
from repro_assets.resources.spark.standalone_cluster import join
from repro_assets.settings import DEFAULT_CLUSTER, Settings, kernel_variables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CONF_DIR = Path(__file__).parent / "spark_conf"
# What would bring in another Spark, settings of other files, a JVM that runs already, or options of the JVM: a
# reproduction sees none of them (`capsule_process`). Left are where this host listens and keeps its scratch files.
_FOREIGN = (
    *("SPARK_", "PYSPARK_", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"),
    *("HADOOP_CONF_DIR", "YARN_CONF_DIR"),  # Spark's launcher puts these folders on the class path
)
_KEPT = ("SPARK_LOCAL_IP", "SPARK_LOCAL_DIRS")


class _Process:
    """What this process has bound itself to: one JVM holds one SparkContext."""

    cluster: ClusterFile | None = None
    session: SparkSession | None = None
    watch: Watch | None = None
    # Every setting as it stood when the session opened, by place.
    opened: Mapping[str, Mapping[str, str]] | None = None


def load_cluster(name: str, settings: Settings) -> ClusterFile:
    """Read `envs/clusters/NAME.json`.

    Raises:
        BadInput: There is no such file, it is malformed, or nothing may be run on it (`pins.cluster_use`).
        EditedUnderOldName: It is not the one that `envs/digests.lock` names.
    """
    folder = settings.envs / "clusters"
    path = folder / f"{check_name(name, 'cluster')}.json"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.json"))) or "none"
        raise BadInput("no such cluster file", where=path, expected=f"one of: {known}")
    cluster = parse_cluster(name, verified_bytes(path).decode())
    require_usable(cluster)
    for variable in cluster.variables.values():
        note_variable(variable)
    return cluster


def open_session(cluster: str | ClusterFile = DEFAULT_CLUSTER, settings: Settings | None = None) -> SparkSession:
    """Open, or return, this process's session of a cluster file.

    Raises:
        ClusterMismatch: Another cluster is open here, Spark refuses what the file says, what was read back is not what
            the file says, or the cluster is one that this project does not run on.
        ClusterUnavailable: The standalone cluster is not up, not whole, or does not let this process in.
    """
    here = settings or settings_module.load()
    wanted = load_cluster(cluster, here) if isinstance(cluster, str) else cluster
    require_process(wanted)
    if _Process.session is not None:
        return _Process.session
    require_runnable(wanted)
    wanted.resolved(os.environ)  # what is not set is said before anything starts
    prepare_environment(os.environ)
    if wanted.kind == STANDALONE:
        wanted, session = _join(wanted, here)
    else:
        session = start(wanted, here)
    _Process.cluster, _Process.session = wanted, session
    try:
        # Spark looks at most `spark.sql.…` settings when they are first needed, and not when it starts.
        with told_in_one_line(wanted):
            _require_declared(wanted, session)
            _use(session)
        _Process.opened = standing_settings(session)
    except BaseException:
        close_session()
        raise
    if wanted.kind == STANDALONE:
        _Process.watch = Watch(session, wanted)
    return session


def prepare_environment(environment: MutableMapping[str, str]) -> None:
    """Take out of an environment whatever could make the JVM another one than the cluster file's; it stays out.

    Args:
        environment: Of the process that is going to start the JVM; changed in place.
    """
    for name in [name for name in environment if name.startswith(_FOREIGN) and name not in _KEPT]:
        del environment[name]
    environment["SPARK_CONF_DIR"] = str(_CONF_DIR)
    # Workers in the environment that was pinned: Spark would take whatever `python3` is on PATH.
    environment["PYSPARK_PYTHON"] = sys.executable


def close_session() -> None:
    """Stop this process's session, if there is one."""
    watch, session = _Process.watch, _Process.session
    # First of all: a session that can't be stopped is none of this process's either.
    _Process.cluster = _Process.session = _Process.watch = _Process.opened = None
    if watch is not None:
        watch.close()
    if session is not None:
        session.stop()


def close_changed_session() -> None:
    """End this process's session and its JVM, if somebody changed a setting of it, added a jar or a file, or the JVM is gone.

    What is computed next opens another one from the file alone. The JVM goes too: what a step set in it would stay, and
    a standalone cluster's secret is read by the launcher only.
    """
    cluster, session = _Process.cluster, _Process.session
    if cluster is None or session is None:
        return
    from py4j.protocol import Py4JError

    try:
        _require_settings(cluster, session)
    except (ReproError, Py4JError, OSError):
        with suppress(Py4JError, OSError):
            close_session()
        end_jvm()


def require_runnable(cluster: ClusterFile) -> None:
    """Refuse a cluster that this project describes and does not run on.

    Raises:
        ClusterMismatch: Says what running on it would need.
    """
    if cluster.kind == DATABRICKS:
        raise ClusterMismatch(
            f"cluster {cluster.name} is one of Databricks, and runs are carried out on this host",
            where=f"envs/clusters/{cluster.name}.json",
            stored=f"spark_version {cluster.spark_version}",
            expected="a master local[N] or spark://127.0.0.1:0",
            fix="It would need a workspace with its host and token, a lake that both reach (REPRO_LAKE at an object "
            "store), and this project with a lock for that runtime's Python, Spark and Delta installed on the cluster",
        )


def require_process(cluster: ClusterFile) -> None:
    """Check that this process is one in which a stage of a cluster file may compute, with Spark or without.

    Raises:
        ClusterMismatch: It holds another cluster, or the variables that bind when a process starts are not the file's,
            or a number library that it has loaded works in other threads.
    """
    if _Process.cluster is not None and _Process.cluster.sha256 != cluster.sha256:
        raise ClusterMismatch(
            "this process already runs another cluster",
            stored=_Process.cluster.name,
            expected=cluster.name,
            fix=f"Start a fresh process with `--cluster {cluster.name}`",
        )
    require_variables(cluster, os.environ)
    require_threads(cluster, blas(), host_cores(), kernel_variables({}))


def receipt(cluster: ClusterFile) -> dict[str, Any]:
    """What this process computes with; it, and its session if there is one, are compared with the cluster file again.

    Args:
        cluster: What is declared.

    Raises:
        ClusterMismatch: A variable, number of threads or setting is another one by now, or the session is that of another cluster.
        ClusterUnavailable: An executor is gone and none came in its place.
    """
    require_process(cluster)
    if _Process.session is None or _Process.cluster is None:
        return compute_receipt(None)
    _require_declared(_Process.cluster, _Process.session)
    return compute_receipt(_Process.session, declared=_Process.cluster.settings())


def _use(session: SparkSession) -> None:
    """Let a session set and load what it does at its first query, so that it stands before settings are noted."""
    # Delta's extension sets what it needs of the session (`spark.sql.parquet.fieldId…`).
    session.sql("SELECT 1")
    # The class of `spark.sql.catalog.spark_catalog`, which the first table would load.
    session._jsparkSession.sessionState().catalogManager().v2SessionCatalog()


def _require_declared(cluster: ClusterFile, session: SparkSession) -> None:
    if session.version != cluster.spark_version:
        raise ClusterMismatch(
            f"cluster {cluster.name} is for another Spark than the session's",
            stored=session.version,
            expected=cluster.spark_version,
            fix="Start a fresh process, in the environment that holds it",
        )
    _require_settings(cluster, session)
    if cluster.kind == STANDALONE:
        wait_for_members(session, cluster)
        require_members(cluster, members(session))


def _require_settings(cluster: ClusterFile, session: SparkSession) -> None:
    """Compare settings, jars and files with the file and, once the session has opened, with how they stood then."""
    require_effective(cluster, effective_settings(cluster, session), cluster.resolved(os.environ))
    require_files(cluster, loaded_files(session))
    if _Process.opened is not None:
        require_unchanged(cluster, _Process.opened, standing_settings(session, known=_Process.opened["hadoop"]))


def _join(cluster: ClusterFile, settings: Settings) -> tuple[ClusterFile, SparkSession]:
    """Open a session on a standalone cluster; returns the cluster with its real address too."""
    from pyspark import SparkContext

    joined = join(cluster, settings)
    if SparkContext._gateway is not None:
        raise ClusterMismatch(
            "this process already runs a JVM of another session",
            expected=cluster.name,
            fix=f"Start a fresh process with `--cluster {cluster.name}`",
        )
    return joined.cluster, start(joined.cluster, settings, joined.settings_file)


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
        cluster = load_cluster(self.name, settings_module.load())
        require_runnable(cluster)
        return lazy_resource(cluster)


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

        def require_process(self) -> None:
            """Check that this process may compute what is declared; asking does not start a JVM."""
            require_process(cluster)

        def receipt(self) -> dict[str, Any]:
            """What this process computes with, compared with the file once more."""
            return receipt(cluster)

        def _init_session(self) -> None:
            self._spark_session = open_session(cluster)

    return ClusterResource(spark_config=dict(cluster.settings()))
