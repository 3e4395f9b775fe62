"""Predictions: of whom, in which order, with which columns."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from repro_assets.errors import BadInput
from repro_assets.steps.model_fit import fit
from repro_assets.steps.model_inference import PREDICTION_SCHEMA, predict
from repro_assets.steps.model_params import ModelParams
from repro_assets_tests.unit.steps.feature_table import feature_table, shuffled


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return fit(feature_table(), ModelParams("logistic_regression"))


def predicted(models: dict[str, Any], features: pa.Table) -> pa.Table:
    return predict(models, features, 0.5)


def test_only_people_whom_no_estimator_has_seen_are_predicted(models: dict[str, Any]) -> None:
    features = feature_table()

    unseen = features.filter(pc.field("part") != "train")

    assert predicted(models, features)["enrollee_id"].to_pylist() == unseen["enrollee_id"].to_pylist()


def test_rows_come_in_order_of_their_key(models: dict[str, Any]) -> None:
    assert predicted(models, shuffled(feature_table())) == predicted(models, feature_table())


def test_columns_are_those_of_the_schema(models: dict[str, Any]) -> None:
    schema = predicted(models, feature_table()).schema

    assert dict(zip(schema.names, map(str, schema.types), strict=True)) == PREDICTION_SCHEMA


def test_unlabelled_people_have_no_target(models: dict[str, Any]) -> None:
    predictions = predicted(models, feature_table())

    unlabelled = predictions.filter(pc.field("part") == "unlabelled")

    assert unlabelled["target"].null_count == unlabelled.num_rows > 0


def test_everybody_stands_with_their_city(models: dict[str, Any]) -> None:
    features = feature_table()
    city_of = dict(zip(*(features[name].to_pylist() for name in ("enrollee_id", "city")), strict=True))

    predictions = predicted(models, shuffled(features))

    assert predictions["city"].to_pylist() == [city_of[key] for key in predictions["enrollee_id"].to_pylist()]


@pytest.mark.parametrize(("threshold", "expected"), [(0.0, {1}), (1.0, {0}), (0.5, {0, 1})])
def test_predicted_is_one_from_the_threshold_on(models: dict[str, Any], threshold: float, expected: set[int]) -> None:
    predictions = predict(models, feature_table(), threshold)

    assert set(predictions["predicted"].to_pylist()) == expected
    assert predictions["predicted"].to_pylist() == [
        int(probability >= threshold) for probability in predictions["probability"].to_pylist()
    ]


def test_a_category_that_train_never_had_is_no_obstacle(models: dict[str, Any]) -> None:
    features = feature_table()
    unknown = features.set_column(
        features.column_names.index("gender"), "gender", pa.array(["new"] * features.num_rows)
    )

    assert predicted(models, unknown)["probability"].null_count == 0


@pytest.mark.parametrize("threshold", [-0.01, 1.01, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(models: dict[str, Any], threshold: float) -> None:
    with pytest.raises(BadInput, match=rf"\[threshold\]: stored {threshold}, expected a number from 0.0 to 1.0"):
        predict(models, feature_table(), threshold)


def test_nobody_to_predict_is_refused(models: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="nobody to predict"):
        predicted(models, feature_table().filter(pc.field("part") == "train"))
