"""What a verdict rests on is gathered from the tables themselves, and what can't be looked at is said."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LogisticRegression

from repro_assets.errors import DataDamaged
from repro_assets.pins.contract import Result
from repro_assets.pins.output import Output, output_digest
from repro_assets.pins.run_record import RunRecord, StageRecord, stage_record
from repro_assets.resources.outputs.lake import Lake, new_attempt
from repro_assets.resources.outputs.model_file import dump_model
from repro_assets.resources.reproduction.original_outputs import damaged_outputs, stored_output
from repro_assets.resources.reproduction.verdict_evidence import Tables, gather
from repro_assets_tests.unit.pins.run_records import KEY, ORDER, manifest

FEATURES = pa.table({"enrollee_id": [1, 2, 3], "city_cases": [10.0, 20.0, 30.0]})
PREDICTIONS = pa.table(
    {
        "enrollee_id": [1, 2, 3],
        "probability": [0.25, 0.5, 0.75],
        "probability_without_cases": [0.25, 0.5, 0.75],
        "predicted": [0, 1, 1],
    }
)


class NoModels:
    """A registry without models."""

    tracking_uri = "sqlite:///nowhere.db"

    def search_model_versions(self, _: str) -> list[Any]:
        return []


def _store(lake: Lake, asset: str, table: pa.Table, metrics: dict[str, float] | None = None) -> StageRecord:
    """An output with one table in a lake, and the manifest that speaks of it."""
    identity = f"{asset:x<64}".replace("_", "x")[:64]
    part = lake.write_arrow(new_attempt(lake.folder(asset, KEY, identity)), asset, table)
    digest = output_digest({asset: part.digest})
    lake.complete(Output(asset, KEY, identity, digest, (part,), {}, {}, "m", "p", "d", "s", metrics or {}))
    document = copy.deepcopy(manifest(asset, parameters={"threshold": 0.5} if asset == "predictions" else {}))
    document["identity"]["digest"] = identity
    parts = [{"name": asset, "kind": "table", "digest": part.digest, "rows": part.rows}]
    document["output"] |= {"digest": digest, "parts": parts}
    document["metrics"] = metrics or {}
    return stage_record(asset, f"run of {asset}", document)


def _with_id(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values, table.schema.field(name).type))


class Pair:
    """An original and its reproduction, each in a lake of its own."""

    def __init__(self, folder: Path) -> None:
        self.originals, self.copies = Lake(uri=f"file://{folder}/original"), Lake(uri=f"file://{folder}/copy")
        raw = {asset: stage_record(asset, "r", manifest(asset)) for asset in ORDER[:2]}
        self.expected = {
            **raw,
            "features": _store(self.originals, "features", FEATURES),
            "predictions": _store(self.originals, "predictions", PREDICTIONS, {"roc_auc": 0.75, "tp": 2}),
        }
        self.found = dict(raw)

    def tables(self, features: pa.Table = FEATURES, predictions: pa.Table = PREDICTIONS) -> Tables:
        self.found["features"] = _store(self.copies, "features", features)
        self.found["predictions"] = _store(self.copies, "predictions", predictions, {"roc_auc": 0.75, "tp": 2})
        return Tables(self.record, Result(self.found), self.originals, self.copies)

    @property
    def record(self) -> RunRecord:
        return RunRecord("run", "d", KEY, self.expected)

    def marker(self, asset: str) -> Path:
        folder = self.originals.folder(asset, KEY, self.expected[asset].identity)
        return Path(folder.removeprefix("file://")) / "_COMPLETE.json"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_where_no_digest_differs_nothing_is_read(pair: Pair) -> None:
    tables = pair.tables()
    pair.marker("features").unlink()
    evidence = gather(tables)
    assert (evidence.differences, evidence.closeness, evidence.not_compared) == ({}, None, ())


def test_the_first_table_that_differs_is_compared_by_the_key_of_its_people(pair: Pair) -> None:
    evidence = gather(pair.tables(features=_with_id(FEATURES, "city_cases", [10.0, 27.0, 30.0])))
    assert list(evidence.differences) == ["features"]
    difference = evidence.differences["features"]
    assert (difference.changed, difference.keys, difference.largest) == (1, ("enrollee_id",), 7.0)
    assert evidence.closeness is not None
    assert evidence.closeness.probability == 0.0


def test_the_distance_of_predictions_is_measured(pair: Pair) -> None:
    evidence = gather(pair.tables(predictions=_with_id(PREDICTIONS, "probability", [0.25, 0.5, 0.75 + 5e-10])))
    assert evidence.closeness is not None
    assert evidence.closeness.probability == pytest.approx(5e-10, rel=1e-3)
    assert evidence.closeness.is_within


MEASURED = {"probability": 1e-12, "score": 1e-12, "source": "measured", "file": "tolerances/f.json"}


def _judged_by(pair: Pair, swapped: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """The tolerance that predictions are judged by, of a run whose manifest states a measured one."""
    tables = pair.tables(predictions=_with_id(PREDICTIONS, "probability", [0.25, 0.5, 0.75 + 5e-10]))
    model = manifest("model", parameters={"family": "random_forest"})
    pair.expected["model"] = stage_record("model", "r", {**model, **changes})
    last = pair.expected.pop("predictions")
    pair.expected["predictions"] = stage_record("predictions", "r", {**last.manifest, "tolerance": MEASURED})
    closeness = gather(tables, swapped=swapped).closeness
    assert closeness is not None
    return dict(closeness.tolerance)


def test_a_measured_tolerance_is_judged_by_where_it_was_measured(pair: Pair) -> None:
    assert _judged_by(pair, ("compute",)) == MEASURED


def test_a_replaced_environment_is_judged_by_the_assumed_tolerance(pair: Pair) -> None:
    found = _judged_by(pair, ("environment",))
    assert (found["probability"], found["score"]) == (1e-9, 1e-6)
    assert found["source"] == "assumed, since the environment was replaced"


def test_an_environment_that_was_only_written_down_is_judged_by_the_assumed_tolerance(pair: Pair) -> None:
    pins = copy.deepcopy(manifest("model")["pins"])
    pins["environment"]["effective"]["mode"] = "record"
    found = _judged_by(pair, pins=pins)
    assert found["probability"] == 1e-9
    assert "not enforced" in found["source"]


def test_an_original_that_is_gone_is_listed_as_not_compared(pair: Pair) -> None:
    tables = pair.tables(features=_with_id(FEATURES, "city_cases", [10.0, 27.0, 30.0]))
    pair.marker("features").unlink()
    evidence = gather(tables)
    assert evidence.differences == {}
    assert "rows of features/features: the original's features is gone" in evidence.not_compared[0]


def test_predictions_that_can_not_be_compared_have_no_distance(pair: Pair) -> None:
    tables = pair.tables(predictions=_with_id(PREDICTIONS, "probability", [0.25, 0.5, 0.7]))
    pair.marker("predictions").unlink()
    evidence = gather(tables)
    assert evidence.closeness is None
    assert any(line.startswith("distance of the predictions: ") for line in evidence.not_compared)


def test_of_a_raw_table_only_the_fingerprint_was_kept(pair: Pair) -> None:
    tables = pair.tables()
    document = copy.deepcopy(manifest("covid_cases"))
    document["output"]["digest"] = "another"
    pair.found["covid_cases"] = stage_record("covid_cases", "r", document)
    evidence = gather(tables)
    assert evidence.not_compared == ("rows of covid_cases: of the original only the fingerprint was kept",)


def test_another_result_in_the_place_of_the_original_is_not_the_original(pair: Pair) -> None:
    marker = pair.marker("features")
    stage = pair.expected["features"]
    assert stored_output(stage, KEY, pair.originals) is not None
    marker.write_text(marker.read_text().replace(stage.output_digest, "0" * 64))
    assert stored_output(stage, KEY, pair.originals) is None


def test_stored_outputs_are_whole_or_damaged_or_gone(pair: Pair) -> None:
    assert damaged_outputs(pair.record, pair.originals, NoModels()) == []
    file = next(pair.marker("features").parent.rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    (damage,) = damaged_outputs(pair.record, pair.originals, NoModels())
    assert isinstance(damage, DataDamaged)
    assert file.name in str(damage)
    pair.marker("features").unlink()
    assert damaged_outputs(pair.record, pair.originals, NoModels()) == []


def test_a_marker_that_names_other_parts_than_the_manifest_is_damage(pair: Pair) -> None:
    stage = pair.expected["features"]
    document = copy.deepcopy(dict(stage.manifest))
    document["output"]["parts"][0]["digest"] = "f" * 64
    pair.expected["features"] = stage_record("features", "r", document)
    (damage,) = damaged_outputs(pair.record, pair.originals, NoModels())
    assert "what is stored of features is not what its manifest names" in str(damage)


def _one_model(pair: Pair, content: bytes) -> RunRecord:
    """A stored model, and a manifest that names a state of its own making."""
    identity, state = "m" * 64, "5" * 64
    attempt = new_attempt(pair.originals.folder("model", KEY, identity))
    part = pair.originals.write_model(attempt, "full", content, state)
    pair.originals.complete(Output("model", KEY, identity, state, (part,), {}, {}, "m", "p", "d", "s"))
    document = copy.deepcopy(manifest("model"))
    document["identity"]["digest"] = identity
    parts = [{"name": "full", "kind": "model", "digest": state, "rows": None}]
    document["output"] |= {"digest": state, "parts": parts}
    return RunRecord("run", "d", KEY, {"model": stage_record("model", "r", document)})


def test_a_model_that_another_scikit_learn_made_is_not_judged_by_this_one(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warns(*_: object, **__: object) -> None:
        versions = {"current_sklearn_version": "2", "original_sklearn_version": "1"}
        warnings.warn(InconsistentVersionWarning(estimator_name="e", **versions), stacklevel=2)

    record = _one_model(pair, b"bytes of another version")
    monkeypatch.setattr("repro_assets.resources.outputs.model_file.load_model", warns)
    assert damaged_outputs(record, pair.originals, NoModels()) == []


def test_a_model_in_another_state_than_its_manifest_names_is_damage(pair: Pair) -> None:
    model = LogisticRegression(random_state=1).fit([[0.0], [1.0]], [0, 1])
    record = _one_model(pair, dump_model(model))
    (damage,) = damaged_outputs(record, pair.originals, NoModels())
    assert "what is stored of model is not what its manifest names" in str(damage)
