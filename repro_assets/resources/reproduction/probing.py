"""Repeats a run under other circumstances, each time in a process and with a lake of its own, nothing reused.

A trial is a reproduction (`reproducing`) whose cluster file or environment variables are not the run's: the same code,
the same environment, the raw rows by their pins.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput
from repro_assets.pins.compute import STANDALONE, ClusterFile, parse_cluster
from repro_assets.pins.contract import Result
from repro_assets.pins.probe_effect import effective, not_as_asked
from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.tolerance import Trial, Variant
from repro_assets.pins.verdict import Verdict
from repro_assets.pins.version_file import verified_bytes
from repro_assets.resources.reproduction.reproducing import Conditions, Way, reproduce
from repro_assets.resources.spark.standalone_cluster import end, up
from repro_assets.settings import THREAD_VARIABLES, Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_MASTER = "spark.master"
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
_EXECUTOR_OPTIONS = "spark.executor.extraJavaOptions"
_OTHER_THREADS = 2
# Kernels by the oldest instruction set that they need; each runs on every newer CPU.
_KERNELS = {"x86_64": ("Nehalem", "Haswell"), "aarch64": ("ARMV8",)}
_NEEDS = {"Haswell": "AVX2"}


def standard_variants() -> list[Variant]:
    """What is varied without being asked for, as far as this CPU can."""
    from numpy._core._multiarray_umath import __cpu_dispatch__ as dispatched  # numpy says it nowhere else
    from numpy._core._multiarray_umath import __cpu_features__ as features

    kernels = [name for name in _KERNELS.get(platform.machine(), ()) if features.get(_NEEDS.get(name, ""), True)]
    disabled = " ".join(name for name in dispatched if features.get(name))
    return [
        Variant("as it was"),
        Variant("one core", settings={_MASTER: "local[1]"}),
        Variant("seven shuffle partitions", settings={"spark.sql.shuffle.partitions": "7"}),
        Variant("maxPartitionBytes 8k", settings={"spark.sql.files.maxPartitionBytes": "8192"}),
        Variant(f"{_OTHER_THREADS} threads", threads=_OTHER_THREADS),
        # Spark ML adds up by the CPU's vectors where Java can: narrower ones are another CPU to it.
        Variant("Java vectors of 16 bytes", settings={_JAVA_OPTIONS: "-XX:MaxVectorSize=16"}),
        Variant("hash seed 1", variables={"PYTHONHASHSEED": "1"}),
        *(Variant(f"BLAS kernel {name}", variables={"OPENBLAS_CORETYPE": name}) for name in kernels),
        *([Variant("numpy without dispatch", variables={"NPY_DISABLE_CPU_FEATURES": disabled})] if disabled else []),
    ]


def try_variant(client: MlflowClient, parent: Run, variant: Variant, way: Way) -> tuple[Trial, RunRecord | None]:
    """Repeat a run under a variant.

    Args:
        client: Bound to the live store.
        parent: The run.
        variant: What is to be other than it was.
        way: How; its conditions are set here.

    Returns:
        What came of it, and what the run recorded; None where that can't be read.

    Raises:
        BadInput: There is no such cluster file, or the run did not finish.
        Blocked: Its cluster file is gone.
        ClusterUnavailable: A standalone cluster of a varied file does not come up.
        Outside: The process did not come to an answer.
    """
    cluster = _cluster(client, parent, variant, way.settings)
    conditions = Conditions(cluster=cluster, variables=dict(variant.variables))
    with _standing(cluster, variant, way):
        found = reproduce(client, parent, replace(way, conditions=conditions))
    trial = _trial(variant, found.verdict, found.result)
    return replace(trial, cluster_sha256=hashlib.sha256(cluster[1]).hexdigest() if cluster else None), found.record


@contextmanager
def _standing(cluster: tuple[str, bytes] | None, variant: Variant, way: Way) -> Generator[None]:
    """A standalone cluster of a varied file is up for its trial alone: no other one was started with its settings."""
    varied_file = parse_cluster(cluster[0], cluster[1].decode()) if cluster and variant.cluster is None else None
    if varied_file is None or varied_file.kind != STANDALONE:
        yield
        return
    try:
        up(varied_file, way.settings, way.report)
        yield
    finally:
        end(varied_file.name, way.settings, way.report)


def _trial(variant: Variant, verdict: Verdict, result: Result | None) -> Trial:
    digests = {stage.asset: stage.found for stage in verdict.stages if stage.found is not None}
    moved = tuple(stage.asset for stage in verdict.stages if stage.found is not None and not stage.equal)
    distance = verdict.closeness
    unknown = None if moved else 0.0
    receipt = _receipt(result)
    return Trial(
        variant,
        digests,
        moved,
        probability=distance.probability if distance else unknown,
        score=distance.score if distance else unknown,
        decisions=distance.decisions if distance else 0,
        uncovered=(*(distance.uncovered if distance else ()), *(f"not compared: {it}" for it in verdict.not_compared)),
        reasons=(*verdict.reasons, *not_as_asked(variant, receipt)),
        seconds=verdict.seconds,
        effective=effective(receipt) if receipt else None,
    )


def _receipt(result: Result | None) -> Mapping[str, Any] | None:
    """What the last stage of a trial computed with; None where it did not come to one."""
    manifests = [stage.manifest for stage in result.stages.values()] if result else []
    return manifests[-1]["pins"]["compute"]["effective"] if manifests else None


def _cluster(client: MlflowClient, parent: Run, variant: Variant, settings: Settings) -> tuple[str, bytes] | None:
    """The cluster file of a variant: one of `envs/clusters`, or the run's own with what is varied written into it."""
    if variant.cluster is not None:
        path = settings.envs / "clusters" / f"{variant.cluster}.json"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in path.parent.glob("*.json")))
            raise BadInput("no such cluster file", where=path, expected=f"one of: {known}")
        return variant.cluster, verified_bytes(path)
    if not variant.settings and variant.threads is None:
        return None
    own = own_cluster(client, parent)
    # Of two probes at once neither may end the other's cluster.
    name = f"{own.name}-probe-{os.getpid()}" if own.kind == STANDALONE else f"{own.name}-probe"
    return name, varied(json.loads(own.text), variant)


def varied(cluster: dict[str, Any], variant: Variant) -> bytes:
    """A cluster file with a variant's settings and threads in it; Java options are added to those that it has."""
    settings = dict(variant.settings)
    if added := settings.pop(_JAVA_OPTIONS, None):
        # Where there are workers, it is their executors that fit.
        names = [_JAVA_OPTIONS] if _is_local(cluster) else [_JAVA_OPTIONS, _EXECUTOR_OPTIONS]
        settings |= {name: f"{cluster['spark_conf'].get(name, '')} {added}".strip() for name in names}
    own = {**cluster["repro"], "master": settings.pop(_MASTER, cluster["repro"]["master"])}
    threads = {} if variant.threads is None else dict.fromkeys(THREAD_VARIABLES, str(variant.threads))
    changed = {
        **cluster,
        "spark_conf": {**cluster["spark_conf"], **settings},
        "spark_env_vars": {**cluster.get("spark_env_vars", {}), **threads},
        "repro": own,
    }
    return json.dumps(changed, indent=2).encode()


def fits(variant: Variant, cluster: ClusterFile) -> bool:
    """Whether a variant can be written into a cluster file: one with workers can't run inside the driver."""
    return cluster.kind != STANDALONE or _MASTER not in variant.settings


def _is_local(cluster: Mapping[str, Any]) -> bool:
    return str(cluster["repro"]["master"]).startswith("local")


def own_cluster(client: MlflowClient, parent: Run) -> ClusterFile:
    """The cluster file that a run recorded.

    Raises:
        Blocked: It is gone.
        DataDamaged: It is not the one that the manifest names.
    """
    from repro_assets.resources.tracking.run_records import load_record, verified_artifact

    record = load_record(client, parent)
    declared = record.compute["declared"]
    content = verified_artifact(client, record.last.mlflow_run_id, "cluster.json", str(declared["sha256"]))
    return parse_cluster(str(declared["name"]), content.decode())
