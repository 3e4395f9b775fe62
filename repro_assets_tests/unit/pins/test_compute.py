"""Cluster files: what can be read, and how declared and effective settings are compared."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repro_assets.errors import BadInput, ClusterMismatch
from repro_assets.pins.compute import (
    Jar,
    check_name,
    parse_cluster,
    require_effective,
    require_files,
    require_unchanged,
    require_variables,
)

PROJECT = Path(__file__).resolve().parents[3]
CLUSTERS = sorted((PROJECT / "envs" / "clusters").glob("*.json"))
DOCUMENT: dict[str, Any] = {
    "cluster_name": "small-v1",
    "spark_version": "4.2.0",
    "num_workers": 0,
    "spark_conf": {"spark.sql.shuffle.partitions": "2", "spark.sql.session.timeZone": "UTC"},
    "spark_env_vars": {"OMP_NUM_THREADS": "1"},
    "repro": {
        "master": "local[2]",
        "driver_memory": "1g",
        "jars": [{"coordinate": "io.delta:delta-storage:4.4.0", "sha256": "a" * 64}],
    },
}
CLUSTER = parse_cluster("small-v1", json.dumps(DOCUMENT))


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return json.dumps(document)


def test_a_cluster_file_is_read_whole() -> None:
    assert CLUSTER.spark_version == "4.2.0"
    assert CLUSTER.spark_env_vars == {"OMP_NUM_THREADS": "1"}
    assert CLUSTER.jars == (Jar("io.delta:delta-storage:4.4.0", "a" * 64),)
    assert CLUSTER.text == json.dumps(DOCUMENT)


def test_a_cluster_file_is_known_by_the_digest_of_its_bytes() -> None:
    assert CLUSTER.sha256 == hashlib.sha256(CLUSTER.text.encode()).hexdigest()
    assert parse_cluster("small-v1", CLUSTER.text + "\n").sha256 != CLUSTER.sha256


def test_the_settings_include_master_and_driver_memory() -> None:
    assert CLUSTER.settings() == {
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.master": "local[2]",
        "spark.driver.memory": "1g",
    }


@pytest.mark.parametrize(
    ("master", "kind"),
    [
        ("local", "local"),
        ("local[2]", "local"),
        ("local[*]", "local"),
        ("spark://127.0.0.1:0", "standalone"),
        ("spark://127.0.0.1:7077", "standalone"),
    ],
)
def test_the_master_says_the_kind_of_a_cluster(master, kind) -> None:
    assert parse_cluster("x", changed(lambda document: document["repro"].update(master=master))).kind == kind


def test_a_databricks_cluster_declares_no_driver_memory_of_its_own() -> None:
    cluster = parse_cluster("x", changed(lambda document: document.update(repro={"master": "databricks"})))

    assert cluster.kind == "databricks"
    assert cluster.settings() == {**CLUSTER.spark_conf, "spark.master": "databricks"}


def test_variables_may_be_left_out() -> None:
    assert parse_cluster("x", changed(lambda document: document.pop("spark_env_vars"))).spark_env_vars == {}


def test_a_jar_is_stored_as_spark_s_resolver_names_it() -> None:
    assert Jar("io.delta:delta-spark_4.2_2.13:4.4.0", "").file_name == "io.delta_delta-spark_4.2_2.13-4.4.0.jar"


MALFORMED = {
    "not JSON": ("{", "not JSON"),
    "a list": ("[]", "`repro`"),
    "a number": ("1", "`repro`"),
    "no repro section": (changed(lambda d: d.pop("repro")), "`repro`"),
    "a repro section that is text": (changed(lambda d: d.update(repro="x")), "`repro`"),
    "no master": (changed(lambda d: d["repro"].pop("master")), "master"),
    "a master on another host": (changed(lambda d: d["repro"].update(master="spark://10.0.0.1:7077")), "10.0.0.1"),
    "a master of another manager": (changed(lambda d: d["repro"].update(master="yarn")), "yarn"),
    "a number of workers that is text": (changed(lambda d: d.update(num_workers="2")), "`num_workers`"),
    "a number of workers below zero": (changed(lambda d: d.update(num_workers=-1)), "`num_workers`"),
    "a number of workers that is true": (changed(lambda d: d.update(num_workers=True)), "`num_workers`"),
    "a Databricks cluster with jars": (changed(lambda d: d["repro"].update(master="databricks")), "jars"),
    "a master that is empty": (changed(lambda d: d["repro"].update(master="")), "`master`"),
    "no driver memory": (changed(lambda d: d["repro"].pop("driver_memory")), "driver_memory"),
    "a driver memory that is a number": (changed(lambda d: d["repro"].update(driver_memory=2)), "`driver_memory`"),
    "an unknown field in the repro section": (changed(lambda d: d["repro"].update(color="red")), "color"),
    "no spark_version": (changed(lambda d: d.pop("spark_version")), "`spark_version`"),
    "a spark_version that is a number": (changed(lambda d: d.update(spark_version=4.2)), "`spark_version`"),
    "no spark_conf": (changed(lambda d: d.pop("spark_conf")), "`spark_conf`"),
    "a spark_conf that is a list": (changed(lambda d: d.update(spark_conf=[])), "`spark_conf`"),
    "a setting that is a number": (changed(lambda d: d["spark_conf"].update({"spark.x": 2})), "`spark.x`"),
    "a setting that is true": (changed(lambda d: d["spark_conf"].update({"spark.x": True})), "`spark.x`"),
    "variables that are a list": (changed(lambda d: d.update(spark_env_vars=[])), "`spark_env_vars`"),
    "a variable that is a number": (changed(lambda d: d["spark_env_vars"].update(A=1)), "`A`"),
    "jars that are null": (changed(lambda d: d["repro"].update(jars=None)), "jars"),
    "jars that are a number": (changed(lambda d: d["repro"].update(jars=1)), "jars"),
    "jars that are an object": (changed(lambda d: d["repro"].update(jars={})), "jars"),
    "a jar that is text": (changed(lambda d: d["repro"].update(jars=["a:b:1"])), "a jar needs"),
    "a jar without its digest": (changed(lambda d: d["repro"]["jars"][0].pop("sha256")), "a jar needs"),
    "a jar with an unknown field": (changed(lambda d: d["repro"]["jars"][0].update(url="x")), "a jar needs"),
    "a coordinate of two parts": (changed(lambda d: d["repro"]["jars"][0].update(coordinate="a:b")), "coordinate"),
    "a coordinate that is a path": (changed(lambda d: d["repro"]["jars"][0].update(coordinate="../a:b:1")), "coordin"),
    "a coordinate with a quote": (changed(lambda d: d["repro"]["jars"][0].update(coordinate="a:b:1'")), "coordinate"),
    "a digest that is too short": (changed(lambda d: d["repro"]["jars"][0].update(sha256="a" * 63)), "SHA-256"),
    "a digest in capitals": (changed(lambda d: d["repro"]["jars"][0].update(sha256="A" * 64)), "SHA-256"),
}


@pytest.mark.parametrize(("text", "named"), MALFORMED.values(), ids=list(MALFORMED))
def test_a_malformed_cluster_file_is_refused_in_one_line_that_names_file_and_field(text, named) -> None:
    with pytest.raises(BadInput) as refused:
        parse_cluster("small-v1", text)

    message = str(refused.value)
    assert "envs/clusters/small-v1.json" in message
    assert named in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("name", ["local-v1", "a", "3x1", "a" * 63])
def test_a_name_of_a_versioned_file_is_accepted(name) -> None:
    assert check_name(name, "cluster") == name


@pytest.mark.parametrize(
    "name",
    ["", "-a", "A", "a_b", "a.json", "../a", "/a", "a\n", "é", "a" * 64, None, 1],
    ids=lambda name: repr(name)[:12],
)
def test_what_can_t_be_a_file_s_name_is_refused(name) -> None:
    with pytest.raises(BadInput, match="not a cluster name"):
        check_name(name, "cluster")


def test_settings_that_took_effect_everywhere_are_accepted() -> None:
    require_effective(CLUSTER, {"SparkContext": CLUSTER.settings(), "session": CLUSTER.settings()})


def test_settings_that_the_file_does_not_declare_do_not_matter() -> None:
    require_effective(CLUSTER, {"SparkContext": {"spark.app.id": "local-1"}})


def test_all_settings_that_differ_are_named_with_place_and_both_values() -> None:
    effective = {
        "session": {"spark.sql.shuffle.partitions": "200"},
        "SparkContext": {"spark.master": "local[8]", "spark.sql.session.timeZone": "UTC"},
        "jvm": {"spark.driver.memory": None},
    }

    with pytest.raises(ClusterMismatch) as refused:
        require_effective(CLUSTER, effective)

    message = str(refused.value)
    assert "spark.sql.shuffle.partitions is '200' in session, declared '2'" in message
    assert "spark.master is 'local[8]' in SparkContext, declared 'local[2]'" in message
    assert "spark.driver.memory is None in jvm, declared '1g'" in message
    assert "timeZone" not in message
    assert "fresh process" in message
    assert len(message.splitlines()) == 1


JAR = CLUSTER.jars[0].file_name


def test_a_session_with_the_jars_of_its_file_is_accepted() -> None:
    require_files(CLUSTER, {JAR: "a" * 64})


@pytest.mark.parametrize(
    ("loaded", "said"),
    [
        ({}, f"{JAR} is missing"),
        ({JAR: "b" * 64}, f"{JAR} is another one"),
        ({JAR: None}, f"{JAR} is another one"),
        ({JAR: "a" * 64, "more.jar": None}, "more.jar was added"),
    ],
    ids=["not found by Spark", "another digest", "given by somebody else", "added by a step"],
)
def test_a_jar_that_is_not_the_file_s_is_named(loaded, said) -> None:
    with pytest.raises(ClusterMismatch, match=f"other jars or files than its file names: stored {re.escape(said)}"):
        require_files(CLUSTER, loaded)


OPENED = {"session": {"spark.a": "1", "spark.b": "2"}, "hadoop": {"fs.x": "1"}}


def test_a_session_that_stands_as_it_opened_is_accepted() -> None:
    require_unchanged(CLUSTER, OPENED, copy.deepcopy(OPENED))


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"spark.a": "1", "spark.b": "2", "spark.c": "3"}, "spark.c is '3' in session, was not set"),
        ({"spark.a": "9", "spark.b": "2"}, "spark.a is '9' in session, was '1'"),
        ({"spark.a": "1"}, "spark.b is not set in session, was '2'"),
    ],
    ids=["added", "changed", "unset"],
)
def test_a_setting_that_the_file_leaves_to_spark_is_named_with_both_values(now, said) -> None:
    with pytest.raises(ClusterMismatch) as refused:
        require_unchanged(CLUSTER, OPENED, {**OPENED, "session": now})

    assert said in str(refused.value)
    assert "fresh process" in str(refused.value)


@pytest.mark.parametrize("name", ["spark.app.name", "spark.databricks.delta.lastCommitVersionInSession"])
def test_a_setting_by_which_nothing_is_computed_may_change(name) -> None:
    require_unchanged(CLUSTER, OPENED, {**OPENED, "session": {**OPENED["session"], name: "other"}})


def test_all_settings_that_were_changed_are_named_in_one_line() -> None:
    with pytest.raises(ClusterMismatch, match=r"fs\.x is '2' in hadoop, was '1'; spark\.a is not set in session"):
        require_unchanged(CLUSTER, OPENED, {"session": {"spark.b": "2"}, "hadoop": {"fs.x": "2"}})


@pytest.mark.parametrize("place", ["session", "hadoop"])
def test_the_values_of_a_changed_secret_and_of_what_a_variable_holds_are_not_shown(place) -> None:
    held = dataclasses.replace(CLUSTER, variables={"spark.hadoop.fs.x": "LAKE"})
    opened = {place: {"spark.authenticate.secret": "hunter2", "fs.x": "hunter2"}}

    with pytest.raises(ClusterMismatch) as refused:
        require_unchanged(held, opened, {place: {"spark.authenticate.secret": "hunter3", "fs.x": "hunter3"}})

    assert "hunter" not in str(refused.value)
    assert f"fs.x is another one in {place}" in str(refused.value)
    assert f"spark.authenticate.secret is another one in {place}" in str(refused.value)


def test_variables_that_are_set_are_accepted() -> None:
    require_variables(CLUSTER, {"OMP_NUM_THREADS": "1", "HOME": "/"})


@pytest.mark.parametrize("environ", [{}, {"OMP_NUM_THREADS": "2"}, {"OMP_NUM_THREADS": ""}], ids=repr)
def test_variables_that_bind_at_start_are_refused_with_the_command_that_sets_them(environ) -> None:
    with pytest.raises(
        ClusterMismatch, match=r"Run `env OMP_NUM_THREADS=1 repro …`, or set it where Dagster is started \(`\.env`\)"
    ):
        require_variables(CLUSTER, environ)


def test_only_the_variables_that_differ_are_in_the_command() -> None:
    text = changed(lambda document: document.update(spark_env_vars={"A": "1", "C": "3", "B": "2"}))

    with pytest.raises(ClusterMismatch, match="Run `env B=2 C=3 repro …`"):
        require_variables(parse_cluster("small-v1", text), {"A": "1"})


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.stem)
def test_a_committed_cluster_file_can_be_read_and_carries_its_own_name(path) -> None:
    cluster = parse_cluster(path.stem, path.read_text())

    assert json.loads(cluster.text)["cluster_name"] == path.stem
    assert cluster.jars or cluster.kind == "databricks"


def test_there_are_cluster_files_to_test() -> None:
    assert "local-v1" in [path.stem for path in CLUSTERS]
