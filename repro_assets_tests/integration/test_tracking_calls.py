"""What an asset writes to its nested run: stages, datasets, models, MLflow's fluent calls. No JVM."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput
from repro_assets.resources.tracking.records import delta_dataset
from repro_assets.resources.tracking.resource import RunTracker
from repro_assets_tests.integration.tracked_assets import (
    EXPERIMENT,
    FINGERPRINT,
    KEY,
    Body,
    materialize,
)


def test_a_stage_is_written_whole(store, instance) -> None:
    raw = delta_dataset("covid_cases", path="file:///lake/c", version=0, fingerprint=FINGERPRINT, context="raw", rows=7)

    def stage(mlflow: RunTracker) -> None:
        run_id = mlflow.nested("first", KEY)
        mlflow.describe({"mlflow.source.git.commit": "c0ffee"})
        mlflow.log_stage(
            run_id,
            params={"salt": "s"},
            metrics={"rows": 7},
            tags={"repro.identity": "id"},
            datasets=[raw],
            documents={"manifest.json": "{}", "model/raw.bin": b"\x00\x01"},
        )

    assert materialize(instance, stage).success

    run = store.runs(EXPERIMENT)["first"]
    used = run.inputs.dataset_inputs[0]
    assert run.data.params == {"salt": "s"}
    assert run.data.metrics == {"rows": 7.0}
    assert run.data.tags["repro.identity"] == "id"
    assert run.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert json.loads(used.dataset.source) == {"path": "file:///lake/c", "delta_table_version": 0}
    assert used.dataset.digest.startswith(FINGERPRINT[:32])
    assert {tag.key: tag.value for tag in used.tags} == {
        "mlflow.data.context": "raw",
        "repro.fingerprint": FINGERPRINT,
        "repro.version": "0",
    }
    assert Path(run.info.artifact_uri.removeprefix("file://"), "model", "raw.bin").read_bytes() == b"\x00\x01"


def test_two_versions_with_the_same_rows_keep_their_own_source(store, instance) -> None:
    def at(version: int) -> Body:
        record = delta_dataset("t", path="/t", version=version, fingerprint=FINGERPRINT, context="raw")
        return lambda mlflow: mlflow.log_dataset(mlflow.current_run(), record)

    materialize(instance, at(0), at(7))

    runs = store.runs(EXPERIMENT)
    sources = [json.loads(runs[name].inputs.dataset_inputs[0].dataset.source) for name in ("first", "second")]
    assert [source["delta_table_version"] for source in sources] == [0, 7]


def test_stock_log_input_lands_in_the_asset_s_run(store, instance) -> None:
    import pandas as pd

    def body(mlflow: RunTracker) -> None:
        mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"a": [1.0]}), name="people"), context="train")

    materialize(instance, body)

    used = store.runs(EXPERIMENT)["first"].inputs.dataset_inputs[0]
    assert used.dataset.name == "people"
    assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "train"}


def test_reading_calls_answer_for_the_asset_s_run_and_the_resource_s_experiment(store, instance) -> None:
    seen: dict[str, Any] = {}

    def body(mlflow: RunTracker) -> None:
        seen["active"] = mlflow.active_run().info.run_name
        seen["uri"] = mlflow.get_artifact_uri("x").endswith("/artifacts/x")
        seen["found"] = sorted(mlflow.search_runs()["tags.mlflow.runName"])
        seen["experiment"] = mlflow.set_experiment(EXPERIMENT).name
        seen["end"] = mlflow.end_run()

    assert materialize(instance, body).success
    assert seen == {
        "active": "first",
        "uri": True,
        "found": sorted(["first", KEY]),
        "experiment": EXPERIMENT,
        "end": None,
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda mlflow: mlflow.start_run(), "mlflow.start_run", id="start_run"),
        pytest.param(lambda mlflow: mlflow.autolog(), "mlflow.autolog", id="autolog"),
        pytest.param(lambda mlflow: mlflow.sklearn.autolog(), "mlflow.autolog", id="a flavor's autolog"),
        pytest.param(lambda mlflow: mlflow.set_experiment("else"), "one MLflow experiment", id="another experiment"),
        pytest.param(lambda mlflow: mlflow.set_tracking_uri("http://e"), "one MLflow store", id="another store"),
        pytest.param(lambda mlflow: mlflow.sklearn.log_model(1, name="m"), "requirements", id="no requirements"),
        pytest.param(lambda mlflow: mlflow.log_param("p", "x" * 6001), "too long", id="a parameter that would be cut"),
        pytest.param(lambda mlflow: mlflow.set_tag("t", "x" * 8001), "too long", id="a tag that would be cut"),
        pytest.param(lambda mlflow: mlflow.finish_asset("nope"), "not a nested run", id="an unknown run"),
    ],
)
def test_a_call_that_would_leave_the_asset_s_run_is_refused(store, instance, call, message) -> None:
    seen: list[BadInput] = []

    def body(mlflow: RunTracker) -> None:
        with pytest.raises(BadInput) as caught:
            call(mlflow)
        seen.append(caught.value)

    assert materialize(instance, body).success
    assert message in str(seen[0])


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param({"metrics": {"m": float("nan")}, "params": {"p": 1}}, id="nan"),
        pytest.param({"tags": {"t": "x" * 8001}, "params": {"p": 1}}, id="long tag"),
        pytest.param({"documents": {"../up.json": ""}, "params": {"p": 1}}, id="escaping document"),
    ],
)
def test_a_stage_with_a_bad_value_writes_nothing(store, instance, stage) -> None:
    def body(mlflow: RunTracker) -> None:
        with pytest.raises(BadInput):
            mlflow.log_stage(mlflow.nested("first", KEY), **stage)

    assert materialize(instance, body).success
    assert store.runs(EXPERIMENT)["first"].data.params == {}


def test_a_tracker_outside_of_an_asset_says_so_instead_of_guessing_a_run(store) -> None:
    tracker = RunTracker(settings_module.load(), EXPERIMENT)

    with pytest.raises(BadInput, match="no asset is being computed"):
        tracker.log_metric("a", 1.0)


def test_a_fitted_model_is_stored_as_skops_under_the_run(store, instance, capfd) -> None:
    from sklearn.linear_model import LogisticRegression

    kept: dict[str, Any] = {}

    def body(mlflow: RunTracker) -> None:
        model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        run_id = mlflow.nested("first", KEY)
        capfd.readouterr()
        kept["model"] = mlflow.log_sklearn_model(
            run_id,
            model,
            requirements=["scikit-learn==1.9.1", "skops==0.16.0"],
            trusted_types=[],
            input_columns=[("x", "double")],
            params={"c": 1},
        )
        kept["printed"] = capfd.readouterr()
        mlflow.log_stage(mlflow.current_run(), metrics={"auc": 0.5}, model_id=kept["model"].model_id)

    assert materialize(instance, body).success

    run, model = store.runs(EXPERIMENT)["first"], kept["model"]
    logged = store.client.get_logged_model(model.model_id)
    folder = Path(model.location.removeprefix("file://"))
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert (logged.source_run_id, str(logged.status), logged.experiment_id) == (
        run.info.run_id,
        "READY",
        run.info.experiment_id,
    )
    assert [metric.key for metric in logged.metrics] == ["auc"]
    assert tuple(kept["printed"]) == ("", "")
    assert (folder / "requirements.txt").read_text().splitlines()[-2:] == ["scikit-learn==1.9.1", "skops==0.16.0"]
    assert dataclasses.asdict(model)["bytes"] == (folder / "model.skops").stat().st_size


def test_a_model_of_an_untrusted_type_is_refused_by_name(store, instance) -> None:
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Homemade(ClassifierMixin, BaseEstimator):
        def predict(self, rows: Any) -> Any:
            return rows

    def body(mlflow: RunTracker) -> None:
        Homemade.__module__, Homemade.__qualname__ = __name__, "Homemade"
        globals()["Homemade"] = Homemade
        with pytest.raises(BadInput, match="Homemade"):
            mlflow.log_sklearn_model(mlflow.nested("first"), Homemade(), requirements=["a==1"], trusted_types=[])

    assert materialize(instance, body).success


def test_a_flavor_s_own_log_model_lands_under_the_asset_s_run(store, instance) -> None:
    from sklearn.linear_model import LogisticRegression

    def body(mlflow: RunTracker) -> None:
        model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        mlflow.sklearn.log_model(model, name="mine", pip_requirements=["scikit-learn==1.9.1"])

    assert materialize(instance, body).success
    run = store.runs(EXPERIMENT)["first"]
    logged = store.client.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert (logged.name, logged.source_run_id, logged.experiment_id) == (
        "mine",
        run.info.run_id,
        run.info.experiment_id,
    )
