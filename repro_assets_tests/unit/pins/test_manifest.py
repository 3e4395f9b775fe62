"""The manifest of a materialization and of a run: what is in it, and that its digest sees every change."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import pytest

from repro_assets.pins.data import CommitPin, DataPin, RowsPin
from repro_assets.pins.identity import Identity
from repro_assets.pins.manifest import Manifest, Pins, manifest_digest, run_manifest
from repro_assets.pins.output import Part, StoredFile

KEY = "covid_cases-v000012--job_changes-v000001"
PIN = DataPin(
    CommitPin("covid_cases", "file:///lake/raw/covid_cases", "id", 12, "ab" * 32, 1_000),
    RowsPin("cd" * 32, 3, (("uid", "int64"),)),
)
MANIFEST = Manifest(
    data_version=KEY,
    identity=Identity("features", {"train_test_snapshot": "1" * 64}, "2" * 64, {"salt": "s"}, "3" * 64, "4" * 64),
    pins=Pins(
        data={"covid_cases": PIN},
        code={"commit": "5" * 40, "dirty": False, "capsule": "6" * 64},
        environment={"declared": {"name": "ml-v1"}, "effective": {"mode": "enforce"}},
        compute={"declared": {"name": "local-v1"}, "effective": {"spark": None}},
    ),
    inputs={"train_test_snapshot": {"identity": "7" * 64, "digest": "1" * 64}},
    output_digest="8" * 64,
    parts=(Part("features", "table", "8" * 64, 3, (StoredFile("attempt-x/features/part-0.parquet", 1, "9" * 64),)),),
    location="file:///lake/features",
    metrics={"roc_auc": 0.75},
    caveat="SYNTHETIC",
    runs={"dagster": "d", "mlflow": "m"},
)
STAGES = {
    "covid_cases": {"state": "reused", "identity": "1", "output_digest": "2", "mlflow_run_id": "3"},
    "model": {"state": "computed", "identity": "4", "output_digest": "5", "mlflow_run_id": "6"},
}


def keys(value: Any, path: str = "") -> list[str]:
    """Every path to a leaf, lists left out."""
    if not isinstance(value, dict) or not value:
        return [path]
    return [found for name, inner in value.items() for found in keys(inner, f"{path}.{name}".lstrip("."))]


def test_a_manifest_has_these_keys() -> None:
    """What reads manifests reads old ones too: a change here is a new schema."""
    assert sorted(keys(MANIFEST.as_document())) == [
        "asset",
        "caveat",
        "data_version",
        "identity.asset",
        "identity.cluster",
        "identity.code",
        "identity.digest",
        "identity.environment",
        "identity.inputs.train_test_snapshot",
        "identity.parameters.salt",
        "identity.receipt",
        "identity.schema",
        "inputs.train_test_snapshot.digest",
        "inputs.train_test_snapshot.identity",
        "metrics.roc_auc",
        "output.digest",
        "output.location",
        "output.parts",
        "parameters.salt",
        "pins.code.capsule",
        "pins.code.commit",
        "pins.code.dirty",
        "pins.compute.declared.name",
        "pins.compute.effective.spark",
        "pins.data.covid_cases.commit_sha256",
        "pins.data.covid_cases.fingerprint",
        "pins.data.covid_cases.rows",
        "pins.data.covid_cases.schema",
        "pins.data.covid_cases.table",
        "pins.data.covid_cases.table_id",
        "pins.data.covid_cases.timestamp",
        "pins.data.covid_cases.uri",
        "pins.data.covid_cases.version",
        "pins.environment.declared.name",
        "pins.environment.effective.mode",
        "runs.dagster",
        "runs.mlflow",
        "schema",
        "tolerance.probability",
        "tolerance.score",
        "tolerance.source",
    ]


def test_a_manifest_states_its_schema_and_that_the_tolerance_is_assumed() -> None:
    document = MANIFEST.as_document()

    assert document["schema"] == "repro-manifest/1"
    assert document["tolerance"] == {"probability": 1e-9, "score": 1e-6, "source": "assumed"}


def test_a_manifest_carries_the_identity_s_own_digest() -> None:
    assert MANIFEST.as_document()["identity"]["digest"] == MANIFEST.identity.digest()


def test_a_part_is_named_with_digest_and_rows_but_without_its_files() -> None:
    (part,) = MANIFEST.as_document()["output"]["parts"]

    assert part == {"name": "features", "kind": "table", "digest": "8" * 64, "rows": 3}


def test_the_pinned_rows_can_be_read_back_from_the_manifest() -> None:
    document = json.loads(json.dumps(MANIFEST.as_document()))

    assert DataPin.from_document(document["pins"]["data"]["covid_cases"]) == PIN


def test_the_digest_is_that_of_the_stored_document_in_whatever_order_it_is_read() -> None:
    document = MANIFEST.as_document()
    stored = json.loads(json.dumps(document, indent=2, sort_keys=True))

    assert manifest_digest(stored) == manifest_digest(document)


def leaves(document: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(document, dict) or not document:
        return [path]
    return [found for name, inner in document.items() for found in leaves(inner, (*path, name))]


@pytest.mark.parametrize("path", leaves(MANIFEST.as_document()), ids=".".join)
def test_any_change_moves_the_digest(path) -> None:
    document = copy.deepcopy(MANIFEST.as_document())
    target = document
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = "changed"

    assert manifest_digest(document) != manifest_digest(MANIFEST.as_document())


def test_a_manifest_does_not_share_its_parts_with_its_document() -> None:
    before = manifest_digest(MANIFEST.as_document())
    MANIFEST.as_document()["metrics"]["roc_auc"] = 0.0

    assert manifest_digest(MANIFEST.as_document()) == before


def test_the_document_of_a_run_names_its_stages_in_the_order_they_ran() -> None:
    document = run_manifest(KEY, STAGES, {"dagster": "d", "mlflow": "m"})

    assert document == {
        "schema": "repro-run-manifest/1",
        "data_version": KEY,
        "stages": STAGES,
        "order": ["covid_cases", "model"],
        "runs": {"dagster": "d", "mlflow": "m"},
    }


def test_another_order_of_stages_is_another_run() -> None:
    reversed_stages = dict(reversed(STAGES.items()))

    assert manifest_digest(run_manifest(KEY, STAGES, {})) != manifest_digest(run_manifest(KEY, reversed_stages, {}))


def test_an_empty_manifest_of_pins_is_still_a_document() -> None:
    empty = dataclasses.replace(MANIFEST, pins=Pins({}, {}, {}, {}), inputs={}, parts=(), metrics={}, runs={})

    assert len(manifest_digest(empty.as_document())) == 64
