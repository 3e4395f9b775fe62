"""Model files: what comes back, and what is never loaded."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

import pyarrow as pa
import pytest

from repro_assets.errors import BadInput, DataDamaged
from repro_assets.resources.outputs.model_file import TRUSTED_TYPES, dump_model, load_model
from repro_assets.steps.model_fit import fit
from repro_assets.steps.model_inference import predict
from repro_assets.steps.model_params import FAMILIES, SKLEARN_FAMILIES, ModelParams
from repro_assets_tests.unit.steps.feature_table import feature_table

QUICK = {
    "logistic_regression": {},
    "random_forest": {"n_estimators": 10},
    "hist_gradient_boosting": {"max_iter": 5},
}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def reloaded(model: object) -> Any:
    data = dump_model(model)
    return load_model(data, sha256=sha256(data), where="model.skops")


def fitted(features: pa.Table, family: str, method: str) -> dict[str, Any]:
    return fit(features, ModelParams(family, calibration_method=method, hyperparameters=QUICK[family]))


@pytest.mark.parametrize("family", SKLEARN_FAMILIES)
@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_a_stored_model_predicts_the_same_bits(family: str, method: str) -> None:
    features = feature_table()
    models = fitted(features, family, method)

    again = {name: reloaded(model) for name, model in models.items()}

    assert predict(again, features, 0.5) == predict(models, features, 0.5)


def test_bytes_other_than_the_recorded_ones_are_not_loaded() -> None:
    data = bytearray(dump_model([1, 2]))
    recorded = sha256(bytes(data))
    data[40] ^= 1

    with pytest.raises(DataDamaged, match=rf"\[model.skops\]: stored .*, expected {recorded}"):
        load_model(bytes(data), sha256=recorded, where="model.skops")


def test_a_type_that_nobody_listed_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"not trusted \[model.skops\]: stored .*functools.partial"):
        reloaded(partial(print, "built from a file"))


def test_a_file_that_is_no_model_is_refused_whatever_its_digest() -> None:
    with pytest.raises(DataDamaged, match=r"not a model file \[model.skops\]"):
        load_model(b"not a zip", sha256=sha256(b"not a zip"), where="model.skops")


def test_every_trusted_type_is_needed() -> None:
    from skops.io import get_untrusted_types

    features = feature_table()
    files = [dump_model(fitted(features, family, "sigmoid")["full"]) for family in SKLEARN_FAMILIES]

    assert {name for data in files for name in get_untrusted_types(data=data)} == set(TRUSTED_TYPES)


def test_files_are_compressed() -> None:
    assert len(dump_model([0] * 100_000)) < 100_000


@pytest.mark.slow
@pytest.mark.parametrize("family", ["random_forest", "hist_gradient_boosting"])
def test_the_largest_allowed_model_stays_below_30_mb(family: str) -> None:
    largest = {name: FAMILIES[family][name].high for name in FAMILIES[family] if name.startswith(("n_", "max_"))}
    params = ModelParams(family, calibration_folds=2, hyperparameters={**largest, "min_samples_leaf": 1})

    assert len(dump_model(fit(feature_table(5_000), params)["full"])) < 30_000_000
