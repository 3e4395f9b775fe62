"""What a cluster file must not say before anything is run on it, and that a recorded one stays readable."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk.service.compute import ClusterSpec

from repro_assets.errors import BadInput
from repro_assets.pins.cluster_use import FIELDS, autoscale_of, require_usable
from repro_assets.pins.compute import ClusterFile, parse_cluster

COMMITTED = {
    path.stem: path.read_text() for path in (Path(__file__).resolve().parents[3] / "envs" / "clusters").glob("*.json")
}
LOCAL, STANDALONE, DATABRICKS = "local-v1", "standalone-2x1-v1", "databricks-15-4-v1"
OPTIONS = ("spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions", "spark.driver.defaultJavaOptions")


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> ClusterFile:
    """A committed file with a change; it is read, as that of a past run has to be."""
    document = copy.deepcopy(json.loads(COMMITTED[name]))
    change(document)
    return parse_cluster(name, json.dumps(document, indent=2))


def with_setting(name: str, setting: str, value: object = "x") -> ClusterFile:
    return changed(name, lambda document: document["spark_conf"].update({setting: value}))


def refusal(cluster: ClusterFile) -> str:
    with pytest.raises(BadInput) as refused:
        require_usable(cluster)
    message = str(refused.value)
    assert message.isprintable()
    assert f"envs/clusters/{cluster.name}.json" in message
    return message


@pytest.mark.parametrize("name", sorted(COMMITTED))
def test_a_committed_file_can_be_used(name) -> None:
    require_usable(parse_cluster(name, COMMITTED[name]))


def test_the_fields_are_those_of_the_vendor_s_type() -> None:
    assert set(ClusterSpec.__dataclass_fields__) == FIELDS


def test_all_unknown_fields_are_named() -> None:
    message = refusal(changed(LOCAL, lambda document: document.update(colour="red", workers=3)))

    assert "colour is no field of it; workers is no field of it" in message


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ('"spark_version": ', '"spark_version": "3.5.0",'),
        ('"spark.sql.shuffle.partitions": ', '"spark.sql.shuffle.partitions": "7",'),
        ('"OMP_NUM_THREADS": ', '"OMP_NUM_THREADS": "4",'),
        ('"driver_memory": ', '"driver_memory": "1g",'),
    ],
    ids=["a field", "a setting", "a variable", "a field of our section"],
)
def test_a_name_that_stands_twice_is_refused_with_the_second_s_line_and_stays_readable(first, again) -> None:
    """Of two JSON keeps the last, and whoever reads the file may see the first."""
    text = COMMITTED[LOCAL].replace(first, f"{again}\n{first}", 1)
    line = 2 + text[: text.index(again)].count("\n")

    message = refusal(parse_cluster(LOCAL, text))

    assert f"a cluster file says a field twice [envs/clusters/{LOCAL}.json:{line}]" in message
    assert first.split('"')[1] in message


def test_of_a_name_that_stands_in_another_object_too_no_line_is_said() -> None:
    twice = COMMITTED[LOCAL].replace('"driver_memory": ', '"driver_memory": "1g",\n"driver_memory": ')
    twice = twice.replace("{", '{"driver_memory": "1g",', 1)

    message = refusal(parse_cluster(LOCAL, twice))

    assert f"a cluster file says a field twice [envs/clusters/{LOCAL}.json]" in message
    assert "driver_memory" in message


@pytest.mark.parametrize("name", [LOCAL, STANDALONE, DATABRICKS])
@pytest.mark.parametrize(
    "setting",
    [
        "spark.jars",
        "spark.jars.packages",
        "spark.jars.ivySettings",
        "spark.jars.repositories",
        "spark.files",
        "spark.archives",
        "spark.submit.pyFiles",
        "spark.driver.extraClassPath",
        "spark.executor.extraClassPath",
        "spark.executor.extraLibraryPath",
        "spark.pyspark.python",
        "spark.pyspark.driver.python",
        "spark.python.worker.module",
        "spark.sql.hive.metastore.jars",
        "spark.executorEnv.PYTHONPATH",
        "spark.executorEnv.LD_PRELOAD",
        "spark.executorEnv.SPARK_LOCAL_IP",
    ],
)
def test_a_setting_that_brings_in_undeclared_code_is_refused_with_its_line(name, setting) -> None:
    cluster = with_setting(name, setting)
    message = refusal(cluster)
    line = next(number for number, text in enumerate(cluster.text.splitlines(), 1) if f'"{setting}"' in text)

    assert f"the setting {setting} brings in" in message
    assert f"{name}.json:{line}]" in message
    assert "Name a jar in `jars`" in message


def test_a_variable_that_holds_undeclared_code_is_refused_too() -> None:
    assert "spark.jars.packages brings in" in refusal(with_setting(LOCAL, "spark.jars.packages", {"env": "PACKAGES"}))


@pytest.mark.parametrize("setting", OPTIONS)
@pytest.mark.parametrize(
    "option",
    [
        "-javaagent:/x.jar",
        "-XX:+UseSerialGC -javaagent:/x.jar",
        '-java"agent":/x.jar',
        "'-javaagent:/x.jar'",
        "-java\\agent:/x.jar",
        "-agentlib:jdwp",
        "-agentpath:/x.so",
        "-Xrunjdwp",
        "-Xbootclasspath/a:/x.jar",
        "-cp /x.jar",
        "-classpath /x.jar",
        "--class-path=/x.jar",
        "--module-path /x",
        "--patch-module java.base=/x",
        "@/x/options",
        "-XX:Flags=/x",
        "-XX:OnOutOfMemoryError=/x",
        "-Djava.library.path=/x",
        "-Djava.class.path=/x",
        "-Dspark.master.rest.enabled=true",
    ],
)
def test_an_option_of_java_that_brings_in_undeclared_code_is_refused(setting, option) -> None:
    assert f"the setting {setting} brings in" in refusal(with_setting(LOCAL, setting, option))


@pytest.mark.parametrize("name", [LOCAL, STANDALONE])
@pytest.mark.parametrize("size", ["lots", "-5g", "2", "2t", "0g", "2 g"])
def test_a_heap_of_the_driver_that_java_does_not_take_is_refused_with_its_line(name, size) -> None:
    message = refusal(changed(name, lambda document: document["repro"].update(driver_memory=size)))

    assert f"not a size of memory [envs/clusters/{name}.json:" in message
    assert f"stored '{size}'" in message


@pytest.mark.parametrize("setting", OPTIONS)
@pytest.mark.parametrize("option", ["-Xmx512m", "-XX:+UseSerialGC -Xms1g", '-X"mx"2g', "-XX:MaxHeapSize=1g"])
def test_a_size_of_the_heap_among_java_s_options_is_refused(setting, option) -> None:
    message = refusal(with_setting(LOCAL, setting, option))

    assert f"the setting {setting} holds a size of the heap" in message
    assert "`driver_memory`" in message


@pytest.mark.parametrize(
    "option",
    ["-XX:+UseSerialGC -Duser.timezone=UTC", "-XX:MaxVectorSize=16", "-Xss4m", "-Dsparkle=1", "-cpu"],
)
def test_an_option_of_java_that_loads_nothing_is_a_setting_like_another(option) -> None:
    require_usable(with_setting(LOCAL, "spark.driver.extraJavaOptions", option))


@pytest.mark.parametrize(
    "variable",
    ["SPARK_MASTER_OPTS", "SPARK_DAEMON_JAVA_OPTS", "SPARK_LOCAL_IP", "PYSPARK_PYTHON", "CLASSPATH", "HADOOP_CONF_DIR"],
)
@pytest.mark.parametrize("name", [LOCAL, STANDALONE])
def test_a_variable_of_spark_s_launchers_is_refused(name, variable) -> None:
    message = refusal(changed(name, lambda document: document["spark_env_vars"].update({variable: "1"})))

    assert "not a variable that a cluster file may set" in message
    assert variable in message


@pytest.mark.parametrize("variable", ["SPARKLING", "HADOOP_USER_NAME", "OMP_NUM_THREADS"])
def test_another_variable_may_be_set(variable) -> None:
    require_usable(changed(LOCAL, lambda document: document["spark_env_vars"].update({variable: "1"})))


@pytest.mark.parametrize("master", ["local", "local[*]", "local[0]", "local[02]"])
def test_a_cluster_in_the_driver_names_its_threads(master) -> None:
    message = refusal(changed(LOCAL, lambda document: document["repro"].update(master=master)))

    assert f"stored {master}, expected local[N] with N from 1 up" in message


@pytest.mark.parametrize("master", ["local[1]", "local[64]"])
def test_any_number_of_threads_will_do(master) -> None:
    require_usable(changed(LOCAL, lambda document: document["repro"].update(master=master)))


def test_a_cluster_in_the_driver_has_no_workers() -> None:
    assert "num_workers 3, master local[2]" in refusal(changed(LOCAL, lambda document: document.update(num_workers=3)))


@pytest.mark.parametrize("name", [LOCAL, STANDALONE])
def test_a_cluster_on_this_host_has_a_fixed_number_of_workers(name) -> None:
    def scaled(document: dict[str, Any]) -> None:
        del document["num_workers"]
        document["autoscale"] = {"min_workers": 1, "max_workers": 3}

    assert "fixed number of workers" in refusal(changed(name, scaled))


def test_a_number_of_workers_beside_a_range_is_refused() -> None:
    both = changed(DATABRICKS, lambda document: document.update(autoscale={"min_workers": 1, "max_workers": 8}))

    assert "num_workers and autoscale, expected one of them" in refusal(both)


def test_a_range_of_workers_is_read() -> None:
    def scaled(document: dict[str, Any]) -> None:
        del document["num_workers"]
        document["autoscale"] = {"min_workers": 1, "max_workers": 8}

    cluster = changed(DATABRICKS, scaled)

    require_usable(cluster)
    assert autoscale_of(cluster) == (1, 8)
    assert autoscale_of(parse_cluster(DATABRICKS, COMMITTED[DATABRICKS])) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        {},
        {"min_workers": 1},
        {"min_workers": 8, "max_workers": 1},
        {"min_workers": "1", "max_workers": 8},
        {"min_workers": -1, "max_workers": 8},
        {"min_workers": 0, "max_workers": 0},
        {"min_workers": True, "max_workers": 8},
    ],
    ids=repr,
)
def test_what_is_no_range_of_workers_is_refused(value) -> None:
    assert "not a range of workers" in refusal(changed(DATABRICKS, lambda document: document.update(autoscale=value)))


@pytest.mark.parametrize(
    "version",
    [
        "15.4.x-scala2.12",
        "16.4.x-scala2.13",
        "15.4.x-cpu-ml-scala2.12",
        "15.4.x-gpu-ml-scala2.12",
        "9.1.x-esr-scala2.12",
    ],
)
def test_a_runtime_of_databricks_is_known(version) -> None:
    require_usable(changed(DATABRICKS, lambda document: document.update(spark_version=version)))


@pytest.mark.parametrize("version", ["rubbish", "15.4", "4.2.0", "15.4.x", "15.4.x-scala2.12 "])
def test_what_is_no_runtime_of_databricks_is_refused(version) -> None:
    assert "not a runtime" in refusal(changed(DATABRICKS, lambda document: document.update(spark_version=version)))


def test_a_standalone_cluster_is_held_to_what_its_security_needs() -> None:
    assert "spark.driver.bindAddress" in refusal(with_setting(STANDALONE, "spark.driver.bindAddress", "0.0.0.0"))


@pytest.mark.parametrize("master", ["spark://127.0.0.1:7077", "spark://127.0.0.1:99999", "spark://127.0.0.1:00"])
def test_a_standalone_cluster_s_master_takes_a_free_port(master) -> None:
    message = refusal(changed(STANDALONE, lambda document: document["repro"].update(master=master)))

    assert f"stored {master}, expected spark://127.0.0.1:0" in message


@pytest.mark.parametrize(("name", "cores"), [(LOCAL, 2), (STANDALONE, 1)])
@pytest.mark.parametrize("value", ["9", "0", "x"])
def test_a_task_that_needs_more_cores_than_there_are_is_refused(name, cores, value) -> None:
    message = refusal(with_setting(name, "spark.task.cpus", value))

    assert f"stored spark.task.cpus {value}, expected 1 to {cores}" in message


@pytest.mark.parametrize(("name", "workers"), [(LOCAL, 0), (STANDALONE, 2)])
def test_another_number_of_executors_than_of_workers_is_refused(name, workers) -> None:
    message = refusal(with_setting(name, "spark.executor.instances", "7"))

    assert f"spark.executor.instances 7, num_workers {workers}" in message


@pytest.mark.parametrize("setting", ["spark.task.cpus", "spark.executor.instances"])
def test_what_has_to_fit_the_workers_is_no_variable_s(setting) -> None:
    assert "can't be read from a variable" in refusal(with_setting(STANDALONE, setting, {"env": "SOME"}))


def test_the_same_number_said_twice_and_a_task_of_one_core_will_do() -> None:
    require_usable(with_setting(STANDALONE, "spark.executor.instances", "2"))
    require_usable(with_setting(LOCAL, "spark.task.cpus", "2"))


@pytest.mark.parametrize("name", [LOCAL, STANDALONE])
def test_a_heap_that_no_process_can_address_is_refused(name) -> None:
    message = refusal(changed(name, lambda document: document["repro"].update(driver_memory="999999g")))

    assert "more memory than a process can address" in message


@pytest.mark.parametrize("workers", [0, 100_000])
def test_workers_for_which_there_are_no_ports_are_refused(workers) -> None:
    assert f"stored num_workers {workers}" in refusal(
        changed(STANDALONE, lambda document: document.update(num_workers=workers))
    )


def test_a_cluster_of_databricks_without_a_size_is_refused() -> None:
    """Databricks itself refuses it: the size is a required field."""
    message = refusal(changed(DATABRICKS, lambda document: document.pop("num_workers")))

    assert "neither num_workers nor autoscale" in message


@pytest.mark.parametrize("single", [{"num_workers": 0}, {"is_single_node": True, "kind": "CLASSIC_PREVIEW"}], ids=str)
def test_a_single_node_of_databricks_says_so(single) -> None:
    def change(document: dict[str, Any]) -> None:
        del document["num_workers"]
        document.update(single)

    require_usable(changed(DATABRICKS, change))
