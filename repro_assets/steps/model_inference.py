"""Predicts: a probability per estimator for everybody in the test half and for everybody who is unlabelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.steps.feature_columns import CARRIED_COLUMNS
from repro_assets.steps.model_fit import as_frame, check_features, rows_of
from repro_assets.steps.model_params import Range
from repro_assets.steps.spark_estimator import SparkEstimator  # at run time: its code computes
from repro_assets.steps.split import KEY, TARGET

if TYPE_CHECKING:
    import pyarrow
    from sklearn.pipeline import Pipeline

# Probability from which somebody is predicted to have the target: at 0 everybody is, at 1 whoever is certain to.
THRESHOLD = Range(0.0, 1.0, 0.5)

# Estimator name to the column of its probability; the first one's is the prediction.
PROBABILITIES: dict[str, str] = {
    estimator.name: f"probability_{estimator.name}" if number else "probability"
    for number, estimator in enumerate(EXPERIMENT.estimators)
}

# Column name to Arrow type name, in the order of the table.
PREDICTION_SCHEMA: dict[str, str] = {
    KEY: "int64",
    "part": "string",
    TARGET: "int64",
    **CARRIED_COLUMNS,
    **dict.fromkeys(PROBABILITIES.values(), "double"),
    "predicted": "int64",
}


def predict(
    models: Mapping[str, Pipeline | SparkEstimator], features: pyarrow.Table, threshold: float
) -> pyarrow.Table:
    """Predict every person whom no estimator has seen.

    Args:
        models: Fitted estimators by name, as `fit` and `fit_on_spark` give them.
        features: A table with the columns of `FEATURE_SCHEMA`; rows of the part `train` are left out.
        threshold: Probability from which `predicted` is 1, in the range of `THRESHOLD`.

    Returns:
        A table with the columns of `PREDICTION_SCHEMA`, sorted by key. `target` is null where unlabelled;
        `predicted` is 1 where `probability` is at or above the threshold.

    Raises:
        BadInput: A threshold out of range, other columns, a null where none may be, or nobody to predict.
    """
    import pyarrow

    threshold = THRESHOLD.read("threshold", threshold)
    check_features(features)
    unseen = rows_of(features, "test", "unlabelled").sort_by(KEY)
    if not unseen.num_rows:
        raise BadInput("nobody to predict", where="features", expected="rows of the parts test or unlabelled")
    probabilities = {column: _probability(models[name], unseen) for name, column in PROBABILITIES.items()}
    predicted = probabilities["probability"] >= threshold
    return pyarrow.table(
        {
            **{name: unseen[name] for name in (KEY, "part", TARGET, *CARRIED_COLUMNS)},
            **probabilities,
            "predicted": predicted.astype("int64"),
        }
    )


def _probability(estimator: Pipeline | SparkEstimator, features: pyarrow.Table) -> Any:
    """Probability of target 1, float64 of shape (rows,)."""
    frame = as_frame(features, estimator.feature_names_in_.tolist())
    return estimator.predict_proba(frame)[:, list(estimator.classes_).index(1)]
