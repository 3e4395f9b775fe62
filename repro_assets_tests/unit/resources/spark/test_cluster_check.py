"""Cluster files against the vendor's own types, which drop what they do not know and keep any type."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk.service.compute import ClusterSpec

from repro_assets.errors import BadInput
from repro_assets.resources.spark.cluster_check import check_cluster, vendor_mismatches

PROJECT = Path(__file__).resolve().parents[4]
CLUSTERS = sorted((PROJECT / "envs" / "clusters").glob("*.json"))
DATABRICKS = json.loads((PROJECT / "envs" / "clusters" / "databricks-15-4-v1.json").read_text())


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    document = copy.deepcopy(DATABRICKS)
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.stem)
def test_a_committed_cluster_file_passes(path) -> None:
    assert check_cluster(path.stem, path.read_text()).name == path.stem


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.stem)
def test_a_committed_cluster_file_comes_back_from_the_vendor_s_types_as_it_was(path) -> None:
    document = json.loads(path.read_text())
    del document["repro"]

    assert ClusterSpec.from_dict(document).as_dict() == document


def test_there_is_a_file_of_every_kind() -> None:
    names = {path.stem for path in CLUSTERS}

    assert {"local-v1", "standalone-3x1-v1", "standalone-2x1-v1", "databricks-15-4-v1"} <= names


WRONG = {
    "an unknown field": (lambda d: d.update(colour="red"), "colour is no field"),
    "an unknown field further in": (lambda d: d["aws_attributes"].update(colour="red"), "aws_attributes.colour is no"),
    "a number as text": (lambda d: d.update(autotermination_minutes="30"), "autotermination_minutes is '30'"),
    "true for a number": (lambda d: d.update(autotermination_minutes=True), "autotermination_minutes is True"),
    "text as a number": (lambda d: d.update(node_type_id=7), "node_type_id is 7, expected text"),
    "null": (lambda d: d.update(node_type_id=None), "node_type_id is None"),
    "an object as text": (lambda d: d.update(aws_attributes="x"), "aws_attributes is 'x', expected object"),
    "a list as an object": (lambda d: d.update(ssh_public_keys={}), "ssh_public_keys is {}, expected list"),
    "a number in a list of texts": (lambda d: d.update(ssh_public_keys=["a", 1]), "ssh_public_keys[1] is 1"),
    "a number as a tag": (lambda d: d.update(custom_tags={"team": 1}), "custom_tags.team is 1, expected text"),
    "a word that is none of its words": (
        lambda d: d["aws_attributes"].update(availability="MAYBE"),
        "aws_attributes.availability is 'MAYBE', expected one of",
    ),
    "a type further in": (lambda d: d["aws_attributes"].update(first_on_demand="1"), "aws_attributes.first_on_demand"),
    "a runtime that is none": (lambda d: d.update(spark_version="rubbish"), "not a runtime of Databricks"),
    "workers that are counted and a range": (
        lambda d: d.update(autoscale={"min_workers": 1, "max_workers": 8}),
        "num_workers and autoscale, expected one of them",
    ),
    "an unknown field in a list": (
        lambda d: d.update(init_scripts=[{"workspace": {"destination": "/x", "when": "now"}}]),
        "init_scripts[0].workspace.when is no field",
    ),
}


@pytest.mark.parametrize(("change", "named"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_field_is_refused_by_its_name(change, named) -> None:
    with pytest.raises(BadInput) as refused:
        check_cluster("databricks-15-4-v1", changed(change))

    assert named in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_all_wrong_fields_are_named_at_once() -> None:
    text = changed(lambda document: document.update(colour="red", node_type_id=7))

    with pytest.raises(BadInput, match=r"(?=.*colour)(?=.*node_type_id)"):
        check_cluster("databricks-15-4-v1", text)


@pytest.mark.parametrize("empty", [{"custom_tags": {}}, {"gcp_attributes": {}}, {"workload_type": {"clients": {}}}])
def test_an_empty_object_is_no_mistake_though_the_vendor_drops_it(empty) -> None:
    assert list(vendor_mismatches({"spark_version": "x", **empty})) == []


def test_a_file_that_carries_another_name_is_refused() -> None:
    with pytest.raises(BadInput, match="cluster_name 'databricks-15-4-v1', expected other-v1"):
        check_cluster("other-v1", json.dumps(DATABRICKS))


def test_a_setting_that_names_a_variable_is_no_mistake() -> None:
    text = changed(lambda document: document["spark_conf"].update({"spark.hadoop.fs.s3a.secret.key": {"env": "KEY"}}))

    assert check_cluster("databricks-15-4-v1", text).variables == {"spark.hadoop.fs.s3a.secret.key": "KEY"}


def test_a_field_that_stands_twice_is_named_and_not_only_the_last_is_checked() -> None:
    text = json.dumps(DATABRICKS).replace('"num_workers"', '"num_workers": "many", "num_workers"', 1)

    with pytest.raises(BadInput, match=r"says a field twice.*num_workers"):
        check_cluster("databricks-15-4-v1", text)
