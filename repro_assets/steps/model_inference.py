"""Predicts: a probability per person of the test half and per unlabelled person, with and without the case figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput
from repro_assets.steps.model_fit import FittedModels, as_frame, check_features, rows_of
from repro_assets.steps.model_params import Range
from repro_assets.steps.split import KEY, TARGET

if TYPE_CHECKING:
    import pyarrow
    from sklearn.pipeline import Pipeline

# Probability from which a person is predicted to change jobs: at 0 everybody is, at 1 whoever is certain to.
THRESHOLD = Range(0.0, 1.0, 0.5)

# Column name to Arrow type name, in the order of the table.
PREDICTION_SCHEMA: dict[str, str] = {
    KEY: "int64",
    "part": "string",
    TARGET: "int64",
    "city": "string",
    "probability": "double",
    "probability_without_cases": "double",
    "predicted": "int64",
}


def predict(models: FittedModels, features: pyarrow.Table, threshold: float) -> pyarrow.Table:
    """Predict every person whom no estimator has seen.

    Args:
        models: Both estimators.
        features: A table with the columns of `FEATURE_SCHEMA`; rows of the part `train` are left out.
        threshold: Probability from which a person is predicted to change jobs, in the range of `THRESHOLD`.

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
    probability = _probability(models.full, unseen)
    return pyarrow.table(
        {
            KEY: unseen[KEY],
            "part": unseen["part"],
            TARGET: unseen[TARGET],
            "city": unseen["city"],
            "probability": probability,
            "probability_without_cases": _probability(models.without_cases, unseen),
            "predicted": (probability >= threshold).astype("int64"),
        }
    )


def _probability(estimator: Pipeline, features: pyarrow.Table) -> Any:
    """Probability of target 1, float64 of shape (rows,)."""
    frame = as_frame(features, estimator.feature_names_in_.tolist())
    return estimator.predict_proba(frame)[:, list(estimator.classes_).index(1)]
