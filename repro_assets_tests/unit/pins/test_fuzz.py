"""Keys, manifests and requests of any form: taken as what they are, or refused in one line; nothing else happens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_assets.errors import BadInput, ReproError
from repro_assets.pins.contract import Request, Result
from repro_assets.pins.data import parse_commit
from repro_assets.pins.data_version import decode, encode
from repro_assets.pins.environment import EnvironmentPin
from repro_assets.pins.output import Output, Part, StoredFile
from repro_assets.pins.run_record import RunRecord, StageRecord, stage_record
from repro_assets_tests.fuzzing import ANY_TEXT, EXAMPLES, JSON, damaged, refused_in_one_line
from repro_assets_tests.unit.pins.run_records import KEY, ORDER, manifest, run_record

TABLES = ("covid_cases", "job_changes")
CHARACTERS = st.characters(exclude_categories=()) | st.sampled_from("0-_v/.'\"\n\0\u0661")


@st.composite
def damaged_keys(draw: Any) -> str:
    """A key of a data version after up to three slips."""
    key = KEY
    for _ in range(draw(st.integers(1, 3))):
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(key))] * 2)))
        piece = draw(st.text(CHARACTERS, max_size=2) | st.just(key[at:end] * 2))
        key = key[:at] + piece + key[end:]
    return key


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_key_is_one_that_encode_writes_or_is_refused(examples: int) -> None:
    @settings(max_examples=300 * examples)
    @given(damaged_keys() | ANY_TEXT | JSON)
    def check(key: Any) -> None:
        refusals: list[ReproError] = []
        with refused_in_one_line(refusals):
            assert encode(decode(key, TABLES), TABLES) == key
        assert all(isinstance(error, BadInput) for error in refusals)

    check()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_versions_make_a_key_that_reads_back_or_are_refused(examples: int) -> None:
    names = st.sampled_from([*TABLES, "a__b", "A", "", "a\n"]) | ANY_TEXT
    versions = st.integers() | st.integers(0, 10**18) | LEAF_VERSIONS

    @settings(max_examples=200 * examples)
    @given(st.dictionaries(names, versions, max_size=3))
    def check(found: Mapping[str, Any]) -> None:
        with refused_in_one_line([]):
            assert decode(encode(found, list(found)), list(found)) == found

    check()


LEAF_VERSIONS: st.SearchStrategy[Any] = st.booleans() | st.floats() | ANY_TEXT | st.none()


def use(stage: StageRecord) -> None:
    """Read everything that the project reads of a stage's manifest."""
    record = RunRecord("parent", "dagster run", KEY, {stage.asset: stage})
    _ = stage.identity, stage.output_digest, stage.parts, stage.metrics
    _ = record.data, record.code, record.environment, record.compute, record.parameters
    _ = record.champion, record.tolerance, record.enforced
    for entry in stage.manifest["inputs"].values():
        _ = entry["identity"], entry["digest"], entry["mlflow_run_id"]
    with refused_in_one_line([]):
        EnvironmentPin.from_document(record.environment["declared"])
    json.dumps(Request.of(record).as_document())


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("asset", ["covid_cases", "predictions"])
def test_a_manifest_is_one_that_can_be_used_or_is_refused(asset: str, examples: int) -> None:
    inputs = {"model": {"identity": "1", "digest": "2", "mlflow_run_id": "3"}}
    champion = {"digest": "f" * 64, "files": {"full": {"path": "file:///lake/model", "sha256": "1" * 64}}}
    whole = manifest(asset, inputs=inputs, champion=champion, parameters={"C": 0.5})

    @settings(max_examples=250 * examples)
    @given(damaged(whole) | JSON)
    def check(document: Any) -> None:
        with refused_in_one_line([]):
            use(stage_record(asset, "run", document))

    check()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_request_is_one_that_reads_back_or_is_refused(examples: int) -> None:
    whole = Request.of(run_record(champion={"digest": "f" * 64, "files": {}})).as_document()

    @settings(max_examples=200 * examples)
    @given(damaged(whole) | JSON)
    def check(document: Any) -> None:
        with refused_in_one_line([]):
            request = Request.from_document(document, "here")
            again = json.loads(json.dumps(request.as_document()))
            assert json.dumps(Request.from_document(again, "here").as_document()) == json.dumps(again)

    check()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_result_is_one_that_can_be_used_or_is_refused(examples: int) -> None:
    whole = Result({"model": stage_record("model", "run", manifest("model"))}, "a" * 64, 1.5).as_document()
    failed = {**whole, "failure": {"kind": "DataDamaged", "message": "gone", "exit_code": 1}}

    @settings(max_examples=200 * examples)
    @given(damaged(whole) | damaged(failed) | JSON)
    def check(document: Any) -> None:
        with refused_in_one_line([]):
            result = Result.from_document(document, "here")
            for stage in result.stages.values():
                use(stage)
            if result.failure is not None:
                _ = f"{result.failure.kind}: {result.failure.message}"

    check()


COMMIT = [
    {
        "commitInfo": {
            "timestamp": 1,
            "operation": "MERGE",
            "userMetadata": "{}",
            "operationMetrics": {"numOutputRows": "1"},
        }
    },
    {"metaData": {"id": "table"}},
    {"add": {"path": "a.parquet", "dataChange": True}},
]
OUTPUT = json.loads(
    Output(
        asset="features",
        data_version=KEY,
        identity="1",
        digest="2",
        parts=(Part("features", "table", "3", 1, (StoredFile("a.parquet", 1, "4"),)),),
        data={},
        lineage={},
        mlflow_run_id="5",
        mlflow_parent_run_id="6",
        dagster_run_id="7",
        manifest_sha256="8",
    ).to_json()
)


def lines(actions: Any) -> bytes:
    return "\n".join(map(json.dumps, actions if isinstance(actions, list) else [actions])).encode()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_commit_or_a_marker_of_any_form_is_read_or_refused(examples: int) -> None:
    @settings(max_examples=200 * examples)
    @given(damaged(COMMIT).map(lines) | damaged(OUTPUT).map(json.dumps).map(str.encode) | st.binary(max_size=40))
    def check(content: bytes) -> None:
        with refused_in_one_line([]):
            parse_commit(0, content, "here")
        with refused_in_one_line([]):
            Output.from_json(content, "here")

    check()


def test_every_stage_of_a_run_that_is_whole_can_be_used() -> None:
    for asset in ORDER:
        use(stage_record(asset, "run", manifest(asset)))
