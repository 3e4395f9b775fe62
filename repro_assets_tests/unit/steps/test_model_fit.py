"""Fitting: deterministic, in total order, on train alone, one estimator of two blind to the cases."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from repro_assets.declaration import Estimator
from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.steps import model_fit
from repro_assets.steps.feature_columns import CASE_COLUMNS, FEATURE_COLUMNS
from repro_assets.steps.model_fit import columns_of, fit
from repro_assets.steps.model_inference import predict
from repro_assets.steps.model_params import SKLEARN_FAMILIES, ModelParams
from repro_assets_tests.unit.steps.feature_table import feature_table, shuffled

QUICK = {
    "logistic_regression": {},
    "random_forest": {"n_estimators": 10, "max_leaf_nodes": 4},
    "hist_gradient_boosting": {"max_iter": 5, "min_samples_leaf": 5},
}


def predicted(models: dict[str, Any], features: pa.Table) -> pa.Table:
    return predict(models, features, 0.5)


def fitted(features: pa.Table, family: str = "logistic_regression", **changes: object) -> dict[str, Any]:
    return fit(features, ModelParams.from_settings({"family": family, **QUICK[family], **changes}))


def replaced(features: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return features.set_column(features.column_names.index(name), name, column)


def test_there_is_a_quick_case_for_every_family() -> None:
    assert set(QUICK) == set(SKLEARN_FAMILIES)


@pytest.mark.parametrize("family", SKLEARN_FAMILIES)
def test_row_order_does_not_matter(family: str) -> None:
    features = feature_table()

    assert predicted(fitted(shuffled(features), family), features) == predicted(fitted(features, family), features)


@pytest.mark.parametrize("family", SKLEARN_FAMILIES)
@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_a_family_finds_who_changes_jobs(family: str, method: str) -> None:
    features = feature_table(400)
    test = predicted(fitted(features, family, calibration_method=method), features).filter(pc.field("part") == "test")

    changing = test.filter(pc.field("target") == 1)["probability"]
    staying = test.filter(pc.field("target") == 0)["probability"]

    assert pc.mean(changing).as_py() > pc.mean(staying).as_py() + 0.1


def test_rows_outside_train_change_nothing() -> None:
    features = feature_table()
    train_only = features.filter(pc.field("part") == "train")

    assert predicted(fitted(train_only), features) == predicted(fitted(features), features)


def test_the_blind_estimator_never_sees_a_case_column() -> None:
    models = fitted(feature_table())

    assert tuple(models["full"].feature_names_in_) == FEATURE_COLUMNS
    assert set(FEATURE_COLUMNS) - set(models["without_cases"].feature_names_in_) == set(CASE_COLUMNS)


def test_an_estimator_that_is_blind_to_no_feature_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    estimators = (Estimator("full"), Estimator("without_cases", blind_to=("cases",)))
    monkeypatch.setattr(model_fit, "EXPERIMENT", dataclasses.replace(EXPERIMENT, estimators=estimators))

    with pytest.raises(BadInput, match=r"without_cases is blind to what is no feature .*: stored cases,"):
        columns_of("without_cases")


def test_one_estimator_alone_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_fit, "EXPERIMENT", dataclasses.replace(EXPERIMENT, estimators=(Estimator("only"),)))

    assert list(fitted(feature_table())) == ["only"]


def test_other_case_figures_move_the_full_estimator_only() -> None:
    features = feature_table()
    other = replaced(features, "cases_per_100k", pc.power(features["cases_per_100k"], 3))

    before, after = (predicted(fitted(table), table) for table in (features, other))

    assert after["probability"] != before["probability"]
    assert after["probability_without_cases"] == before["probability_without_cases"]


def test_another_seed_gives_another_forest() -> None:
    features = feature_table()

    one, other = (predicted(fitted(features, "random_forest", random_state=seed), features) for seed in (1, 2))

    assert one["probability"] != other["probability"]


def test_estimators_hold_no_class_of_this_project() -> None:
    models = fitted(feature_table())

    parts = [models["full"], *(step for _, step in models["full"].steps), models["full"]["classify"].estimator]

    assert {type(part).__module__.partition(".")[0] for part in parts} == {"sklearn"}


def test_a_fit_that_does_not_converge_is_refused() -> None:
    with pytest.raises(BadInput, match=r"did not converge \[logistic_regression\]: stored max_iter 10"):
        fitted(feature_table(400), C=1e6, max_iter=10)


def test_too_few_people_of_a_class_are_refused() -> None:
    features = feature_table()
    nobody = replaced(features, "target", pa.array([0] * features.num_rows))

    with pytest.raises(BadInput, match="stored 120 with target 0 and 0 with target 1"):
        fitted(nobody)


def test_a_column_of_another_type_is_refused_by_name() -> None:
    features = feature_table()

    with pytest.raises(BadInput, match=r"not a table of features \[experience\]: stored \['string'\]"):
        fitted(replaced(features, "experience", features["experience"].cast("string")))


def test_a_missing_column_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"\[growth_14d\]"):
        fitted(feature_table().drop_columns(["growth_14d"]))


def test_a_null_feature_is_refused_by_name() -> None:
    features = feature_table()

    with pytest.raises(BadInput, match=r"features hold nulls \[experience\]"):
        fitted(replaced(features, "experience", pa.nulls(features.num_rows, "int64")))


def test_long_texts_are_texts() -> None:
    features = feature_table()

    assert fitted(replaced(features, "gender", features["gender"].cast("large_string")))
