"""The champion's models: named by a real registry, read from a lake, refused wherever something does not fit. No JVM."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, Blocked, DataDamaged
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.champion import Champion, ChampionFile
from repro_assets.pins.model_digest import model_digest
from repro_assets.pins.output import Output, output_digest
from repro_assets.pins.preflight import Finding
from repro_assets.resources.outputs.lake import Lake, new_attempt
from repro_assets.resources.outputs.model_file import dump_model
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.reproduction.champion_models import (
    located,
    present_champion,
    read_champion,
    require_same_split,
)
from repro_assets.resources.reproduction.preflight import Surroundings
from repro_assets.resources.tracking.champions import champions, move_champion, registered_name
from repro_assets.resources.tracking.model_registry import register
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets.verbs.trace import NoSuchRow, trace
from repro_assets.verbs.trace_printing import lines
from repro_assets_tests.integration.recorded_runs import nested_of, record_run
from repro_assets_tests.unit.pins.run_records import KEY

ESTIMATORS = [estimator.name for estimator in EXPERIMENT.estimators]
NAMES = [registered_name(estimator) for estimator in ESTIMATORS]
SPLIT = {"salt": "repro_assets/1", "test_fraction": 0.2}
COLUMN = "cases_per_100k"


def fitted(slope: float, column: str = COLUMN) -> LogisticRegression:
    return LogisticRegression().fit(pd.DataFrame({column: [0.0, 1.0, slope]}), [0, 1, 1])


def no_spark() -> Any:
    """What scikit-learn fitted opens no session."""
    raise AssertionError("Spark was opened")


class Installation:
    """Runs with models in the lake and in the registry."""

    def __init__(self, var: Path) -> None:
        self.settings = settings_module.load({"REPRO_VAR": str(var)})
        self.experiment = initialise(self.settings, EXPERIMENT.name)
        self.client: Any = connect(self.settings.mlflow_tracking_uri)
        self.lake = Lake(uri=self.settings.lake)

    def run(self, slope: float, *, column: str = COLUMN, **by_asset: Mapping[str, Any]) -> str:
        """A run whose model stands in the lake, registered."""
        model = self._model(slope, column)
        people = self._table("train_test_snapshot", {"train": [1], "test": [2], "unlabelled": [3]}, slope)
        predicted = self._table("predictions", {"predictions": [2, 3]}, slope)
        outputs = {output.asset: output for output in (model, people, predicted)}
        manifests: dict[str, dict[str, Any]] = {name: stage(output) for name, output in outputs.items()}
        manifests["train_test_snapshot"] |= {"parameters": SPLIT}
        for asset, entries in by_asset.items():
            manifests[asset] |= entries
        parent = record_run(self.client, self.experiment, manifests=manifests)
        nested = nested_of(self.client, parent)["model"]
        source = self.client.get_run(nested).info.artifact_uri
        for name in NAMES:
            register(self.client, name, source=source, run_id=nested, data_version=KEY)
        return parent

    def promote(self, run: str, names: list[str] = NAMES) -> None:
        nested = nested_of(self.client, run)["model"]
        versions = {one.name: one for one in self.client.search_model_versions(f"run_id = '{nested}'")}
        lock = self.settings.var / "locks" / "registry.lock"
        move_champion(self.client, {name: versions[name] for name in names}, {}, lock=lock)

    def champion(self) -> Champion:
        return present_champion(self.client, self.lake)[0]

    def trace(self, asset: str, key: str, run: str | None) -> dict[str, Any]:
        with dg.DagsterInstance.ephemeral() as instance:
            return trace(asset, key, self.settings, instance, run=run)

    def _model(self, slope: float, column: str) -> Output:
        identity = f"{slope}{column}".encode().hex()
        attempt = new_attempt(self.lake.folder("model", KEY, identity))
        models = {name: fitted(slope + number, column) for number, name in enumerate(ESTIMATORS)}
        parts = [
            self.lake.write_model(attempt, name, dump_model(model), model_digest(model))
            for name, model in models.items()
        ]
        return self._complete("model", identity, parts)

    def _table(self, asset: str, parts: Mapping[str, list[int]], slope: float) -> Output:
        identity = f"{asset} {slope}".encode().hex()
        attempt = new_attempt(self.lake.folder(asset, KEY, identity))
        tables = {
            part: pa.table({"enrollee_id": pa.array(keys, pa.int64()), "probability": [slope] * len(keys)})
            for part, keys in parts.items()
        }
        written = [self.lake.write_arrow(attempt, name, table) for name, table in tables.items()]
        return self._complete(asset, identity, written)

    def _complete(self, asset: str, identity: str, parts: list[Any]) -> Output:
        digest = output_digest({part.name: part.digest for part in parts})
        return self.lake.complete(Output(asset, KEY, identity, digest, tuple(parts), {}, {}, "r", "r", "r", "m"))


def stage(output: Output) -> dict[str, Any]:
    """The entries of a manifest that speak of an output."""
    parts = [{"name": one.name, "kind": one.kind, "digest": one.digest, "rows": one.rows} for one in output.parts]
    return {
        "identity": {"digest": output.identity},
        "output": {"digest": output.digest, "location": "somewhere", "parts": parts},
    }


@pytest.fixture
def here(tmp_path: Path, template: Path) -> Installation:
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(template.read_bytes())
    return Installation(tmp_path)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose migrations ran once."""
    folder = tmp_path_factory.mktemp("template")
    initialise(settings_module.load({"REPRO_VAR": str(folder)}), "template")
    return folder / "mlflow" / "mlflow.db"


def test_the_champion_s_models_are_those_of_the_promoted_run_and_not_of_a_newer_one(here: Installation) -> None:
    promoted = here.run(2.0)
    here.run(5.0)
    here.promote(promoted)

    champion = here.champion()

    assert champion.mlflow_run_id == nested_of(here.client, promoted)["model"]
    assert champion.registered == dict.fromkeys(NAMES, "1")
    assert model_digest(read_champion(champion, ESTIMATORS[0], no_spark)) == model_digest(fitted(2.0))


def test_without_a_champion_nothing_else_is_taken(here: Installation) -> None:
    here.run(2.0)

    with pytest.raises(BadInput, match=r"there is no champion.*repro promote RUN"):
        here.champion()


def test_champions_of_two_runs_are_refused(here: Installation) -> None:
    first, second = here.run(2.0), here.run(3.0)
    here.promote(first)
    here.promote(second, NAMES[:1])

    with pytest.raises(BadInput, match="not of one run"):
        here.champion()


def test_a_champion_that_is_gone_from_the_lake_is_blocked(here: Installation) -> None:
    here.promote(here.run(2.0))
    for marker in Path(here.settings.var, "lake", "model").rglob("_COMPLETE.json"):
        marker.unlink()

    with pytest.raises(Blocked, match="the champion's model is gone"):
        here.champion()


def test_an_exchanged_model_file_is_refused(here: Installation) -> None:
    here.promote(here.run(2.0))
    champion = here.champion()
    Path(champion.files[ESTIMATORS[0]].path.removeprefix("file://")).write_bytes(dump_model(fitted(9.0)))

    with pytest.raises(DataDamaged, match="not the one that was recorded"):
        read_champion(champion, ESTIMATORS[0], no_spark)


def test_another_fitted_state_than_the_recorded_one_is_refused(here: Installation) -> None:
    here.promote(here.run(2.0))
    champion = here.champion()
    files = {name: replace(file, digest="0" * 64) for name, file in champion.files.items()}

    with pytest.raises(DataDamaged, match="state is not what was recorded"):
        read_champion(replace(champion, files=files), ESTIMATORS[0], no_spark)


def test_a_champion_of_other_features_is_refused(here: Installation) -> None:
    here.promote(here.run(2.0, column="shoe_size"))

    with pytest.raises(BadInput, match=r"features that there are not.*shoe_size"):
        read_champion(here.champion(), ESTIMATORS[0], no_spark)


def test_a_champion_of_another_split_is_refused(here: Installation) -> None:
    here.promote(here.run(2.0))
    champion, fitted_on = present_champion(here.client, here.lake)

    require_same_split(champion, fitted_on, SPLIT)
    with pytest.raises(BadInput, match="fitted on another split"):
        require_same_split(champion, fitted_on, SPLIT | {"salt": "other"})


def test_a_champion_in_a_manifest_is_found_where_the_lake_is_now(here: Installation, tmp_path: Path) -> None:
    here.promote(here.run(2.0))
    document = json.loads(json.dumps(here.champion().as_document()))
    moved = Path(here.settings.var, "lake").rename(tmp_path / "elsewhere")

    found = located(document, Lake(uri=moved.as_uri()))

    assert found.digest == document["digest"]
    assert model_digest(read_champion(found, ESTIMATORS[0], no_spark)) == model_digest(fitted(2.0))
    with pytest.raises(Blocked):
        located(document, here.lake)


def test_a_champion_whose_digest_is_not_that_of_its_models_is_refused() -> None:
    document = Champion("key", "i", "0" * 64, "r", {}, {"full": ChampionFile("p", "s", "1" * 64)}).as_document()

    with pytest.raises(BadInput, match="not that of its models"):
        Champion.from_document(document, "here")


def test_a_registry_that_nobody_wrote_has_no_champions(here: Installation) -> None:
    assert champions(here.client, NAMES) == {}


def test_a_row_is_traced_to_data_code_environment_cluster_and_runs(here: Installation) -> None:
    run = here.run(2.0)

    found = here.trace("predictions", "2", run)

    assert found["rows"] == [{"part": "predictions", "row": {"enrollee_id": 2, "probability": 2.0}}]
    assert (found["data_version"], found["mlflow_run_id"]) == (KEY, run)
    assert (found["data"]["covid_cases"]["version"], found["code"]["capsule"]) == (0, "a" * 64)
    assert (found["environment"]["name"], found["compute"]["name"]) == ("ml-v1", "local-v1")
    assert found["stages"][-1]["mlflow_run_id"] == nested_of(here.client, run)["predictions"]
    assert found["champion"] is None


def test_a_row_that_the_champion_predicted_is_traced_to_what_made_the_champion(here: Installation) -> None:
    promoted = here.run(2.0)
    here.promote(promoted)
    run = here.run(3.0, predictions={"champion": here.champion().as_document()})

    found = here.trace("predictions", "2", run)

    own, champion = found["model"], found["champion"]
    assert own["mlflow_run_id"] == nested_of(here.client, run)["model"]
    assert champion["mlflow_run_id"] == nested_of(here.client, promoted)["model"]
    assert (champion["origin"]["mlflow_run_id"], champion["origin"]["data_version"]) == (promoted, KEY)
    assert champion["origin"]["code"]["capsule"] == "a" * 64
    said = "\n".join(lines(found))
    assert "own model, not used" in said
    assert f"champion: {champion['digest']}" in said


def test_without_a_run_the_newest_is_traced(here: Installation) -> None:
    here.run(2.0)
    newest = here.run(3.0)

    assert here.trace("predictions", "3", None)["mlflow_run_id"] == newest


def test_somebody_who_is_not_predicted_is_said_to_be_in_train(here: Installation) -> None:
    with pytest.raises(NoSuchRow, match=r"no row of this enrollee_id.*They are in train") as error:
        here.trace("predictions", "1", here.run(2.0))
    assert error.value.exit_code == 1


@pytest.mark.parametrize(
    ("asset", "key", "said"),
    [
        pytest.param("predictions", "two", r"not a key \[enrollee_id\]", id="no number"),
        pytest.param("weather", "2", "no such asset", id="no asset"),
        pytest.param("model", "2", "has no enrollee_id", id="an asset without people"),
    ],
)
def test_what_can_t_be_traced_is_refused(here: Installation, asset: str, key: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        here.trace(asset, key, here.run(2.0))


def test_preflight_says_that_the_champion_a_run_was_made_with_is_gone(here: Installation) -> None:
    here.promote(here.run(2.0))
    run = here.run(3.0, predictions={"champion": here.champion().as_document()})
    around = Surroundings(here.settings, RawTables(), here.client, datetime.now(UTC), lambda *_: Finding())
    before = around.preflight(here.client.get_run(run)).answer.reasons
    for marker in Path(here.settings.var, "lake", "model").rglob("_COMPLETE.json"):
        marker.unlink()

    around = Surroundings(here.settings, RawTables(), here.client, datetime.now(UTC), lambda *_: Finding())
    after = around.preflight(here.client.get_run(run)).answer.reasons

    assert not [one for one in before if "champion" in one]
    assert [one for one in after if one.startswith("Blocked: the champion's model is gone from the lake")]
