"""The session of a cluster file: one per process, and really what the file says."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import ClusterMismatch
from repro_assets.pins.compute import ClusterFile, parse_cluster, require_effective
from repro_assets.resources.spark.effective_settings import effective_settings, standing_settings
from repro_assets.resources.spark.receipt import compute_receipt
from repro_assets.resources.spark.spark_cluster import (
    SparkClusterResource,
    lazy_resource,
    load_cluster,
    open_session,
    receipt,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


@pytest.fixture
def cluster() -> ClusterFile:
    """The file that the session was opened from."""
    return load_cluster("local-v1", settings_module.load())


@pytest.fixture
def other(cluster: ClusterFile) -> ClusterFile:
    """A cluster that differs in one setting."""
    document = json.loads(cluster.text)
    document["spark_conf"]["spark.sql.shuffle.partitions"] = "7"
    return parse_cluster("other-v1", json.dumps(document))


def test_the_same_cluster_again_is_the_same_session(spark: SparkSession, cluster) -> None:
    assert open_session(cluster) is spark
    assert open_session("local-v1") is spark


def test_another_cluster_in_the_same_process_is_refused_with_what_to_do(spark: SparkSession, other) -> None:
    with pytest.raises(ClusterMismatch, match=r"stored local-v1, expected other-v1.*--cluster other-v1"):
        open_session(other)

    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"


def test_a_cluster_that_only_looks_the_same_is_another(spark: SparkSession, cluster) -> None:
    with pytest.raises(ClusterMismatch):
        open_session(dataclasses.replace(cluster, sha256="0" * 64))


def test_every_declared_setting_is_read_back_from_context_and_session(spark: SparkSession, cluster) -> None:
    effective = effective_settings(cluster, spark)

    require_effective(cluster, effective)
    read = set(effective["SparkContext"]) & set(effective["session"]) | set(effective["jvm"])
    assert read == set(cluster.settings())


def test_a_setting_that_somebody_changed_in_the_session_is_found(spark: SparkSession, cluster) -> None:
    spark.conf.set("spark.sql.shuffle.partitions", "200")
    try:
        with pytest.raises(ClusterMismatch, match=r"spark\.sql\.shuffle\.partitions is '200' in session"):
            require_effective(cluster, effective_settings(cluster, spark))
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", "2")


def test_a_setting_that_somebody_changed_in_hadoop_is_found(spark: SparkSession, cluster) -> None:
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    hadoop.set("parquet.page.verify-checksum.enabled", "false")
    try:
        with pytest.raises(ClusterMismatch, match=r"verify-checksum\.enabled is 'false' in hadoop"):
            require_effective(cluster, effective_settings(cluster, spark))
    finally:
        hadoop.set("parquet.page.verify-checksum.enabled", "true")


def test_a_setting_that_is_not_in_the_file_and_that_a_step_changed_stops_the_receipt(
    spark: SparkSession, cluster
) -> None:
    receipt(cluster)
    spark.conf.set("spark.sql.ansi.enabled", "false")
    try:
        with pytest.raises(ClusterMismatch, match=r"spark\.sql\.ansi\.enabled is 'false' in session, was not set"):
            receipt(cluster)
    finally:
        spark.conf.unset("spark.sql.ansi.enabled")
    receipt(cluster)


def test_what_a_step_sets_or_unsets_in_hadoop_stops_the_receipt(spark: SparkSession, cluster) -> None:
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    codec = hadoop.get("io.seqfile.compress.blocksize")
    hadoop.set("parquet.compression", "none")
    hadoop.unset("io.seqfile.compress.blocksize")
    try:
        with pytest.raises(ClusterMismatch, match=r"blocksize is not set in hadoop.*parquet\.compression is 'none'"):
            receipt(cluster)
    finally:
        hadoop.unset("parquet.compression")
        hadoop.set("io.seqfile.compress.blocksize", codec)


def test_defaults_that_hadoop_reads_later_are_no_change(spark: SparkSession, cluster) -> None:
    read = standing_settings(spark, known=["fs.defaultFS"])["hadoop"]

    assert "fs.defaultFS" in read
    assert "io.seqfile.lazydecompress" not in read
    assert read["parquet.page.verify-checksum.enabled"] == "true"


def test_a_step_with_a_session_of_its_own_title_writes_merges_and_reads_delta_without_a_change_of_any_setting(
    spark: SparkSession, cluster, tmp_path
) -> None:
    table = str(tmp_path / "table")
    assert spark.Builder().appName("a step's own").getOrCreate() is spark
    spark.range(10).write.format("delta").save(table)
    spark.range(5, 15).createOrReplaceTempView("newer")
    spark.sql(f"MERGE INTO delta.`{table}` t USING newer n ON t.id = n.id WHEN NOT MATCHED THEN INSERT *")
    spark.sql(f"OPTIMIZE delta.`{table}`")

    assert spark.read.format("delta").load(table).toPandas()["id"].sum() == sum(range(15))
    receipt(cluster)


def test_the_heap_is_the_one_of_the_file(spark: SparkSession, cluster) -> None:
    arguments = list(spark._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments())

    assert f"-Xmx{cluster.driver_memory}" in arguments
    assert effective_settings(cluster, spark)["jvm"]["spark.driver.memory"] == cluster.driver_memory
    assert 1.5e9 < spark._jvm.java.lang.Runtime.getRuntime().maxMemory() <= 2 * 2**30


def test_the_declared_options_of_the_jvm_are_in_force(spark: SparkSession, cluster) -> None:
    declared = cluster.spark_conf["spark.driver.extraJavaOptions"]

    assert effective_settings(cluster, spark)["jvm"]["spark.driver.extraJavaOptions"] == declared
    assert spark._jvm.java.util.TimeZone.getDefault().getID() == "UTC"


def test_workers_run_in_this_environment(spark: SparkSession) -> None:
    (worker,) = spark.range(1).rdd.map(lambda _: sys.executable).collect()

    assert worker == sys.executable


_FOREIGN_SESSION = """
from pyspark.sql import SparkSession

foreign = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()

from repro_assets.errors import ClusterMismatch
from repro_assets.resources.spark.spark_cluster import open_session

try:
    open_session()
except ClusterMismatch as refused:
    print(refused)
finally:
    foreign.stop()
"""


def test_a_session_that_somebody_opened_before_is_not_taken_for_the_declared_one() -> None:
    """Asked again, Spark returns the old context and lets `spark.conf` repeat the new settings."""
    done = subprocess.run(
        [sys.executable, "-c", _FOREIGN_SESSION], env=dict(os.environ), capture_output=True, text=True, check=True
    )

    (message,) = done.stdout.splitlines()
    assert "spark.master is 'local[1]' in SparkContext, declared 'local[2]'" in message
    assert "fresh process" in message


def test_a_jar_and_files_that_a_step_adds_stop_the_receipt(tmp_path) -> None:
    """In a process of its own: a session can't let go of a jar."""
    with zipfile.ZipFile(tmp_path / "more.jar", "w") as jar:
        jar.writestr("empty", "")
    done = subprocess.run(
        [sys.executable, "-c", _ADDED, str(tmp_path / "more.jar")],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )

    assert "files than its file names: stored more.jar was added; more.py was added; more.txt was added" in done.stdout


_ADDED = """
import sys
from pathlib import Path
from repro_assets import settings
from repro_assets.errors import ClusterMismatch
from repro_assets.resources.spark.spark_cluster import load_cluster, open_session, receipt

session = open_session()
session.sql(f"ADD JAR '{sys.argv[1]}'")
for add, name in ((session.sparkContext.addPyFile, "more.py"), (session.sparkContext.addFile, "more.txt")):
    path = Path(sys.argv[1]).with_name(name)
    path.touch()
    add(str(path))
try:
    receipt(load_cluster("local-v1", settings.load()))
except ClusterMismatch as refused:
    print(refused)
"""
_REFUSED_BY_SPARK = """
import json, sys
from repro_assets import settings
from repro_assets.errors import ReproError
from repro_assets.pins.compute import parse_cluster
from repro_assets.resources.spark.spark_cluster import open_session

document = json.loads((settings.load().envs / "clusters" / "local-v1.json").read_text())
document["spark_conf"][sys.argv[1]] = sys.argv[2]
try:
    open_session(parse_cluster("other-v1", json.dumps(document)))
except ReproError as refused:
    print(refused.exit_code, refused)
"""


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("spark.executor.memoryOverhead", "x", "'x' in the config \"spark.executor.memoryOverhead\" is invalid"),
        ("spark.sql.session.timeZone", "Mars/Phobos", "'Mars/Phobos' in the config \"spark.sql.session.timeZone\" is"),
        ("spark.sql.catalog.spark_catalog", "org.nowhere.Catalog", "Cannot find catalog plugin class for catalog"),
    ],
    ids=["by the context", "by the session's first question", "by its first table"],
)
def test_a_file_that_spark_refuses_is_one_line_in_spark_s_own_words(setting, value, said) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _REFUSED_BY_SPARK, setting, value],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )

    (message,) = done.stdout.splitlines()
    assert message.startswith("2 Spark refuses cluster other-v1 [envs/clusters/other-v1.json]: stored ")
    assert said in message


# --- page checksums ---------------------------------------------------------------------------------------------

MARKED = 0x1122334455667788


def flipped(folder: Path, *, checksums: bool) -> str:
    """A Parquet file with one bit of a value flipped after it was written."""
    path = folder / "flipped.parquet"
    table = pa.table({"value": pa.array([MARKED] * 4, pa.int64())})
    pq.write_table(
        table,
        path,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=checksums,
    )
    content = bytearray(path.read_bytes())
    content[content.index(MARKED.to_bytes(8, "little"))] ^= 1
    path.write_bytes(content)
    return path.as_uri()


def test_a_flipped_bit_in_a_page_is_found_when_spark_reads_it(spark: SparkSession, tmp_path) -> None:
    from py4j.protocol import Py4JJavaError

    frame = spark.read.parquet(flipped(tmp_path, checksums=True))

    with pytest.raises(Py4JJavaError, match="CRC checksum verification failed"):
        frame.collect()


def test_the_same_bit_is_silently_wrong_where_the_writer_left_checksums_out(spark: SparkSession, tmp_path) -> None:
    """Why the test above can only pass through the page checksum."""
    values = [row.value for row in spark.read.parquet(flipped(tmp_path, checksums=False)).collect()]

    assert values == [MARKED ^ 1, MARKED, MARKED, MARKED]


# --- as a Dagster resource, and in the receipt ------------------------------------------------------------------


def test_the_resource_gives_assets_the_session_of_its_file(spark: SparkSession, cluster) -> None:
    resource = SparkClusterResource(name="local-v1").create_resource(None)

    assert resource.cluster == cluster
    assert resource.spark_session is spark
    assert resource.opened_session is spark


def test_the_resource_of_another_cluster_is_refused_on_first_use_only(spark: SparkSession, other) -> None:
    resource = lazy_resource(other)

    with pytest.raises(ClusterMismatch):
        _ = resource.spark_session


def test_the_receipt_says_what_the_session_runs_on(spark: SparkSession, cluster) -> None:
    found = compute_receipt(spark)["spark"]

    assert (found["version"], found["master"]) == (cluster.spark_version, "local[2]")
    assert (found["default_parallelism"], found["executors"]) == (2, 1)
    assert int(found["java"].split(".")[0]) >= 17
    assert (found["cores"], [member["executor"] for member in found["members"]]) == (2, ["driver"])
    assert found["jars"] == {jar.file_name: jar.sha256 for jar in cluster.jars}


def test_settings_in_the_receipt_are_those_of_the_file_and_those_that_are_not_spark_s_defaults(
    spark: SparkSession, cluster
) -> None:
    found = compute_receipt(spark, declared=cluster.settings())["spark"]["settings"]

    assert set(cluster.settings()) <= set(found)
    # Spark states it in its SparkContext though nobody set it, and its entry of it says the same.
    assert "spark.submit.deployMode" not in found
    assert "spark.ui.showConsoleProgress" not in compute_receipt(spark)["spark"]["settings"]


_PLANTED = """
from repro_assets.resources.spark.spark_cluster import close_session, open_session

session = open_session()
print(session.version, session.conf.get("spark.planted", "not read"))
close_session()
"""


def test_neither_another_spark_nor_its_settings_come_in_by_the_environment(cluster, tmp_path) -> None:
    (tmp_path / "spark-defaults.conf").write_text("spark.planted read\n")
    planted = {
        "SPARK_CONF_DIR": str(tmp_path),
        "SPARK_HOME": str(tmp_path / "no-spark"),
        "PYSPARK_SUBMIT_ARGS": "--conf spark.planted=read pyspark-shell",
    }

    done = subprocess.run(
        [sys.executable, "-c", _PLANTED], env={**os.environ, **planted}, capture_output=True, text=True, check=True
    )

    assert done.stdout.split("\n")[-2] == f"{cluster.spark_version} not read"
