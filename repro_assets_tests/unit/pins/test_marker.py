"""A marker that says something else than the manifests is caught, field by field."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from repro_assets.pins.manifest import manifest_digest
from repro_assets.pins.marker import contradictions, is_of_another_run
from repro_assets.pins.output import Output, Part
from repro_assets.pins.run_record import RunRecord, StageRecord, stage_record
from repro_assets_tests.unit.pins.run_records import KEY, ORDER, manifest

UPSTREAM = {"features": "train_test_snapshot", "predictions": "features"}


def named(asset: str) -> dict[str, str]:
    return {"identity": f"identity of {asset}", "digest": f"digest of {asset}", "mlflow_run_id": f"run of {asset}"}


def record() -> RunRecord:
    stages: dict[str, StageRecord] = {}
    for asset in ORDER:
        above = UPSTREAM.get(asset)
        document = manifest(asset, inputs={above: named(above)} if above else {})
        stages[asset] = stage_record(asset, f"run of {asset}", document)
    return RunRecord("parent", "d", KEY, stages)


def marker(**changes: Any) -> Output:
    """That of the predictions, as their stage writes it."""
    stage = record().stages["predictions"]
    lineage = {
        name: {key: named(name)[key] for key in ("identity", "digest")} for name in ("train_test_snapshot", "features")
    }
    whole = Output(
        "predictions",
        KEY,
        stage.identity,
        stage.output_digest,
        (Part("predictions", "table", "digest of predictions", 10, ()),),
        data=stage.manifest["pins"]["data"],
        lineage=lineage,
        mlflow_run_id="run of predictions",
        mlflow_parent_run_id="parent",
        dagster_run_id="d",
        manifest_sha256=manifest_digest(stage.manifest),
        metrics=stage.manifest["metrics"],
    )
    return dataclasses.replace(whole, **changes)


def wrong(output: Output) -> list[str]:
    return list(contradictions(output, record().stages["predictions"], record()))


def test_the_marker_that_a_stage_wrote_agrees_with_its_manifest() -> None:
    assert wrong(marker()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parts", (Part("predictions", "table", "digest of predictions", 11, ()),)),
        ("data", {}),
        ("lineage", {"features": {"identity": "identity of features", "digest": "digest of features"}}),
        ("metrics", {"roc_auc": 0.5, "tp": 3}),
        ("manifest_sha256", "0" * 64),
        ("dagster_run_id", "e"),
        ("mlflow_parent_run_id", "paren"),
    ],
)
def test_a_field_that_its_manifest_says_otherwise_is_named(field, value) -> None:
    assert wrong(marker(**{field: value})) == [field]


def test_the_marker_of_another_run_that_made_the_same_is_only_held_to_what_every_run_finds() -> None:
    other = marker(mlflow_run_id="another", manifest_sha256="0" * 64, dagster_run_id="e")

    assert is_of_another_run(other, record().stages["predictions"])
    assert wrong(other) == []
    assert wrong(dataclasses.replace(other, lineage={})) == ["lineage"]
