"""What differs between two runs by their manifests: nothing of a run and itself, and never an id, a time or an order."""

from __future__ import annotations

from typing import Any

import pytest

from repro_assets.pins import run_difference
from repro_assets.pins.run_record import RunRecord, stage_record
from repro_assets_tests.unit.pins.run_records import ORDER, manifest, run_record

SPARK = {"version": "4.2.0", "settings": {"spark.master": "local[2]", "spark.app.id": "local-1"}}
CPU = {"model": "one", "cores": 2}


def effective(**spark: Any) -> dict[str, Any]:
    """The compute pin of a manifest, with Spark's receipt."""
    return {"declared": {"name": "local-v1", "sha256": "d" * 64}, "effective": {"cpu": CPU, "spark": SPARK | spark}}


def run(**by_asset: dict[str, Any]) -> RunRecord:
    """A run of which some stages' manifests have other entries."""
    stages = {
        asset: stage_record(asset, f"run of {asset}", manifest(asset, **by_asset.get(asset, {}))) for asset in ORDER
    }
    return RunRecord("parent", "dagster run", "key", stages)


def pins(asset: str, **changes: Any) -> dict[str, Any]:
    return {"pins": {**manifest(asset)["pins"], **changes}}


@pytest.mark.parametrize(
    "section",
    [
        run_difference.stages,
        run_difference.parameters,
        run_difference.metrics,
        run_difference.code_stages,
        run_difference.compute,
        lambda one, other: run_difference.environment(one, other, ({"numpy": "2"}, {"numpy": "2"})),
    ],
    ids=["stages", "parameters", "metrics", "code", "compute", "environment"],
)
def test_a_run_has_no_difference_from_itself(section) -> None:
    assert not section(run_record(), run_record())


def test_stages_with_another_result_are_named_upstream_first() -> None:
    other = run(
        predictions={"output": {"digest": "p", "location": "", "parts": []}},
        features={"output": {"digest": "f", "location": "", "parts": []}},
    )

    found = run_difference.stages(run(), other)

    assert [(one["asset"], one["to"]) for one in found] == [("features", "f"), ("predictions", "p")]


def test_a_parameter_that_only_one_run_has_differs_from_none() -> None:
    found = run_difference.parameters(
        run(model={"parameters": {"family": "a", "depth": 3}}), run(model={"parameters": {"family": "b"}})
    )

    assert found == {"model.family": {"from": "a", "to": "b"}, "model.depth": {"from": 3, "to": None}}


def test_a_metric_differs_from_the_last_bit_on() -> None:
    one, other = 0.1 + 0.2, 0.3
    found = run_difference.metrics(
        run(predictions={"metrics": {"auc": one, "tp": 3}}), run(predictions={"metrics": {"auc": other, "tp": 3}})
    )

    assert found == {"predictions.auc": {"from": one, "to": other, "change": other - one}}


def test_other_code_of_a_stage_is_named() -> None:
    code = {"capsule": "a" * 64, "closure": "another"}

    assert run_difference.code_stages(run(), run(features=pins("features", code=code))) == ["features"]


def test_a_stage_of_another_cluster_is_named_where_the_rest_was_not() -> None:
    compute = {"declared": {"name": "big", "sha256": "d" * 64}, "effective": {}}

    found = run_difference.compute(run(), run(features=pins("features", compute=compute)))

    assert found == {"declared": [{"what": "name", "from": "local-v1", "to": "big", "stages": ["features"]}]}


@pytest.mark.parametrize(
    "name", ["spark.app.id", "spark.driver.port", "spark.app.startTime", "spark.driver.host", "spark.sql.warehouse.dir"]
)
def test_what_names_one_start_of_spark_is_left_out(name: str) -> None:
    one, other = (
        run(features=pins("features", compute=effective(settings={**SPARK["settings"], name: value})))
        for value in ("first", "second")
    )

    assert run_difference.compute(one, other) == {}


def on(master: str) -> RunRecord:
    """A run whose session had this master."""
    settings = {**SPARK["settings"], "spark.master": master}
    return run(features=pins("features", compute=effective(master=master, settings=settings)))


def test_the_port_of_a_standalone_cluster_is_no_difference() -> None:
    assert run_difference.compute(on("spark://127.0.0.1:7077"), on("spark://127.0.0.1:40123")) == {}


def test_another_kind_of_cluster_is() -> None:
    found = run_difference.compute(on("spark://127.0.0.1:7077"), on("local[2]"))["effective"]

    assert found["spark.master"] == {"from": "spark://127.0.0.1:0", "to": "local[2]"}


def test_jars_are_compared_by_name_and_in_no_order() -> None:
    one, other = (
        run(features=pins("features", compute=effective(settings={"spark.jars": jars})))
        for jars in ("/a/one.jar,/a/two.jar", "/b/two.jar,/b/one.jar")
    )

    assert run_difference.compute(one, other) == {}


def test_a_setting_that_was_read_back_differently_is_found() -> None:
    one, other = (
        run(features=pins("features", compute=effective(settings={"spark.master": master})))
        for master in ("local[2]", "local[4]")
    )

    expected = {"spark.settings.spark.master": {"from": "local[2]", "to": "local[4]"}}
    assert run_difference.compute(one, other) == {"effective": expected}


def test_lists_are_compared_in_no_order() -> None:
    assert run_difference.differing({"dispatch": ["AVX", "SSE"]}, {"dispatch": ["SSE", "AVX"]}) == {}


def test_packages_are_added_removed_and_changed() -> None:
    found = run_difference.environment(
        run(), run(), ({"old": "1", "numpy": "1", "same": "1"}, {"new": "1", "numpy": "2", "same": "1"})
    )

    assert found == {
        "packages": {"added": {"new": "1"}, "removed": {"old": "1"}, "changed": {"numpy": {"from": "1", "to": "2"}}}
    }


def test_packages_beyond_the_lock_and_in_its_place_are_the_ones_that_count() -> None:
    found = {
        "mode": "record",
        "extra_packages": {"ipython": "9"},
        "mismatches": [
            {"kind": "version", "package": "numpy", "stored": "3", "expected": "2"},
            {"kind": "missing", "package": "scipy", "stored": None, "expected": "1"},
        ],
    }

    assert run_difference.installed({"numpy": "2", "scipy": "1"}, found) == {"numpy": "3", "ipython": "9"}


def test_where_a_lock_is_gone_packages_are_left_out() -> None:
    assert run_difference.environment(run(), run(), None) == {}
