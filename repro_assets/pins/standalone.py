"""What a cluster file has to say of a Spark standalone cluster, and what has to be found when it runs.

Here belong the workers that a file declares and the comparison with the executors that registered; how they are started
and counted is in `resources.standalone_cluster` and `resources.cluster_members`.
Workers and executors are one to one: a second executor on one worker would be another partition of the same work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repro_assets.errors import BadInput, ClusterMismatch
from repro_assets.pins.compute import STANDALONE, ClusterFile

_CORES, _MEMORY, _ALL_CORES = "spark.executor.cores", "spark.executor.memory", "spark.cores.max"
JAVA_OPTIONS = "spark.executor.extraJavaOptions"
_SIZE = re.compile(r"(?P<number>\d{1,6})(?P<unit>[mg])", re.IGNORECASE)
# A loopback address has so many ports; a worker takes one, its page another, and its executor a third.
_MOST_WORKERS = 65_535 // 3
# 128 TiB: a process of x86-64 or AArch64 has 47 bits of addresses on common systems, whatever the host's memory.
_MOST_MEGABYTES = 2**47 // 2**20
# Without these, whoever reaches a port on this host may submit work, or read rows on their way.
_REQUIRED = {
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.network.crypto.saslFallback": "false",
    # Left out, the driver listens where the host's name leads.
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    # Left out, it is on, and listens on every address.
    "spark.ui.enabled": "false",
}
# Executors that come and go are other parts of the same work; the port takes submissions without the secret.
_NEVER_OTHER = {"spark.dynamicAllocation.enabled": "false", "spark.master.rest.enabled": "false"}
_DAEMONS = ("spark.authenticate", "spark.network.crypto.")


@dataclass(frozen=True)
class Workers:
    """The workers that a file declares: how many, and what each has.

    Attributes:
        count: Workers, each with one executor.
        cores: Cores of each.
        megabytes: Heap of each executor.
    """

    count: int
    cores: int
    megabytes: int


@dataclass(frozen=True)
class Member:
    """An executor that registered, as it was found.

    Attributes:
        executor: Spark's id of it.
        cores: Cores it registered with.
        megabytes: Heap its process was started with; None where the process can't be seen.
        java_options: Options its process was started with.
        pid: Of its process; None where that can't be seen.
    """

    executor: str
    cores: int
    megabytes: int | None
    java_options: tuple[str, ...] = ()
    pid: int | None = None


def declared_workers(cluster: ClusterFile) -> Workers:
    """The workers of a standalone cluster's file.

    Raises:
        BadInput: The file is of another kind, or lacks what a standalone cluster needs; names the setting.
    """
    where = f"envs/clusters/{cluster.name}.json"
    if cluster.kind != STANDALONE:
        raise BadInput(
            "only a standalone cluster is started and ended",
            where=where,
            stored=cluster.master,
            expected="a master spark://127.0.0.1:0",
        )
    if not 1 <= cluster.num_workers <= _MOST_WORKERS:
        raise BadInput(
            "a standalone cluster can't have this number of workers",
            where=where,
            stored=f"num_workers {cluster.num_workers}",
            expected=f"1 to {_MOST_WORKERS}, for which one address has ports",
        )
    _refuse_variables(cluster, where)
    for setting, value in _REQUIRED.items():
        _require(cluster, setting, value, where)
    for setting, value in _NEVER_OTHER.items():
        if setting in cluster.spark_conf:
            _require(cluster, setting, value, where)
    if any("secret" in setting for setting in cluster.spark_conf):
        raise BadInput(
            "a cluster file is read by everybody and can't hold a secret",
            where=where,
            fix="Leave it out: `repro cluster up` makes one",
        )
    cores = _whole_number(cluster, _CORES, where)
    _require(cluster, _ALL_CORES, str(cores * cluster.num_workers), where)
    return Workers(cluster.num_workers, cores, megabytes(_setting(cluster, _MEMORY, where), where))


def require_members(cluster: ClusterFile, members: Sequence[Member]) -> None:
    """Compare the executors that registered with those that the file declares.

    Raises:
        ClusterMismatch: Every setting that differs, in one line.
    """
    declared = declared_workers(cluster)
    wrong = [] if len(members) == declared.count else [f"num_workers is {len(members)}, declared {declared.count}"]
    options = cluster.spark_conf.get(JAVA_OPTIONS, "").split()
    for member in members:
        if member.cores != declared.cores:
            wrong.append(f"{_CORES} is {member.cores} in executor {member.executor}, declared {declared.cores}")
        if member.megabytes is not None and member.megabytes != declared.megabytes:
            wrong.append(
                f"{_MEMORY} is {member.megabytes}m in executor {member.executor}, declared {declared.megabytes}m"
            )
        missing = [option for option in options if option not in member.java_options]
        if member.megabytes is not None and missing:
            wrong.append(f"{JAVA_OPTIONS} lacks {' '.join(missing)} in executor {member.executor}")
    if wrong:
        raise ClusterMismatch(
            f"cluster {cluster.name} is not what its file says",
            stored="; ".join(wrong),
            fix=f"Run `repro cluster down {cluster.name}` and `repro cluster up {cluster.name}`, then start again",
        )


def megabytes(size: str, where: str) -> int:
    """A size in Java's form (`512m`, `2g`) in MiB.

    Raises:
        BadInput: It has another form, or no process could hold it.
    """
    match = _SIZE.fullmatch(size)
    if not match or not int(match["number"]):
        raise BadInput("not a size of memory", where=where, stored=repr(size), expected="for example 512m or 2g")
    found = int(match["number"]) * (1024 if match["unit"].lower() == "g" else 1)
    if found > _MOST_MEGABYTES:
        raise BadInput(
            "more memory than a process can address", where=where, stored=repr(size), expected=f"{_MOST_MEGABYTES}m"
        )
    return found


def settings_of_daemons(cluster: ClusterFile) -> Mapping[str, str]:
    """Settings that master and workers share with whoever joins them: authentication and encryption."""
    return {name: value for name, value in cluster.spark_conf.items() if name.startswith(_DAEMONS)}


def _refuse_variables(cluster: ClusterFile, where: str) -> None:
    """What a variable holds is not known here, and master and workers are not given it."""
    fixed = {*_REQUIRED, *_NEVER_OTHER}
    held = sorted(name for name in cluster.variables if name in fixed or name.startswith(_DAEMONS))
    if held:
        raise BadInput(
            "a standalone cluster can't read this setting from a variable",
            where=where,
            stored=", ".join(held),
            expected="its value",
        )


def _setting(cluster: ClusterFile, name: str, where: str) -> str:
    if name not in cluster.spark_conf:
        raise BadInput("a standalone cluster's file lacks a setting", where=where, expected=f"{name} in spark_conf")
    return cluster.spark_conf[name]


def _require(cluster: ClusterFile, name: str, value: str, where: str) -> None:
    found = _setting(cluster, name, where)
    if found != value:
        raise BadInput(
            "a standalone cluster can't have this setting", where=where, stored=f"{name} {found}", expected=value
        )


def _whole_number(cluster: ClusterFile, name: str, where: str) -> int:
    found = _setting(cluster, name, where)
    if not re.fullmatch(r"[1-9]\d{0,3}", found):
        raise BadInput("not a number of cores", where=where, stored=f"{name} {found}", expected="1 or more")
    return int(found)
