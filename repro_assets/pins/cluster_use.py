"""What a cluster file has to be before anything is run on it, or it is registered.

Here belong the fields that there are, the size that a kind of cluster can have, and what would bring in code or settings
that the file does not name by a digest. What a standalone cluster needs besides is in `pins.standalone`.
What a past run recorded is read without these rules (`pins.compute.parse_cluster`): it ran, and must stay readable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from repro_assets.errors import BadInput
from repro_assets.pins.cluster_rules import decides_code, line_of, read_document
from repro_assets.pins.compute import DATABRICKS, LOCAL, STANDALONE, ClusterFile
from repro_assets.pins.standalone import declared_workers, megabytes

# Of `ClusterSpec` in databricks-sdk, which costs seconds to import; a test compares. Fields inside these are compared
# with the vendor's types where a file is registered or checked (`resources.cluster_check`).
FIELDS = frozenset(
    {
        "apply_policy_default_values",
        "autoscale",
        "autotermination_minutes",
        "aws_attributes",
        "azure_attributes",
        "cluster_log_conf",
        "cluster_name",
        "custom_tags",
        "data_security_mode",
        "dependency_mode",
        "docker_image",
        "driver_instance_pool_id",
        "driver_node_type_flexibility",
        "driver_node_type_id",
        "enable_elastic_disk",
        "enable_local_disk_encryption",
        "gcp_attributes",
        "init_scripts",
        "instance_pool_id",
        "is_single_node",
        "kind",
        "node_type_id",
        "num_workers",
        "policy_id",
        "remote_disk_throughput",
        "runtime_engine",
        "single_user_name",
        "spark_conf",
        "spark_env_vars",
        "spark_version",
        "ssh_public_keys",
        "total_initial_remote_disk_size",
        "use_ml_runtime",
        "worker_node_type_flexibility",
        "workload_type",
    }
)
_OWN_SECTION = "repro"
# As many threads as a host happens to have are another cluster on the next one.
_LOCAL_MASTER = re.compile(r"local\[([1-9]\d{0,3})\]")
_STANDALONE_MASTER = "spark://127.0.0.1:0"
_TASK_CORES, _INSTANCES = "spark.task.cpus", "spark.executor.instances"
# For example 15.4.x-scala2.12, 15.4.x-cpu-ml-scala2.12, 9.1.x-photon-scala2.12.
_RUNTIME = re.compile(r"\d{1,2}\.\d{1,2}\.x(?:-[a-z0-9]{1,16}){0,4}-scala2\.\d{2}")
_CODE_SETTINGS = re.compile(
    r"spark\.jars(?:\..*)?|spark\.files|spark\.archives|spark\.submit\.pyFiles|.*\.extra(?:Class|Library)Path"
    r"|spark\.pyspark\.(?:driver\.)?python|spark\.python\.(?:daemon|worker)\.module"
    r"|spark\.sql\.hive\.metastore\.jars(?:\..*)?"
)
_HEAP_OPTION = re.compile(r"-Xm[sx]|-XX:(?:Max|Initial|Min)(?:HeapSize|RAMPercentage|RAMFraction|RAM)\b")
_EXECUTORS_VARIABLES = "spark.executorEnv."
_JAVA_OPTIONS = re.compile(r".*JavaOptions")
# What names classes, libraries, agents, commands or further options; Spark's own settings stand in `spark_conf`.
_CODE_OPTIONS = re.compile(
    r"-javaagent|-agent(?:lib|path)|-Xrun|-Xbootclasspath|-cp$|-classpath|--class-path|-jar$|-p$|--module-path"
    r"|--upgrade-module-path|--patch-module|@|-XX:(?:Flags|VMOptionsFile|On\w+)="
    r"|-Djava\.(?:class|library|ext|endorsed|system\.class)|-Dspark\."
)


def require_usable(cluster: ClusterFile) -> None:
    """Check a cluster file before it is registered or used.

    Raises:
        BadInput: A field that there isn't or that stands twice, a size or version that its kind can't have, undeclared code, or, of a
            standalone cluster, a setting that its security or its workers need; with the file, and the line where there
            is one.
    """
    document = read_document(cluster.text, f"envs/clusters/{cluster.name}.json")
    _refuse_unknown_fields(cluster, document)
    _require_size(cluster, document)
    _refuse_undeclared_code(cluster)
    _require_heap(cluster)
    _require_tasks(cluster)
    if cluster.kind == DATABRICKS and not _RUNTIME.fullmatch(cluster.spark_version):
        raise BadInput(
            "not a runtime of Databricks",
            where=_place(cluster, "spark_version"),
            stored=f"spark_version {cluster.spark_version}",
            expected="for example 15.4.x-scala2.12",
        )
    if cluster.kind == STANDALONE:
        if cluster.master != _STANDALONE_MASTER:
            raise BadInput(
                "a standalone cluster's master takes a free port",
                where=_place(cluster, "master"),
                stored=cluster.master,
                expected=_STANDALONE_MASTER,
            )
        declared_workers(cluster)


def autoscale_of(cluster: ClusterFile) -> tuple[int, int] | None:
    """The fewest and the most workers of a cluster file that names a range; None where their number is fixed.

    Raises:
        BadInput: It is no range.
    """
    document = json.loads(cluster.text)
    if "autoscale" not in document:
        return None
    value = document["autoscale"]
    fewest, most = (value.get(name) if isinstance(value, dict) else None for name in ("min_workers", "max_workers"))
    # `isinstance` would take true for a number
    if type(fewest) is int and type(most) is int and 0 <= fewest <= most and most:
        return fewest, most
    raise BadInput(
        "not a range of workers",
        where=_place(cluster, "autoscale"),
        stored=f"autoscale {json.dumps(value)}"[:120],
        expected="min_workers and max_workers, the second 1 or more and no less than the first",
    )


def _refuse_unknown_fields(cluster: ClusterFile, document: Mapping[str, Any]) -> None:
    unknown = sorted(set(document) - FIELDS - {_OWN_SECTION})
    if unknown:
        raise BadInput(
            "a cluster file is none of Databricks' cluster JSON",
            where=_place(cluster, unknown[0]),
            stored="; ".join(f"{name} is no field of it" for name in unknown),
            fix="The fields are those of clusters/create in Databricks' REST API",
        )


def _require_size(cluster: ClusterFile, document: Mapping[str, Any]) -> None:
    scaled = autoscale_of(cluster) is not None
    if scaled and "num_workers" in document:
        raise BadInput(
            "a cluster file says its number of workers twice",
            where=_place(cluster, "autoscale"),
            stored="num_workers and autoscale",
            expected="one of them",
        )
    if scaled and cluster.kind != DATABRICKS:
        raise BadInput(
            "a cluster on this host has a fixed number of workers",
            where=_place(cluster, "autoscale"),
            stored="autoscale",
            expected="num_workers",
        )
    if cluster.kind == DATABRICKS and not scaled and "num_workers" not in document and not _is_single_node(document):
        raise BadInput(
            "a cluster of Databricks names its size",
            where=_place(cluster, "cluster_name"),
            stored="neither num_workers nor autoscale",
            expected="one of them; num_workers 0, or is_single_node, for a single node",
        )
    if cluster.kind != LOCAL:
        return
    if not _LOCAL_MASTER.fullmatch(cluster.master):
        raise BadInput(
            "a cluster in the driver names its threads",
            where=_place(cluster, "master"),
            stored=cluster.master,
            expected="local[N] with N from 1 up",
        )
    if cluster.num_workers:
        raise BadInput(
            "a cluster in the driver has no workers",
            where=_place(cluster, "num_workers"),
            stored=f"num_workers {cluster.num_workers}, master {cluster.master}",
            expected="num_workers 0, or the master spark://127.0.0.1:0",
        )


def _refuse_undeclared_code(cluster: ClusterFile) -> None:
    for name in cluster.spark_env_vars:
        if decides_code(name):
            raise BadInput(
                "not a variable that a cluster file may set",
                where=_place(cluster, name),
                stored=name,
                expected="none that decides which code or settings a process loads",
            )
    for name in [*cluster.spark_conf, *cluster.variables]:
        if _CODE_SETTINGS.fullmatch(name) or decides_code(_executors_variable(name)):
            raise BadInput(
                f"the setting {name} brings in what the cluster file does not name by a digest",
                where=_place(cluster, name),
                fix="Name a jar in `jars` of the `repro` section; Python packages are the environment's",
            )
    for name, option in _java_options(cluster):
        if _CODE_OPTIONS.match(option):
            raise BadInput(
                f"the setting {name} brings in what the cluster file does not name by a digest",
                where=_place(cluster, name),
                stored=option,
                fix="Name a jar in `jars` of the `repro` section, and a setting of Spark in `spark_conf`",
            )


def _is_single_node(document: Mapping[str, Any]) -> bool:
    """Whether Databricks sets the number of workers itself (`is_single_node` of clusters/create)."""
    return document.get("is_single_node") is True


def _require_tasks(cluster: ClusterFile) -> None:
    """Tasks fit into the cores that there are, and executors are as many as workers: Spark would wait for ever."""
    if cluster.kind == DATABRICKS:
        return
    for name in (_TASK_CORES, _INSTANCES):
        if name in cluster.variables:
            raise BadInput(
                f"the setting {name} can't be read from a variable",
                where=_place(cluster, name),
                stored=cluster.variables[name],
                expected="its value",
            )
    cores = str(_LOCAL_MASTER.sub(r"\1", cluster.master) if cluster.kind == LOCAL else declared_workers(cluster).cores)
    found = cluster.spark_conf.get(_TASK_CORES, "1")
    if not re.fullmatch(r"[1-9]\d{0,3}", found) or int(found) > int(cores):
        raise BadInput(
            "no task can be computed in the cores of this cluster",
            where=_place(cluster, _TASK_CORES),
            stored=f"{_TASK_CORES} {found}",
            expected=f"1 to {cores}",
        )
    instances = cluster.spark_conf.get(_INSTANCES, str(cluster.num_workers))
    if instances != str(cluster.num_workers):
        raise BadInput(
            "a cluster file says its number of executors twice",
            where=_place(cluster, _INSTANCES),
            stored=f"{_INSTANCES} {instances}, num_workers {cluster.num_workers}",
            fix="Leave it to num_workers",
        )


def _require_heap(cluster: ClusterFile) -> None:
    """The driver's heap is a size that Java takes, and said once: Spark refuses `-Xmx` among options."""
    if cluster.kind != DATABRICKS:
        megabytes(cluster.driver_memory, _place(cluster, "driver_memory"))
    for name, option in _java_options(cluster):
        if _HEAP_OPTION.match(option):
            raise BadInput(
                f"the setting {name} holds a size of the heap",
                where=_place(cluster, name),
                stored=option,
                fix="Leave it to `driver_memory` of the `repro` section, and of executors to spark.executor.memory",
            )


def _java_options(cluster: ClusterFile) -> Iterator[tuple[str, str]]:
    for name, value in cluster.spark_conf.items():
        if _JAVA_OPTIONS.fullmatch(name):
            # Spark takes quotes and backslashes out, so `-java"agent"` is an agent: they hide nothing here.
            yield from ((name, option) for option in re.sub(r"[\"'\\]", "", value).split())


def _executors_variable(setting: str) -> str:
    return setting.removeprefix(_EXECUTORS_VARIABLES) if setting.startswith(_EXECUTORS_VARIABLES) else ""


def _place(cluster: ClusterFile, name: str) -> str:
    return f"envs/clusters/{cluster.name}.json:{line_of(name, cluster.text)}"
