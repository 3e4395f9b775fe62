"""Measured tolerances: an upper bound of what was seen, one file per family and lock, never written twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from repro_assets.errors import BadInput
from repro_assets.pins.tolerance import (
    Trial,
    Variant,
    covers,
    family_of,
    newest,
    next_name,
    obstacle,
    parse_tolerance,
    stated,
    tolerance_document,
)
from repro_assets_tests.unit.pins.run_records import manifest, run_record

NUMERIC = ("model", "predictions")
STILL = Trial(Variant("one core"), {"model": "same"})
MOVED = Trial(Variant("BLAS kernel Haswell"), {"model": "other"}, NUMERIC, probability=3e-16, score=1e-15, decisions=1)


def document(*trials: Trial, **changes: Any) -> dict[str, Any]:
    compute = {"declared": {"name": "local-v1", "sha256": "d" * 64}, "effective": {"cpu": {"model": "a CPU"}}}
    pins = {**manifest("model")["pins"], "compute": compute}
    record = run_record(parameters={"family": "random_forest"}, pins=pins)
    given: dict[str, Any] = {"date": "2026-11-23", **changes}
    return tolerance_document(record, trials or (STILL, MOVED), **given)


def at(name: str, probability: float, score: float = 0.0) -> Trial:
    return Trial(Variant(name), {}, NUMERIC, probability=probability, score=score)


def test_the_bound_is_what_a_result_moved_that_moved_once() -> None:
    found = document(STILL, MOVED)

    assert (found["probability"], found["score"]) == (3e-16, 1e-15)
    assert (found["family"], found["lock"]["name"]) == ("random_forest", "ml-v1")


def test_two_variants_may_lie_apart_by_both_of_their_distances() -> None:
    found = document(at("one", 1.0, 0.5), at("two", 3.0, 0.25), STILL, at("three", 2.0, 0.125))

    assert (found["probability"], found["score"]) == (5.0, 0.75)
    assert "the sum of the two largest" in found["bound"]


def test_a_variant_that_is_tried_again_counts_once_at_its_farthest() -> None:
    first = document(at("one", 3.0), at("two", 1.0))

    assert document(at("one", 2.0), before=[first])["probability"] == 4.0
    assert document(at("three", 2.0), before=[first])["probability"] == 5.0


def test_what_any_earlier_file_saw_is_part_of_the_bound() -> None:
    first = document(at("one", 8.0))
    second = document(at("two", 1.0), before=[first])

    assert document(at("three", 4.0), before=[first, second])["probability"] == 12.0


def test_a_result_that_never_moved_has_the_bound_zero() -> None:
    assert document(STILL)["probability"] == 0.0
    assert stated(document(STILL), "f.json") == {
        "probability": 0.0,
        "score": 0.0,
        "source": "measured",
        "file": "tolerances/f.json",
    }


def test_a_file_names_the_run_its_rows_and_every_variant() -> None:
    found = document()

    assert found["run"]["mlflow_run_id"] == "parent"
    assert set(found["run"]["fingerprints"]) == {"covid_cases", "job_changes"}
    assert found["run"]["cpu"] == "a CPU"
    assert [variant["name"] for variant in found["variants"]] == ["one core", "BLAS kernel Haswell"]
    assert found["variants"][1]["decisions"] == 1


def test_a_later_file_is_never_narrower_than_the_one_before() -> None:
    found = document(STILL, before=[document(MOVED)], previous="random_forest--ml-v1.json")

    assert (found["probability"], found["includes"]) == (3e-16, "random_forest--ml-v1.json")


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        pytest.param((), "nothing was tried", id="nothing"),
        pytest.param((Trial(Variant("x"), {}, reasons=("gone",)),), "x did not come to its end: gone", id="blocked"),
        pytest.param((STILL, Trial(Variant("x"), {}, ("features", "model"))), "x changes features", id="other rows"),
        pytest.param(
            (STILL, Trial(Variant("x"), {}, NUMERIC, uncovered=("metrics differ: f1",))),
            "x: metrics differ: f1, which no tolerance covers",
            id="no matter of size",
        ),
        pytest.param((Trial(Variant("x"), {}, NUMERIC, None, None),), "can't be told", id="not compared"),
    ],
)
def test_no_tolerance_follows_from_what_is_no_distance(trials: tuple[Trial, ...], said: str) -> None:
    assert said in str(obstacle(trials, NUMERIC))


def test_a_tolerance_follows_where_only_numbers_moved() -> None:
    assert obstacle((STILL, MOVED), NUMERIC) is None


def test_a_file_covers_what_it_has_seen_and_nothing_wider_or_newer() -> None:
    known = document(STILL, MOVED)

    assert covers([known], (STILL, MOVED))
    assert not covers([], (STILL,))
    assert not covers([document(STILL)], (MOVED,))
    assert not covers([known], (Trial(Variant("cluster standalone-3x1-v1"), {}),))
    assert not covers([known], (at("one core", 1e-16),))


def test_the_newest_file_of_a_family_and_lock_counts() -> None:
    names = [
        "a--ml-v1.json",
        "a--ml-v1--v2.json",
        "a--ml-v1--v10.json",
        "a--ml-v2.json",
        "a_b--ml-v1.json",
        "notes.json",
    ]

    assert newest(names, "a", "ml-v1") == "a--ml-v1--v10.json"
    assert newest(names, "a", "ml-v2") == "a--ml-v2.json"
    assert newest(names, "a", "ml") is None
    assert newest([], "a", "ml-v1") is None


def test_the_next_file_has_a_name_of_its_own() -> None:
    assert next_name([], "a", "ml-v1") == "a--ml-v1.json"
    assert next_name(["a--ml-v1.json", "a--ml-v2.json"], "a", "ml-v1") == "a--ml-v1--v2.json"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no JSON", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"schema": "other/1", "probability": 0, "score": 0}', id="another schema"),
        pytest.param(b'{"schema": "repro-tolerance/1", "probability": -1, "score": 0}', id="below zero"),
        pytest.param(b'{"schema": "repro-tolerance/1", "probability": NaN, "score": 0}', id="no number"),
        pytest.param(b'{"schema": "repro-tolerance/1", "score": 0}', id="no bound"),
    ],
)
def test_a_file_that_says_no_bound_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match=r"a tolerance file can't be (read|used) \[here\]"):
        parse_tolerance(content, "here")


def test_a_written_file_is_read_back() -> None:
    assert parse_tolerance(json.dumps(document()).encode(), "here") == document()


def test_a_run_without_a_model_has_no_family() -> None:
    assert family_of({"features": {}}) is None
    assert family_of({"model": {"family": "spark_gbt"}}) == "spark_gbt"
