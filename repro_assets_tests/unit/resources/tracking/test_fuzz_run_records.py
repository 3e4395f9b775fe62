"""Manifests of any form in the store: a run is read from them whole, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_assets.errors import DataDamaged, ReproError
from repro_assets.pins.contract import Request
from repro_assets.pins.manifest import manifest_digest, run_manifest
from repro_assets.pins.run_record import RunRecord
from repro_assets.resources.tracking.run_records import load_record
from repro_assets_tests.fuzzing import EXAMPLES, JSON, damaged, refused_in_one_line
from repro_assets_tests.unit.pins.run_records import KEY, ORDER, manifest

UPSTREAM = {asset: ORDER[max(number - 1, 0) : number] for number, asset in enumerate(ORDER)}


class Store:
    """A tracking store of manifests, each with the digest that its run's tag names: by then it is believed."""

    tracking_uri = "memory://store"

    def __init__(self, documents: dict[str, Any]) -> None:
        self.contents = {run: json.dumps(document).encode() for run, document in documents.items()}
        self.tags = {run: {"repro.manifest": digest_of(document)} for run, document in documents.items()}

    def get_run(self, run_id: str) -> SimpleNamespace:
        return SimpleNamespace(
            info=SimpleNamespace(run_id=run_id), data=SimpleNamespace(tags=self.tags.get(run_id, {}))
        )

    def download_artifacts(self, run_id: str, name: str, folder: str) -> str:
        if run_id not in self.contents:
            raise FileNotFoundError(name)
        (Path(folder) / name).write_bytes(self.contents[run_id])
        return str(Path(folder) / name)


def digest_of(document: Any) -> str:
    try:
        return manifest_digest(document)
    except ReproError:
        return "none"


def stage_document(asset: str) -> dict[str, Any]:
    inputs = {
        upstream: {
            "identity": f"identity of {upstream}",
            "digest": f"digest of {upstream}",
            "mlflow_run_id": f"run of {upstream}",
        }
        for upstream in UPSTREAM[asset]
    }
    return manifest(asset, inputs=inputs)


STAGES = {f"run of {asset}": stage_document(asset) for asset in ORDER}
PARENT = run_manifest(
    KEY,
    {
        asset: {
            "state": "computed",
            "identity": f"identity of {asset}",
            "output_digest": f"digest of {asset}",
            "mlflow_run_id": f"run of {asset}",
        }
        for asset in ORDER
    },
    {"dagster": "d", "mlflow": "m"},
)


def load(store: Store) -> RunRecord:
    return load_record(store, store.get_run("parent"))  # type: ignore[arg-type] # a fake of the two methods that are used


def test_a_run_that_is_whole_is_read() -> None:
    assert list(load(Store({"parent": PARENT, **STAGES})).stages) == list(ORDER)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_run_with_a_damaged_manifest_is_read_or_refused(examples: int) -> None:
    @settings(max_examples=100 * examples)
    @given(st.sampled_from(["parent", "run of model", "run of covid_cases"]), st.data())
    def check(run: str, data: st.DataObject) -> None:
        documents = {"parent": PARENT, **STAGES}
        store = Store({**documents, run: data.draw(damaged(documents[run]) | JSON)})
        with refused_in_one_line([]):
            json.dumps(Request.of(load(store)).as_document())

    check()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_bytes_for_a_manifest_are_damage(examples: int) -> None:
    @settings(max_examples=60 * examples)
    @given(st.binary(max_size=40) | JSON.map(json.dumps).map(str.encode))
    def check(content: bytes) -> None:
        store = Store({"parent": PARENT, **STAGES})
        store.contents["parent"] = content
        with pytest.raises(DataDamaged):
            load(store)

    check()


def test_a_manifest_nested_without_end_is_damage() -> None:
    store = Store({"parent": PARENT, **STAGES})
    store.contents["run of model"] = b"[" * 200_000
    with pytest.raises(DataDamaged, match="can't be read"):
        load(store)


def test_manifests_that_name_each_other_are_damage() -> None:
    first = {**STAGES["run of covid_cases"], "inputs": STAGES["run of job_changes"]["inputs"]}
    with pytest.raises(DataDamaged, match="covid_cases of covid_cases"):
        load(Store({"parent": PARENT, **STAGES, "run of covid_cases": first}))


def test_a_run_s_manifest_whose_order_names_other_stages_is_damage() -> None:
    with pytest.raises(DataDamaged, match="order does not name the stages"):
        load(Store({"parent": {**PARENT, "order": ["model"]}, **STAGES}))
