"""What a past run recorded."""

from __future__ import annotations

from typing import Any

import pytest

from repro_assets.errors import DataDamaged
from repro_assets.pins.run_record import stage_record
from repro_assets_tests.unit.pins.run_records import ORDER, manifest, run_record


def test_the_pins_of_a_run_are_those_of_its_last_stage_and_the_data_of_all() -> None:
    record = run_record()
    assert record.last.asset == "predictions"
    assert set(record.data) == {"covid_cases", "job_changes"}
    assert record.data["covid_cases"].rows.rows == 10
    assert record.code["closure"] == "closure of predictions"
    assert record.enforced


def test_a_stage_says_what_it_was_and_what_came_out() -> None:
    stage = run_record().stages["model"]
    assert (stage.identity, stage.output_digest) == ("identity of model", "digest of model")
    assert stage.parts == {"with_cases": "digest of with_cases", "without_cases": "digest of without_cases"}
    assert run_record().last.metrics == {"roc_auc": 0.75, "tp": 3}


def test_an_environment_that_was_only_written_down_is_not_enforced() -> None:
    pins = manifest("model")["pins"]
    recorded = {**pins, "environment": {**pins["environment"], "effective": {"mode": "record"}}}
    assert not run_record(pins=recorded).enforced


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": "repro-manifest/9"}, "another schema"),
        ({"asset": "features"}, "another asset"),
        ({"pins": {}}, "lacks what every manifest has"),
        ({"output": None}, "lacks what every manifest has"),
        ({"identity": "text"}, "lacks what every manifest has"),
    ],
    ids=["schema", "asset", "no pins", "no output", "identity of another form"],
)
def test_what_is_no_manifest_is_refused_with_its_run(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataDamaged, match=f"{said} .manifest of model, MLflow run 123"):
        stage_record("model", "123", {**manifest("model"), **changes})


def test_stages_keep_the_order_of_the_flow() -> None:
    assert tuple(run_record().stages) == ORDER
