"""What a person asks to be replaced: read, checked, and worked into parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_assets.errors import BadInput
from repro_assets.pins.swap import Swap, parse_swaps, replaced_parameters

RUN = "0" * 32
PARAMETERS = {
    "features": {},
    "model": {"family": "logistic_regression", "C": 1.0, "max_iter": 1000, "random_state": 7},
    "predictions": {"threshold": 0.5, "use_champion": False},
    "train_test_snapshot": {"salt": "s/1", "test_fraction": 0.2},
}
FAMILIES = {"logistic_regression": ["C", "max_iter"], "random_forest": ["n_estimators"]}


@pytest.mark.parametrize(
    ("text", "swap"),
    [
        ("data=covid_cases-v000001--job_changes-v000000", Swap("data", "covid_cases-v000001--job_changes-v000000")),
        ("code=current", Swap("code", "current")),
        ("code=v1.0~2", Swap("code", "v1.0~2")),
        ("environment=ml-v2", Swap("environment", "ml-v2")),
        ("cluster=local-v1", Swap("cluster", "local-v1")),
        (f"cluster=@{RUN}", Swap("cluster", run=RUN)),
        (f"parameters=@{RUN}", Swap("parameters", run=RUN)),
        ("model.C=0.1", Swap("parameters", "0.1", name="model.C")),
        ("threshold=0.4", Swap("parameters", "0.4", name="threshold")),
        ("salt=a=b", Swap("parameters", "a=b", name="salt")),
    ],
)
def test_a_replacement_is_read_and_written_alike(text, swap) -> None:
    assert parse_swaps([text]) == (swap,)
    assert str(swap) == text


@pytest.mark.parametrize(
    "text",
    ["", "data", "data=", "=x", "parameters=x", f"model.C=@{RUN}", "a b=1", "data=a\nb", "../x=1", "data=" + "k" * 300],
)
def test_what_is_none_is_refused_in_one_line(text) -> None:
    with pytest.raises(BadInput) as refused:
        parse_swaps([text])
    assert "\n" not in str(refused.value)


@given(st.text(max_size=300))
def test_whatever_is_typed_is_read_or_refused(text) -> None:
    try:
        (swap,) = parse_swaps([text])
    except BadInput:
        return
    assert str(swap) == text


def test_nothing_is_replaced_twice() -> None:
    with pytest.raises(BadInput, match="twice"):
        parse_swaps(["code=current", f"code=@{RUN}"])
    assert len(parse_swaps(["model.C=1", "model.max_iter=5", f"code=@{RUN}"])) == 3


@pytest.mark.parametrize(
    ("text", "asset", "name", "value"),
    [
        ("model.C=2", "model", "C", 2.0),
        ("C=2", "model", "C", 2.0),
        ("random_state=8", "model", "random_state", 8),
        ("threshold=0.4", "predictions", "threshold", 0.4),
        ("salt=1", "train_test_snapshot", "salt", "1"),
        ("use_champion=true", "predictions", "use_champion", True),
        ("C=1e-3", "model", "C", 0.001),
        ("model.new=3", "model", "new", 3),
        ("model.new=3e-1", "model", "new", 0.3),
        ("model.new=some text", "model", "new", "some text"),
    ],
)
def test_a_parameter_is_replaced_by_a_value_of_its_type_and_the_rest_stays(text, asset, name, value) -> None:
    found = replaced_parameters(PARAMETERS, parse_swaps([text]), FAMILIES)
    assert found[asset][name] == value
    assert type(found[asset][name]) is type(value)
    found[asset].pop(name)
    assert found == {
        one: {k: v for k, v in own.items() if (one, k) != (asset, name)} for one, own in PARAMETERS.items()
    }


def test_another_family_leaves_the_old_ones_parameters_out_whatever_the_order() -> None:
    for texts in (
        ["model.family=random_forest", "model.n_estimators=5"],
        ["model.n_estimators=5", "family=random_forest"],
    ):
        found = replaced_parameters(PARAMETERS, parse_swaps(texts), FAMILIES)
        assert found["model"] == {"family": "random_forest", "n_estimators": 5, "random_state": 7}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nowhere.C=1", "no such asset"),
        ("nothing=1", "no parameter of the run"),
        ("enviroment=ml-v2", "environment"),
        ("C=many", "a number"),
        ("C=nan", "a number"),
        ("C=1:30", "a number"),
        ("max_iter=2000.0", "an integer"),
        ("threshold=true", "a number"),
        ("use_champion=1", "true or false"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(text, said) -> None:
    with pytest.raises(BadInput, match=said):
        replaced_parameters(PARAMETERS, parse_swaps([text]), FAMILIES)


def test_a_name_that_two_assets_have_has_to_say_whose() -> None:
    twice = {"a": {"n": 1}, "b": {"n": 2}}
    with pytest.raises(BadInput, match="several assets"):
        replaced_parameters(twice, parse_swaps(["n=3"]), {})
    assert replaced_parameters(twice, parse_swaps(["b.n=3"]), {}) == {"a": {"n": 1}, "b": {"n": 3}}
