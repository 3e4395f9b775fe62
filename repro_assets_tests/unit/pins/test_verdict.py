"""The verdict: what the evidence allows to say, and never a better word."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from repro_assets.pins.closeness import Closeness
from repro_assets.pins.contract import Failure, Result
from repro_assets.pins.run_record import RunRecord, StageRecord, stage_record
from repro_assets.pins.table_difference import ColumnDifference, TableDifference
from repro_assets.pins.verdict import Evidence, Verdict, blocked, judge
from repro_assets_tests.unit.pins.run_records import ORDER, manifest, run_record

NUMERIC = ("model", "predictions")
BLOCKING = ("DataDamaged", "VersionExpired")
CAPSULE = "a" * 64
WITHIN = Closeness(2e-10, 1e-8, 0, True, (), {"probability": 1e-9, "score": 1e-6, "source": "assumed"})
BEYOND = Closeness(0.25, 0.1, 4, False, ("probabilities differ by up to 0.25",), WITHIN.tolerance)


def _changed(*assets: str, metrics: Mapping[str, float] | None = None) -> dict[str, StageRecord]:
    """The stages of a result in which some assets came out with another digest."""
    stages = {}
    for asset in ORDER:
        document = copy.deepcopy(manifest(asset))
        if asset in assets:
            document["output"]["digest"] = "another"
        if asset == "predictions" and metrics is not None:
            document["metrics"] = dict(metrics)
        stages[asset] = stage_record(asset, "new run", document)
    return stages


def _judge(result: Result | None = None, evidence: Evidence | None = None, record: RunRecord | None = None) -> Verdict:
    return judge(
        record or run_record(),
        result or Result(_changed(), CAPSULE, 3.5),
        evidence or Evidence(),
        blocking=BLOCKING,
        numeric=NUMERIC,
    )


def test_equal_digests_and_metrics_are_identical() -> None:
    verdict = _judge()
    assert verdict.word == "IDENTICAL"
    assert verdict.passes
    assert verdict.first_difference is None
    assert verdict.largest_difference == 0.0
    assert [stage.asset for stage in verdict.stages] == list(ORDER)
    assert all(stage.equal for stage in verdict.stages)
    assert verdict.seconds == 3.5


@pytest.mark.parametrize("asset", ORDER)
def test_a_stage_with_another_digest_is_never_identical(asset: str) -> None:
    verdict = _judge(Result(_changed(asset), CAPSULE))
    assert verdict.word == "DIVERGED"
    assert verdict.first_difference == asset
    assert not verdict.passes


def test_the_first_stage_that_differs_is_the_one_furthest_upstream() -> None:
    verdict = _judge(Result(_changed("predictions", "features", "model"), CAPSULE))
    assert verdict.first_difference == "features"
    assert [stage.equal for stage in verdict.stages] == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("metrics", "difference"),
    [
        ({"roc_auc": 0.75000000000000011, "tp": 3}, {"roc_auc": (0.75, 0.7500000000000001)}),
        ({"roc_auc": 0.75}, {"tp": (3, None)}),
        ({"roc_auc": 0.75, "tp": 3, "new": 1.0}, {"new": (None, 1.0)}),
    ],
    ids=["one bit", "one missing", "one new"],
)
def test_a_metric_that_differs_in_a_bit_is_a_difference(metrics: dict[str, float], difference: dict[str, Any]) -> None:
    verdict = _judge(Result(_changed(metrics=metrics), CAPSULE))
    assert verdict.word == "DIVERGED"
    assert dict(verdict.stages[-1].metrics) == difference
    assert verdict.stages[-1].expected == verdict.stages[-1].found


def test_an_integer_and_the_same_number_with_a_point_are_one_metric() -> None:
    assert _judge(Result(_changed(metrics={"roc_auc": 0.75, "tp": 3.0}), CAPSULE)).word == "IDENTICAL"


def test_predictions_within_the_tolerance_are_equivalent_and_the_distance_is_given() -> None:
    verdict = _judge(Result(_changed("model", "predictions"), CAPSULE), Evidence(closeness=WITHIN))
    assert verdict.word == "EQUIVALENT"
    assert verdict.passes
    assert verdict.largest_difference == 2e-10
    assert verdict.first_difference == "model"


def test_a_model_with_other_bytes_and_the_same_predictions_is_equivalent() -> None:
    assert _judge(Result(_changed("model"), CAPSULE), Evidence(closeness=WITHIN)).word == "EQUIVALENT"


@pytest.mark.parametrize("asset", ["covid_cases", "job_changes", "train_test_snapshot", "features"])
def test_close_predictions_of_other_features_are_not_equivalent(asset: str) -> None:
    assert _judge(Result(_changed(asset, "predictions"), CAPSULE), Evidence(closeness=WITHIN)).word == "DIVERGED"


@pytest.mark.parametrize("closeness", [BEYOND, None], ids=["beyond the tolerance", "not measured"])
def test_predictions_that_are_not_shown_to_be_close_have_diverged(closeness: Closeness | None) -> None:
    assert _judge(Result(_changed("predictions"), CAPSULE), Evidence(closeness=closeness)).word == "DIVERGED"


def test_what_could_not_be_compared_puts_identical_out_of_reach_and_is_listed() -> None:
    verdict = _judge(evidence=Evidence(not_compared=("features: reused",)))
    assert verdict.word == "EQUIVALENT"
    assert verdict.not_compared == ("features: reused",)


def test_an_environment_that_was_only_written_down_puts_identical_out_of_reach() -> None:
    pins = manifest("predictions")["pins"]
    recorded = {**pins, "environment": {**pins["environment"], "effective": {"mode": "record"}}}
    record = run_record(pins=recorded)
    verdict = _judge(Result(record.stages, CAPSULE), record=record)
    assert verdict.word == "EQUIVALENT"
    assert "environment: the original's was written down" in verdict.not_compared[0]


def _with_stage(record: RunRecord, asset: str, **pins: Any) -> RunRecord:
    """A record in which one stage was made under other conditions than the rest."""
    document = copy.deepcopy(dict(record.stages[asset].manifest))
    document["pins"] |= pins
    document["identity"] = {"digest": "another identity"}
    return RunRecord("parent", "d", record.data_version, {**record.stages, asset: stage_record(asset, "r", document)})


def test_one_stage_in_an_environment_that_was_written_down_is_enough() -> None:
    environment = {**manifest("features")["pins"]["environment"], "effective": {"mode": "record"}}
    record = _with_stage(run_record(), "features", environment=environment)
    assert not record.enforced
    assert _judge(Result(record.stages, CAPSULE), record=record).word == "EQUIVALENT"


def test_a_stage_that_was_made_under_another_identity_puts_identical_out_of_reach() -> None:
    verdict = _judge(record=_with_stage(run_record(), "features"))
    assert verdict.word == "EQUIVALENT"
    assert verdict.not_compared[0].startswith("features: made under another identity")


@pytest.mark.parametrize("asset", NUMERIC)
def test_numbers_within_the_tolerance_of_other_code_have_diverged(asset: str) -> None:
    verdict = _judge(Result(_changed(asset), "f" * 64), Evidence(closeness=WITHIN))
    assert verdict.word == "DIVERGED"
    assert verdict.first_difference == asset


def test_code_that_is_not_known_puts_identical_out_of_reach() -> None:
    assert _judge(Result(_changed(), None)).word == "EQUIVALENT"


def test_a_table_made_anew_with_the_same_rows_is_other_data() -> None:
    stages = _changed()
    for asset, stage in list(stages.items()):
        document = copy.deepcopy(dict(stage.manifest))
        document["pins"]["data"]["covid_cases" if asset != "job_changes" else asset]["table_id"] = "made anew"
        stages[asset] = stage_record(asset, "n", document)
    verdict = _judge(Result(stages, CAPSULE))
    assert verdict.word == "EQUIVALENT"
    assert "data: what ran is not what was asked for" in verdict.not_compared


def test_code_that_is_not_the_capsule_of_the_run_puts_identical_out_of_reach() -> None:
    verdict = _judge(Result(_changed(), "f" * 64))
    assert verdict.word == "EQUIVALENT"
    assert verdict.not_compared == ("code: what ran is not what was asked for",)


def test_a_component_that_was_swapped_on_purpose_is_printed_and_identical_stays_in_reach() -> None:
    verdict = _judge(Result(_changed(), "f" * 64), Evidence(swapped=("code",)))
    assert verdict.word == "IDENTICAL"
    assert verdict.swapped == ("code",)
    code = verdict.as_document()["components"]["code"]
    assert code == {"expected": {"capsule": CAPSULE}, "found": {"capsule": "f" * 64}, "equal": False, "swapped": True}


@pytest.mark.parametrize("kind", BLOCKING)
def test_an_input_that_is_gone_inside_the_capsule_blocks(kind: str) -> None:
    stages = {asset: stage for asset, stage in _changed().items() if asset == "covid_cases"}
    verdict = _judge(Result(stages, CAPSULE, failure=Failure(kind, "a file is gone", 1)))
    assert verdict.word == "BLOCKED"
    assert verdict.reasons == (f"job_changes was not reached: {kind}: a file is gone",)
    assert [stage.found is None for stage in verdict.stages] == [False, True, True, True, True, True]


def test_a_stage_that_differed_before_the_capsule_failed_has_diverged() -> None:
    stages = {asset: stage for asset, stage in _changed("features").items() if asset in ORDER[:4]}
    verdict = _judge(Result(stages, CAPSULE, failure=Failure("DataDamaged", "a file is gone", 1)))
    assert verdict.word == "DIVERGED"
    assert verdict.first_difference == "features"


def test_a_check_that_refuses_what_it_passed_before_is_a_difference_at_that_stage() -> None:
    stages = {asset: stage for asset, stage in _changed().items() if asset in ORDER[:3]}
    verdict = _judge(Result(stages, CAPSULE, failure=Failure("CheckFailed", "the check is red", 1)))
    assert verdict.word == "DIVERGED"
    assert verdict.first_difference == "features"


def test_a_stage_that_was_not_reached_without_a_reason_is_never_passing() -> None:
    stages = {asset: stage for asset, stage in _changed().items() if asset != "predictions"}
    assert not _judge(Result(stages, CAPSULE), Evidence(closeness=WITHIN)).passes


def test_nothing_reached_leaves_every_component_open() -> None:
    verdict = _judge(Result(failure=Failure("DataDamaged", "a file is gone", 1)))
    assert verdict.word == "BLOCKED"
    assert {name: one["found"] for name, one in verdict.as_document()["components"].items()} == dict.fromkeys(
        ("data", "code", "environment", "compute")
    )


def test_the_tables_of_a_difference_say_how_much() -> None:
    difference = TableDifference(10, 10, 0, 0, 2, {"city_cases": ColumnDifference(2, 7.0)}, keys=("enrollee_id",))
    verdict = _judge(Result(_changed("features"), CAPSULE), Evidence({"features": difference}))
    document = verdict.as_document()
    assert verdict.largest_difference == 7.0
    assert document["differences"]["features"]["changed"] == 2
    assert document["differences"]["features"]["columns"]["city_cases"]["largest"] == 7.0


def test_what_was_different_by_circumstance_is_told_beside_the_word() -> None:
    original, copied = copy.deepcopy(manifest("predictions")), copy.deepcopy(manifest("predictions"))
    original["pins"]["compute"]["effective"] = {"cpu": {"model": "one", "cores": 2}, "spark": {"java": "17"}}
    copied["pins"]["compute"]["effective"] = {"cpu": {"model": "other", "cores": 2}, "spark": {"java": "17"}}
    record = run_record()
    record = RunRecord(
        "parent", "d", record.data_version, {**record.stages, "predictions": stage_record("predictions", "r", original)}
    )
    verdict = _judge(
        Result({**record.stages, "predictions": stage_record("predictions", "n", copied)}, CAPSULE), record=record
    )
    assert verdict.word == "IDENTICAL"
    assert verdict.circumstances == {"CPU": ("one", "other")}


def test_a_blocked_run_names_all_reasons_and_no_stage() -> None:
    verdict = blocked("run", "key", ["VersionExpired: gone", "the capsule is gone"])
    assert (verdict.word, verdict.passes, verdict.stages) == ("BLOCKED", False, ())
    assert verdict.reasons == ("VersionExpired: gone", "the capsule is gone")
    assert verdict.largest_difference is None


def test_the_document_has_what_the_command_promises() -> None:
    document = _judge().as_document()
    promised = {"verdict", "run", "stages", "first_difference", "not_compared", "differences", "reasons"}
    assert promised | {"schema", "largest_difference", "seconds", "components", "swapped"} <= set(document)
    assert document["schema"] == "repro-reproduce/1"
    assert document["stages"][0] == {
        "asset": "covid_cases",
        "expected": "digest of covid_cases",
        "found": "digest of covid_cases",
        "equal": True,
    }
