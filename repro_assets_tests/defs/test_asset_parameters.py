"""What an asset's own parameters refuse: as `--set` before a run starts, and as configuration from the page."""

from __future__ import annotations

import pytest

from repro_assets.defs.assets.model import ModelConfig
from repro_assets.defs.assets.predictions import PredictionsConfig
from repro_assets.defs.assets.train_test_snapshot import SnapshotConfig
from repro_assets.defs.parameters import read_parameters
from repro_assets.errors import BadInput
from repro_assets.steps.model_params import FAMILIES, ModelParams


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        pytest.param("predictions.threshold=7", "[threshold]: stored 7.0, expected a number from 0.0", id="threshold"),
        pytest.param("predictions.threshold=.nan", "[threshold]: stored nan", id="a threshold that is no number"),
        pytest.param("predictions.use_champion=1", "a parameter's value is true or false", id="neither true nor false"),
        pytest.param("predictions.threshold=true", "a number or text", id="a truth that is no number"),
        pytest.param("train_test_snapshot.test_fraction=1", "[test_fraction]: stored 1.0", id="everybody in test"),
        pytest.param("train_test_snapshot.test_fraction=.nan", "[test_fraction]: stored nan", id="no fraction"),
        pytest.param("train_test_snapshot.salt=a\nb", r"[salt]: stored 'a\nb'", id="a salt of two lines"),
        pytest.param("model.family=svm", "[family]: stored 'svm'", id="family"),
        pytest.param("model.threshold=0.4", "stored threshold", id="a threshold of the model"),
        pytest.param("model.max_iter=100.5", "[max_iter]: stored 100.5, expected an integer", id="half an iteration"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_before_a_run(assignment: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_parameters([assignment])

    assert said in str(refused.value)


@pytest.mark.parametrize(
    "assignment",
    [
        "predictions.threshold=0",
        "predictions.threshold=1",
        "train_test_snapshot.test_fraction=0.5",
        "train_test_snapshot.salt=mine",
        "model.max_iter=500",
        "model.C=2",
    ],
)
def test_a_value_that_can_be_used_is_accepted(assignment: str) -> None:
    asset = assignment.partition(".")[0]

    assert read_parameters([assignment])[asset]


@pytest.mark.parametrize(
    ("config", "named"),
    [
        pytest.param(PredictionsConfig(threshold=-0.1), "[threshold]", id="predictions"),
        pytest.param(SnapshotConfig(test_fraction=0.0), "[test_fraction]", id="snapshot"),
        pytest.param(ModelConfig(calibration_folds=1), "[calibration_folds]", id="model"),
    ],
)
def test_configuration_from_the_page_is_refused_by_the_same_rule(
    config: PredictionsConfig | SnapshotConfig | ModelConfig, named: str
) -> None:
    with pytest.raises(BadInput) as refused:
        config.params()

    assert named in str(refused.value)


def test_an_integer_of_the_model_stays_an_integer_in_its_identity() -> None:
    found = ModelConfig(hyperparameters={"max_iter": 500}).params().as_dict()

    assert repr(found["max_iter"]) == "500"


@pytest.mark.parametrize("family", FAMILIES)
def test_defaults_on_the_page_are_those_of_the_steps(family: str) -> None:
    assert ModelConfig(family=family).params() == ModelParams(family)


def test_the_champion_is_a_parameter_only_where_it_is_used() -> None:
    assert PredictionsConfig(use_champion=True).params() == {"threshold": 0.5, "use_champion": True}


def test_defaults_are_those_that_the_page_shows() -> None:
    assert ModelConfig().params() == ModelParams()
    assert PredictionsConfig().params() == {"threshold": 0.5}
    assert SnapshotConfig().params() == {"salt": "repro_assets/1", "test_fraction": 0.2}
