"""What the current code and a capsule say to each other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from repro_assets.errors import BadInput, DataDamaged
from repro_assets.pins.contract import REQUEST, RESULT, Failure, Request, Result
from repro_assets_tests.unit.pins.run_records import KEY, ORDER, manifest, run_record


def test_a_run_is_asked_for_as_it_was() -> None:
    parameters = {"model": {"family": "random_forest", "C": 0.5}}
    record = run_record(parameters=parameters["model"])
    request = Request.of(record)
    assert request.data_version == KEY
    assert request.stages == ORDER
    assert request.parameters["model"] == parameters["model"]
    assert (request.environment, request.cluster, request.record) == ("ml-v1", "local-v1", False)


def test_an_environment_that_was_written_down_is_asked_for_in_the_same_way() -> None:
    pins = manifest("model")["pins"]
    recorded = {**pins, "environment": {**pins["environment"], "effective": {"mode": "record"}}}
    assert Request.of(run_record(pins=recorded)).record


def test_a_request_comes_back_from_its_text_as_it_was() -> None:
    request = Request.of(run_record())
    assert Request.from_document(json.loads(json.dumps(request.as_document())), "here") == request


def test_a_run_that_used_the_champion_asks_for_that_champion() -> None:
    champion = {"digest": "f" * 64, "files": {"full": {"path": "file:///lake/model", "sha256": "1" * 64}}}
    request = Request.of(run_record(champion=champion))
    assert request.champion == champion
    assert Request.from_document(json.loads(json.dumps(request.as_document())), "here") == request


def test_a_request_without_a_champion_is_one_that_older_capsules_take() -> None:
    assert "champion" not in Request.of(run_record()).as_document()


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"schema": "repro-contract-request/2"}, {"schema": REQUEST, "data_version": KEY}],
    ids=["nothing", "a list", "no schema", "a schema to come", "fields missing"],
)
def test_what_is_no_request_is_refused(document: Any) -> None:
    with pytest.raises(BadInput, match="request"):
        Request.from_document(document, "here")


@pytest.mark.parametrize("failure", [None, Failure("DataDamaged", "a file is gone", 1)], ids=["whole", "failed"])
def test_a_result_comes_back_from_its_text_as_it_was(failure: Failure | None) -> None:
    result = Result(run_record().stages, "a" * 64, 1.5, failure)
    again = Result.from_document(json.loads(json.dumps(result.as_document())), "here")
    assert again == result
    assert list(again.stages) == list(ORDER)


@pytest.mark.parametrize(
    "document",
    [
        None,
        {"schema": "repro-contract-result/2"},
        {"schema": RESULT, "stages": []},
        {"schema": RESULT, "stages": [{"asset": "model"}], "capsule": None, "seconds": 0, "failure": None},
        {"schema": RESULT, "stages": [], "capsule": None, "seconds": 0, "failure": {"kind": "x"}},
    ],
    ids=["nothing", "a schema to come", "fields missing", "a stage without manifest", "a failure without message"],
)
def test_what_is_no_result_is_refused(document: Any) -> None:
    with pytest.raises(DataDamaged, match="capsule"):
        Result.from_document(document, "here")
