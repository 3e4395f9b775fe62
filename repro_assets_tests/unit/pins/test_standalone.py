"""What a standalone cluster's file has to say, and the comparison with the executors that registered."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from repro_assets.errors import BadInput, ClusterMismatch
from repro_assets.pins.compute import ClusterFile, parse_cluster
from repro_assets.pins.standalone import (
    Member,
    Workers,
    declared_workers,
    megabytes,
    require_members,
    settings_of_daemons,
)

OPTIONS = ("-XX:+UseSerialGC", "-Duser.timezone=UTC")
DOCUMENT: dict[str, Any] = {
    "cluster_name": "two-v1",
    "spark_version": "4.2.0",
    "num_workers": 2,
    "spark_conf": {
        "spark.authenticate": "true",
        "spark.cores.max": "4",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.executor.cores": "2",
        "spark.executor.extraJavaOptions": " ".join(OPTIONS),
        "spark.executor.memory": "1g",
        "spark.network.crypto.enabled": "true",
        "spark.network.crypto.saslFallback": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
    },
    "repro": {"master": "spark://127.0.0.1:0", "driver_memory": "1g", "jars": []},
}


def cluster(change: Callable[[dict[str, Any]], object] = lambda document: None) -> ClusterFile:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return parse_cluster("two-v1", json.dumps(document))


def registered(*executors: str, cores: int = 2, heap: int | None = 1024, options=OPTIONS) -> list[Member]:
    return [Member(executor, cores, heap, options) for executor in executors]


def test_the_workers_are_those_of_the_file() -> None:
    assert declared_workers(cluster()) == Workers(count=2, cores=2, megabytes=1024)


def test_the_real_address_is_no_part_of_the_digest() -> None:
    joined = cluster().at("spark://127.0.0.1:7077")

    assert joined.settings()["spark.master"] == "spark://127.0.0.1:7077"
    assert joined.sha256 == cluster().sha256
    assert joined.kind == "standalone"


def test_master_and_workers_share_authentication_and_encryption_and_nothing_else() -> None:
    assert settings_of_daemons(cluster()) == {
        "spark.authenticate": "true",
        "spark.network.crypto.enabled": "true",
        "spark.network.crypto.saslFallback": "false",
    }


WRONG = {
    "a cluster in the driver": (lambda d: d["repro"].update(master="local[2]"), "local[2]"),
    "no workers": (lambda d: d.update(num_workers=0), "num_workers 0"),
    "authentication off": (lambda d: d["spark_conf"].update({"spark.authenticate": "false"}), "spark.authenticate"),
    "authentication left out": (lambda d: d["spark_conf"].pop("spark.authenticate"), "spark.authenticate"),
    "encryption left out": (lambda d: d["spark_conf"].pop("spark.network.crypto.enabled"), "network.crypto"),
    "encryption that gives way": (
        lambda d: d["spark_conf"].update({"spark.network.crypto.saslFallback": "true"}),
        "spark.network.crypto.saslFallback true, expected false",
    ),
    "giving way left to Spark": (
        lambda d: d["spark_conf"].pop("spark.network.crypto.saslFallback"),
        "spark.network.crypto.saslFallback",
    ),
    "a driver on every address": (
        lambda d: d["spark_conf"].update({"spark.driver.bindAddress": "0.0.0.0"}),
        "spark.driver.bindAddress 0.0.0.0, expected 127.0.0.1",
    ),
    "no address to listen on": (lambda d: d["spark_conf"].pop("spark.driver.bindAddress"), "spark.driver.bindAddress"),
    "a driver by the host's name": (
        lambda d: d["spark_conf"].update({"spark.driver.host": "host.example.org"}),
        "spark.driver.host host.example.org, expected 127.0.0.1",
    ),
    "no address to be reached at": (lambda d: d["spark_conf"].pop("spark.driver.host"), "spark.driver.host"),
    "executors that come and go": (
        lambda d: d["spark_conf"].update({"spark.dynamicAllocation.enabled": "TRUE"}),
        "spark.dynamicAllocation.enabled TRUE, expected false",
    ),
    "the driver's page": (lambda d: d["spark_conf"].update({"spark.ui.enabled": "true"}), "spark.ui.enabled true"),
    "the driver's page left to Spark": (lambda d: d["spark_conf"].pop("spark.ui.enabled"), "spark.ui.enabled"),
    "the submission port": (
        lambda d: d["spark_conf"].update({"spark.master.rest.enabled": "true"}),
        "spark.master.rest.enabled true",
    ),
    "encryption that a variable holds": (
        lambda d: d["spark_conf"].update({"spark.network.crypto.enabled": {"env": "ENCRYPTED"}}),
        "can't read this setting from a variable",
    ),
    "a secret that a variable holds": (
        lambda d: d["spark_conf"].update({"spark.authenticate.secret": {"env": "OURS"}}),
        "spark.authenticate.secret",
    ),
    "a secret in the file": (lambda d: d["spark_conf"].update({"spark.authenticate.secret": "x"}), "secret"),
    "no cores": (lambda d: d["spark_conf"].pop("spark.executor.cores"), "spark.executor.cores"),
    "cores that are no number": (lambda d: d["spark_conf"].update({"spark.executor.cores": "two"}), "executor.cores"),
    "fewer cores in all than the executors have": (
        lambda d: d["spark_conf"].update({"spark.cores.max": "2"}),
        "spark.cores.max 2",
    ),
    "no memory": (lambda d: d["spark_conf"].pop("spark.executor.memory"), "spark.executor.memory"),
    "memory without a unit": (lambda d: d["spark_conf"].update({"spark.executor.memory": "1024"}), "1024"),
}


@pytest.mark.parametrize(("change", "named"), WRONG.values(), ids=list(WRONG))
def test_a_file_that_no_cluster_can_be_started_from_is_refused_with_the_setting(change, named) -> None:
    with pytest.raises(BadInput) as refused:
        declared_workers(cluster(change))

    assert named in str(refused.value)
    assert "envs/clusters/two-v1.json" in str(refused.value)


@pytest.mark.parametrize(("size", "expected"), [("512m", 512), ("2g", 2048), ("1G", 1024)])
def test_a_size_is_read_as_java_reads_it(size, expected) -> None:
    assert megabytes(size, "here") == expected


@pytest.mark.parametrize("size", ["", "g", "0m", "1.5g", "-1g", "1t", "1024"], ids=repr)
def test_what_is_no_size_is_refused(size) -> None:
    with pytest.raises(BadInput, match="not a size"):
        megabytes(size, "here")


def test_the_declared_executors_are_accepted() -> None:
    require_members(cluster(), registered("0", "1"))


def test_an_executor_whose_process_is_not_seen_is_judged_by_its_cores() -> None:
    require_members(cluster(), registered("0", "1", heap=None, options=()))


DIFFERENT = {
    "one executor too few": (registered("0"), "num_workers is 1, declared 2"),
    "one executor too many": (registered("0", "1", "2"), "num_workers is 3, declared 2"),
    "other cores": (registered("0", "1", cores=1), "spark.executor.cores is 1 in executor 0, declared 2"),
    "another heap": (registered("0", "7", heap=512), "spark.executor.memory is 512m in executor 7, declared 1024m"),
    "an option that did not arrive": (
        registered("0", "1", options=OPTIONS[1:]),
        "spark.executor.extraJavaOptions lacks -XX:+UseSerialGC in executor 1",
    ),
}


@pytest.mark.parametrize(("members", "named"), DIFFERENT.values(), ids=list(DIFFERENT))
def test_executors_that_differ_are_named_with_the_setting_and_both_values(members, named) -> None:
    with pytest.raises(ClusterMismatch) as refused:
        require_members(cluster(), members)

    assert named in str(refused.value)
    assert "repro cluster up two-v1" in str(refused.value)
