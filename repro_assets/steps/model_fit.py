"""Fits the experiment's estimators: on the same rows with the same parameters, each blind to columns of its own.

One thread and fixed seeds are half of a repeatable fit; entry points set OMP_NUM_THREADS and its kin to 1.
The other half is here: rows in total order, folds without shuffling, and scikit-learn's own classes only,
so that a stored model loads without this project.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.steps.feature_columns import CATEGORICAL_COLUMNS, FEATURE_COLUMNS, FEATURE_SCHEMA
from repro_assets.steps.model_params import ModelParams
from repro_assets.steps.split import TARGET

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from sklearn.pipeline import Pipeline


def columns_of(estimator: str) -> tuple[str, ...]:
    """The columns that an estimator sees, in the order of `FEATURE_COLUMNS`.

    Raises:
        BadInput: It is blind to something that is no feature.
    """
    hidden = EXPERIMENT.hidden_from(estimator)
    unknown = sorted(set(hidden) - set(FEATURE_COLUMNS))
    if unknown:
        raise BadInput(
            f"the estimator {estimator} is blind to what is no feature",
            where="experiment.py",
            stored=", ".join(unknown),
            expected=", ".join(FEATURE_COLUMNS),
        )
    return tuple(name for name in FEATURE_COLUMNS if name not in hidden)


def fit(features: pyarrow.Table, params: ModelParams) -> dict[str, Pipeline]:
    """Fit every estimator on the rows of the part `train`; rows of other parts are never looked at.

    Args:
        features: A table with the columns of `FEATURE_SCHEMA`, rows in any order.
        params: The same for all.

    Returns:
        By name, in the experiment's order: calibrated pipelines that take a pandas frame with the columns of their
        `feature_names_in_`.

    Raises:
        BadInput: Other columns, a null where none may be, too few people of a class, or a fit that doesn't converge.
    """
    train = train_rows(features, least=params.calibration_folds, because="one per fold")
    target = train[TARGET].to_numpy()
    return {
        estimator.name: _fitted(as_frame(train, columns_of(estimator.name)), target, params)
        for estimator in EXPERIMENT.estimators
    }


def train_rows(features: pyarrow.Table, *, least: int, because: str) -> pyarrow.Table:
    """The rows of the part `train` in total order: what any family is fitted on.

    Args:
        features: A table with the columns of `FEATURE_SCHEMA`, rows in any order.
        least: People of each class that a fit needs.
        because: Why that many, for the message.

    Raises:
        BadInput: Other columns, a null where none may be, or too few people of a class.
    """
    check_features(features)
    train = rows_of(features, "train").sort_by([(name, "ascending") for name in FEATURE_SCHEMA])
    positive = int((train[TARGET].to_numpy() == 1).sum())
    counts = {0: train.num_rows - positive, 1: positive}
    if min(counts.values()) < least:
        raise BadInput(
            "too few people to fit and calibrate a model",
            where="train",
            stored=f"{counts[0]} with {TARGET} 0 and {counts[1]} with {TARGET} 1",
            expected=f"at least {least} of each, {because}",
        )
    return train


def check_features(features: pyarrow.Table) -> None:
    """Refuse a table that is not what `build_features` makes.

    Raises:
        BadInput: Column names or types differ, or a column other than the target holds nulls.
    """
    found = {name: _type_name(type_) for name, type_ in zip(features.column_names, features.schema.types, strict=True)}
    wrong = sorted(name for name in {*found, *FEATURE_SCHEMA} if found.get(name) != FEATURE_SCHEMA.get(name))
    if wrong:
        raise BadInput(
            "not a table of features",
            where=", ".join(wrong),
            stored=[found.get(name) for name in wrong],
            expected=[FEATURE_SCHEMA.get(name) for name in wrong],
        )
    nulls = [name for name in FEATURE_SCHEMA if name != TARGET and features[name].null_count]
    if nulls:
        raise BadInput("features hold nulls", where=", ".join(nulls), expected="a value in every row")


def rows_of(table: pyarrow.Table, *parts: str) -> pyarrow.Table:
    """The rows whose column `part` is one of `parts`, in the table's order."""
    import pyarrow.compute as pc

    return table.filter(pc.field("part").isin(parts))


def as_frame(features: pyarrow.Table, columns: Sequence[str]) -> pandas.DataFrame:
    """The columns that an estimator sees, in its order."""
    return features.select(list(columns)).to_pandas()


def _type_name(type_: pyarrow.DataType) -> str:
    """Readers disagree on how long the offsets of a text column are; the values are the same."""
    return str(type_).removeprefix("large_")


def _fitted(frame: pandas.DataFrame, target: Any, params: ModelParams) -> Pipeline:
    from sklearn.exceptions import ConvergenceWarning

    pipeline = _pipeline(tuple(frame.columns), params)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            return pipeline.fit(frame, target)
        except ConvergenceWarning as warning:
            raise BadInput(
                "the model did not converge",
                where=params.family,
                stored=f"max_iter {params.hyperparameters.get('max_iter')}",
                fix="Raise max_iter or lower C",
            ) from warning


def _pipeline(columns: Sequence[str], params: ModelParams) -> Pipeline:
    import numpy
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import ColumnTransformer
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    texts = [name for name in columns if name in CATEGORICAL_COLUMNS]
    numbers = [name for name in columns if name not in CATEGORICAL_COLUMNS]
    # a category that nobody in train has is no reason to fail a person in test: all its columns are 0
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=numpy.float64)
    prepare = ColumnTransformer([("categories", categories, texts), ("numbers", StandardScaler(), numbers)], n_jobs=1)
    calibrated = CalibratedClassifierCV(
        _estimator(params),
        method=params.calibration_method,
        cv=StratifiedKFold(params.calibration_folds, shuffle=False),
        ensemble=False,  # one estimator instead of one per fold: a fifth of the size
        n_jobs=1,
    )
    return Pipeline([("prepare", prepare), ("classify", calibrated)])


def _estimator(params: ModelParams) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    if params.family == "logistic_regression":
        return LogisticRegression(random_state=params.random_state, **params.hyperparameters)
    if params.family == "random_forest":
        return RandomForestClassifier(random_state=params.random_state, n_jobs=1, **params.hyperparameters)
    # early stopping would hold back rows by a rule of its own once there are more than 10,000
    return HistGradientBoostingClassifier(
        random_state=params.random_state, early_stopping=False, **params.hyperparameters
    )
