"""The marker of a stored output."""

from __future__ import annotations

import dataclasses
import json

import pytest

from repro_assets.errors import DataDamaged
from repro_assets.pins.output import Output, Part, StoredFile, output_digest

TRAIN = Part("train", "table", "1" * 64, 3, (StoredFile("attempt-a/train/part-0.parquet", 10, "2" * 64),))
FULL = Part("full", "model", "3" * 64, None, (StoredFile("attempt-a/full/model.skops", 20, "4" * 64),))
OUTPUT = Output(
    asset="model",
    data_version="covid_cases-v000012--job_changes-v000001",
    identity="5" * 64,
    digest="6" * 64,
    parts=(TRAIN, FULL),
    data={"covid_cases": {"version": 12, "schema": [["uid", "int64"]]}},
    lineage={"features": {"identity": "b" * 64, "digest": "c" * 64}},
    mlflow_run_id="7" * 32,
    mlflow_parent_run_id="8" * 32,
    dagster_run_id="9",
    manifest_sha256="a" * 64,
    metrics={"roc_auc": 0.75, "rows": 3},
)


def test_a_marker_survives_the_way_through_its_bytes() -> None:
    assert Output.from_json(OUTPUT.to_json(), "here") == OUTPUT


def test_equal_outputs_have_equal_markers() -> None:
    assert dataclasses.replace(OUTPUT, metrics={"rows": 3, "roc_auc": 0.75}).to_json() == OUTPUT.to_json()


def test_the_marker_names_its_schema_and_the_digest_of_every_part() -> None:
    document = json.loads(OUTPUT.to_json())

    assert document["schema"] == "repro-output/1"
    assert {part["name"]: part["digest"] for part in document["parts"]} == {"train": "1" * 64, "full": "3" * 64}


def test_a_part_is_found_by_its_name() -> None:
    assert OUTPUT.part("full") == FULL


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(OUTPUT.to_json()), **changes}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in json.loads(OUTPUT.to_json()).items() if key != name}).encode()


DAMAGED = {
    "empty": b"",
    "half of it": OUTPUT.to_json()[:-40],
    "zero bytes": b"\0" * 100,
    "no UTF-8": b'"\xff"',
    "a list": b"[]",
    "null": b"null",
    "another schema": changed(schema="repro-output/2"),
    "no schema": without("schema"),
    "no digest": without("digest"),
    "no parts": without("parts"),
    "parts that are null": changed(parts=None),
    "parts that are no objects": changed(parts=[1]),
    "a part without files": changed(parts=[{"name": "train"}]),
    "a part with an unknown field": changed(parts=[{**dataclasses.asdict(TRAIN), "color": "red"}]),
    "a file without a digest": changed(parts=[{**dataclasses.asdict(TRAIN), "files": [{"path": "a", "bytes": 1}]}]),
    "an unknown field": changed(color="red"),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_marker_is_refused_by_its_place(content) -> None:
    with pytest.raises(DataDamaged, match=r"marker can't be read \[lake/model/_COMPLETE\.json\]") as refused:
        Output.from_json(content, "lake/model/_COMPLETE.json")

    assert len(str(refused.value).splitlines()) == 1


def test_the_digest_of_an_output_of_one_part_is_that_of_the_part() -> None:
    assert output_digest({"features": "f" * 64}) == "f" * 64


def test_the_digest_of_several_parts_does_not_depend_on_their_order() -> None:
    assert output_digest({"a": "1", "b": "2"}) == output_digest({"b": "2", "a": "1"})


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"a": "1", "b": "3"}, id="another digest"),
        pytest.param({"a": "2", "b": "1"}, id="digests swapped"),
        pytest.param({"a": "1", "c": "2"}, id="another name"),
        pytest.param({"a": "1", "b": "2", "c": "3"}, id="one part more"),
        pytest.param({"a": "1"}, id="one part less"),
    ],
)
def test_any_part_moves_the_digest_of_an_output(parts) -> None:
    assert output_digest(parts) != output_digest({"a": "1", "b": "2"})


def test_the_digest_of_several_parts_is_the_one_that_was_published() -> None:
    assert (
        output_digest({"full": "3" * 64, "train": "1" * 64})
        == "82de7327f9fd97a0f5210d7d865b2421fc136d6f83297e109e7884d892eea5e6"
    )
