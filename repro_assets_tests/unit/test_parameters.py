"""`--set ASSET.NAME=VALUE`: refused before a run starts, or exactly what Dagster's run configuration takes."""

from __future__ import annotations

import dagster as dg
import pytest

from repro_assets.definitions import defs
from repro_assets.defs.jobs import CHAIN
from repro_assets.defs.parameters import read_parameters
from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.verbs.run import plan

KEY = "covid_cases-v000012--job_changes-v000001"
ASSETS = [*EXPERIMENT.table_names, "train_test_snapshot", "features", "model", "predictions"]


def test_every_asset_of_the_chain_has_a_configuration() -> None:
    assert list(read_parameters([])) == ASSETS


def test_what_is_not_set_is_left_to_the_declaration() -> None:
    assert all(config == {} for config in read_parameters([]).values())


@pytest.mark.parametrize(
    ("assignment", "asset", "expected"),
    [
        pytest.param("model.family=random_forest", "model", {"family": "random_forest"}, id="text"),
        pytest.param("model.random_state=7", "model", {"random_state": 7}, id="integer"),
        pytest.param("predictions.threshold=0.25", "predictions", {"threshold": 0.25}, id="number"),
        pytest.param("predictions.use_champion=true", "predictions", {"use_champion": True}, id="true or false"),
        pytest.param("train_test_snapshot.salt=123", "train_test_snapshot", {"salt": "123"}, id="digits as text"),
        pytest.param("train_test_snapshot.salt=a=b.c", "train_test_snapshot", {"salt": "a=b.c"}, id="text with ="),
        pytest.param("model.C=0.5", "model", {"hyperparameters": {"C": 0.5}}, id="a family's own parameter"),
    ],
)
def test_a_parameter_reaches_its_asset_alone(assignment, asset, expected) -> None:
    found = read_parameters([assignment])

    assert found[asset] == expected
    assert all(config == {} for name, config in found.items() if name != asset)


def test_several_parameters_are_set_together_in_any_order() -> None:
    given = ["model.max_iter=50", "model.family=hist_gradient_boosting", "model.learning_rate=0.3"]

    expected = {"family": "hist_gradient_boosting", "hyperparameters": {"max_iter": 50, "learning_rate": 0.3}}
    assert read_parameters(given)["model"] == expected
    assert read_parameters(given[::-1])["model"] == expected


NOTHING_LIKE_IT = ["", "=", "model", "model.family", "family=random_forest", "model.=1", "model.family=", ".family=x"]


@pytest.mark.parametrize("assignment", NOTHING_LIKE_IT, ids=repr)
def test_another_spelling_is_refused(assignment) -> None:
    with pytest.raises(BadInput):
        read_parameters([assignment])


@pytest.mark.parametrize(
    ("assignment", "named"),
    [
        pytest.param("modell.family=random_forest", "no such asset.*model, predictions", id="an asset"),
        pytest.param("features.window=7", "no parameter of this name.*expected none", id="a parameter of features"),
        pytest.param("predictions.cutoff=1", "expected threshold", id="a parameter of predictions"),
        pytest.param("model.seed=7", "no such model parameter.*C, max_iter", id="a hyperparameter"),
        pytest.param("model.learning_rate=0.1", "no such model parameter", id="another family's parameter"),
        pytest.param("model.family=perceptron", "random_forest", id="a family"),
    ],
)
def test_what_there_isn_t_is_refused_with_what_there_is(assignment, named) -> None:
    with pytest.raises(BadInput, match=named) as refused:
        read_parameters([assignment])
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "assignment",
    [
        "model.random_state=1.5",
        "model.random_state=-1",
        "model.random_state=many",
        "model.C=-1",
        "model.C=.nan",
        "model.C=.inf",
        "model.C=yes",
        "model.C=null",
        "model.C=[1]",
        "model.C={a: 1}",
        "model.C={",
        "model.C='",
        "model.calibration_folds=1",
        "predictions.threshold=2",
        "predictions.threshold=.nan",
        "train_test_snapshot.test_fraction=0",
        "train_test_snapshot.test_fraction=1.5",
    ],
)
def test_a_value_that_can_t_be_used_is_refused_before_a_run_starts(assignment) -> None:
    with pytest.raises(BadInput) as refused:
        read_parameters([assignment])
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("assignment", ["model.force=true", "model.force=1", "model.hyperparameters=1"])
def test_a_parameter_with_a_spelling_of_its_own_is_refused_with_it(assignment) -> None:
    with pytest.raises(BadInput, match="--force"):
        read_parameters([assignment])


@pytest.mark.parametrize(
    "assignments",
    [
        pytest.param(["model.family=random_forest", "model.family=random_forest"], id="a parameter"),
        pytest.param(["model.C=1.0", "model.C=2.0"], id="a hyperparameter"),
    ],
)
def test_a_parameter_that_is_set_twice_is_refused(assignments) -> None:
    with pytest.raises(BadInput, match="set twice"):
        read_parameters(assignments)


@pytest.mark.parametrize(
    "assignment",
    [
        "model.family=random_forest",
        "model.random_state=7",
        "model.random_state=7.0",
        "model.C=2",
        "model.C=0.5",
        "model.C=1e-3",
        "model.max_iter=500",
        "predictions.threshold=1",
        "predictions.threshold=1e-1",
        "train_test_snapshot.test_fraction=0.5",
        "train_test_snapshot.salt=another",
    ],
)
def test_what_is_accepted_is_accepted_by_dagster_too(assignment) -> None:
    """Nobody should learn from Dagster's own text that `1e-3` is no number."""
    config = plan(KEY, [assignment]).run_config

    assert dg.validate_run_config(defs.resolve_job_def(CHAIN), dict(config))
