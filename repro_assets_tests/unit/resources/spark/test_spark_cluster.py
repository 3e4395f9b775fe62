"""Cluster files by name, and what is refused before a JVM starts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, ClusterMismatch, EditedUnderOldName
from repro_assets.resources.spark import spark_cluster
from repro_assets.resources.spark.spark_cluster import load_cluster, prepare_environment
from repro_assets.settings import Settings

LOCAL = settings_module.load({}).envs / "clusters" / "local-v1.json"


@pytest.fixture
def envs(state: Settings, tmp_path: Path) -> Settings:
    """Settings with an `envs/` of their own, which holds the default cluster alone."""
    folder = tmp_path / "envs"
    (folder / "clusters").mkdir(parents=True)
    (folder / "clusters" / LOCAL.name).write_bytes(LOCAL.read_bytes())
    register(folder)
    return dataclasses.replace(state, envs=folder)


def register(folder: Path) -> None:
    """Make `digests.lock` name every file as it stands."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  clusters/{path.name}\n"
        for path in sorted((folder / "clusters").iterdir())
    ]
    (folder / "digests.lock").write_text("".join(lines))


def test_a_cluster_is_found_by_its_name(envs) -> None:
    cluster = load_cluster("local-v1", envs)

    assert cluster.name == "local-v1"
    assert cluster.sha256 == hashlib.sha256(LOCAL.read_bytes()).hexdigest()


def test_a_cluster_that_there_isn_t_is_refused_with_those_that_there_are(envs) -> None:
    with pytest.raises(BadInput, match=r"no such cluster file.*one of: local-v1"):
        load_cluster("huge-v1", envs)


@pytest.mark.parametrize("name", ["../clusters/local-v1", "local-v1.json", "", "LOCAL-V1"], ids=repr)
def test_what_is_no_name_is_refused(envs, name) -> None:
    with pytest.raises(BadInput, match="not a cluster name"):
        load_cluster(name, envs)


def test_an_edited_cluster_under_its_old_name_is_refused(envs) -> None:
    path = envs.envs / "clusters" / "local-v1.json"
    path.write_text(path.read_text().replace('"2g"', '"3g"'))

    with pytest.raises(EditedUnderOldName, match=r"local-v1\.json"):
        load_cluster("local-v1", envs)


def test_a_cluster_that_is_not_registered_is_refused(envs) -> None:
    (envs.envs / "clusters" / "new-v1.json").write_bytes(LOCAL.read_bytes())

    with pytest.raises(BadInput, match="not registered"):
        load_cluster("new-v1", envs)


_OPEN = """
import sys
from repro_assets.errors import ClusterMismatch
from repro_assets.resources.spark.spark_cluster import open_session

try:
    open_session(sys.argv[1])
except ClusterMismatch as refused:
    print(refused)
from pyspark import SparkContext
print("JVM", SparkContext._gateway)
"""


def refused(cluster: str, envs: Settings, **environment: str) -> list[str]:
    """What a fresh process says that opens a cluster, and whether a JVM was started for it."""
    done = subprocess.run(
        [sys.executable, "-c", _OPEN, cluster],
        env={**os.environ, **envs.variables(), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_other_threads_than_the_file_s_are_refused_with_the_command_and_without_a_jvm(envs) -> None:
    message, jvm = refused("local-v1", envs, OMP_NUM_THREADS="2")

    assert "Run `env OMP_NUM_THREADS=1 repro …`" in message
    assert jvm == "JVM None"


def test_a_cluster_of_another_spark_is_refused_without_a_jvm(envs) -> None:
    document = {**json.loads(LOCAL.read_text()), "spark_version": "3.5.0"}
    (envs.envs / "clusters" / "old-v1.json").write_text(json.dumps(document))
    register(envs.envs)

    message, jvm = refused("old-v1", envs)

    assert "for another Spark" in message
    assert "expected 3.5.0" in message
    assert jvm == "JVM None"


@pytest.mark.parametrize(
    "name",
    [
        *("SPARK_HOME", "SPARK_MASTER_HOST", "SPARK_DIST_CLASSPATH", "PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT"),
        *("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "HADOOP_CONF_DIR", "YARN_CONF_DIR"),
    ],
)
def test_what_would_bring_in_another_spark_or_its_settings_is_taken_out(name) -> None:
    environment = {name: "planted", "PATH": "/bin"}

    prepare_environment(environment)

    assert name not in environment
    assert environment["PATH"] == "/bin"


def test_settings_and_interpreter_are_the_project_s_whatever_was_set() -> None:
    environment = {"SPARK_CONF_DIR": "/planted", "PYSPARK_PYTHON": "/planted/python"}

    prepare_environment(environment)

    assert environment["SPARK_CONF_DIR"] == str(Path(spark_cluster.__file__).parent / "spark_conf")
    assert environment["PYSPARK_PYTHON"] == sys.executable


def test_where_this_host_listens_and_keeps_scratch_files_stays() -> None:
    kept = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": "/scratch"}
    environment = dict(kept)

    prepare_environment(environment)

    assert environment.items() >= kept.items()


def test_a_session_of_another_spark_is_refused(envs) -> None:
    with pytest.raises(ClusterMismatch, match=r"another Spark than the session's: stored 3\.4\.1"):
        spark_cluster._require_declared(load_cluster("local-v1", envs), SimpleNamespace(version="3.4.1"))


@pytest.mark.parametrize(
    "ask", [spark_cluster.require_process, spark_cluster.receipt], ids=["before", "in the receipt"]
)
def test_threads_are_asked_for_where_nothing_needs_spark_too(envs, monkeypatch, ask) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")

    with pytest.raises(ClusterMismatch, match=r"needs other variables.*Run `env OMP_NUM_THREADS=1 repro …`"):
        ask(load_cluster("local-v1", envs))


def test_a_stage_of_another_cluster_than_the_session_s_has_no_receipt_here(envs, monkeypatch) -> None:
    cluster = load_cluster("local-v1", envs)
    monkeypatch.setattr(spark_cluster._Process, "cluster", dataclasses.replace(cluster, name="other", sha256="0" * 64))

    with pytest.raises(ClusterMismatch, match="already runs another cluster: stored other, expected local-v1"):
        spark_cluster.receipt(cluster)


_LATE = """
import os
{act}
from repro_assets import settings
from repro_assets.errors import ClusterMismatch
from repro_assets.resources.spark.spark_cluster import load_cluster, receipt

try:
    receipt(load_cluster("local-v1", settings.load()))
except ClusterMismatch as refused:
    print(refused)
"""
_SET_AFTERWARDS = """
import numpy
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
"""
_ASKED_FOR = """
import numpy, threadpoolctl
threadpoolctl.threadpool_limits(2)
"""


@pytest.mark.skipif(os.cpu_count() == 1, reason="a library takes no second thread on one core")
@pytest.mark.parametrize(
    ("act", "threads"), [(_SET_AFTERWARDS, "2"), (_ASKED_FOR, "1")], ids=["variables set too late", "a step's own"]
)
def test_the_threads_of_loaded_libraries_are_compared_and_not_only_variables(envs, act, threads) -> None:
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    done = subprocess.run(
        [sys.executable, "-c", _LATE.format(act=act)],
        env={**os.environ, **envs.variables(), **variables},
        capture_output=True,
        text=True,
        check=True,
    )

    assert re.search(r"openblas [\d.]+ works in 2 threads, declared 1", done.stdout)
