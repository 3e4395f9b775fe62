"""Parameters: what is allowed, what is refused by name, and the one canonical form."""

from __future__ import annotations

import pytest

from repro_assets.errors import BadInput
from repro_assets.pins.canonical import digest
from repro_assets.steps.model_params import FAMILIES, SKLEARN_FAMILIES, SPARK_FAMILIES, ModelParams


@pytest.mark.parametrize("family", SKLEARN_FAMILIES)
def test_defaults_of_a_family_stand_in_the_canonical_form(family: str) -> None:
    assert ModelParams(family=family).as_dict() == {
        "family": family,
        "random_state": 20200611,
        "calibration_method": "sigmoid",
        "calibration_folds": 5,
        **{name: allowed.default for name, allowed in FAMILIES[family].items()},
    }


@pytest.mark.parametrize("family", SPARK_FAMILIES)
def test_a_family_of_spark_has_no_calibration_in_its_canonical_form(family: str) -> None:
    params = ModelParams(family=family)

    assert params.on_spark
    assert params.as_dict() == {
        "family": family,
        "random_state": 20200611,
        **{name: allowed.default for name, allowed in FAMILIES[family].items()},
    }
    assert ModelParams.from_settings(params.as_dict()) == params


@pytest.mark.parametrize(
    "given", [{"calibration_method": "isotonic"}, {"calibration_folds": 3}], ids=lambda given: next(iter(given))
)
def test_a_calibration_is_not_taken_for_a_family_that_has_none(given: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=rf"no calibration \[spark_gbt\]: stored {next(iter(given))}"):
        ModelParams.from_settings({"family": "spark_gbt", **given})


def test_the_plainest_family_is_the_default() -> None:
    assert ModelParams().family == "logistic_regression"


def test_what_as_dict_wrote_from_settings_reads() -> None:
    params = ModelParams("random_forest", 7, "isotonic", 3, {"n_estimators": 50})

    assert ModelParams.from_settings(params.as_dict()) == params


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"learning_rate": "0.25"}, {"learning_rate": 0.25}, id="text and number"),
        pytest.param({"learning_rate": 1}, {"learning_rate": 1.0}, id="1 and 1.0"),
        pytest.param({"l2_regularization": "-0.0"}, {"l2_regularization": 0}, id="minus zero and zero"),
        pytest.param({}, {"max_iter": "100"}, id="left out and default"),
        pytest.param({"max_iter": 50.0}, {"max_iter": 50}, id="an integer in a float"),
    ],
)
def test_the_same_value_written_differently_gives_one_digest(one: dict[str, object], other: dict[str, object]) -> None:
    forms = [
        ModelParams.from_settings({"family": "hist_gradient_boosting", **given}).as_dict() for given in (one, other)
    ]

    assert digest(forms[0]) == digest(forms[1])


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        pytest.param({"family": "svm"}, "[family]: stored 'svm'", id="family"),
        pytest.param({"calibration_method": "none"}, "[calibration_method]", id="calibration method"),
        pytest.param({"calibration_folds": 1}, "[calibration_folds]: stored 1, expected an integer from 2", id="folds"),
        pytest.param({"random_state": None}, "[random_state]", id="no seed"),
        pytest.param({"random_state": -1}, "[random_state]", id="a negative seed"),
        pytest.param({"random_state": True}, "[random_state]", id="true for 1"),
        pytest.param({"random_state": 1.5}, "[random_state]", id="a broken seed"),
        pytest.param({"random_state": float("nan")}, "[random_state]", id="a seed that is no number"),
        pytest.param({"learning_rate": "nan"}, "[learning_rate]", id="not a number"),
        pytest.param({"learning_rate": 1.01}, "[learning_rate]: stored 1.01, expected a number from", id="too large"),
        pytest.param({"threshold": 0.5}, "stored threshold", id="a parameter of predictions"),
        pytest.param({"max_iter": "many"}, "[max_iter]", id="text"),
        pytest.param({"max_leaf_nodes": 10_000}, "[max_leaf_nodes]: stored 10000, expected an integer", id="leaves"),
        pytest.param({"n_estimators": 10}, "stored n_estimators", id="another family's parameter"),
        pytest.param({"learning_rate": [0.1]}, "[learning_rate]", id="a list"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(BadInput) as refused:
        ModelParams.from_settings({"family": "hist_gradient_boosting", **settings})

    assert named in str(refused.value)


def test_a_caller_cannot_change_parameters_afterwards() -> None:
    given = {"C": 2.0}
    params = ModelParams("logistic_regression", hyperparameters=given)

    given["C"] = 3.0

    assert params.as_dict()["C"] == 2.0
