"""Blame: single effects, steps in an order, and the interaction that is left."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_assets.pins.blame import Blame, between, cheapest_order, variants
from repro_assets.pins.variant import Outcome

EFFECTS = {"data": 0.5, "code": 0.25, "parameters": -2.0}
ORDER = ("data", "code", "parameters")


def blame(effects=EFFECTS, together=0.0, lost=frozenset()) -> Blame:
    """A pair of runs with planted effects; `together` is added where data and code are both changed."""
    outcomes = {}
    for count in range(len(effects) + 1):
        for taken in map(frozenset, combinations(effects, count)):
            value = 8.0 + sum(effects[one] for one in taken) + together * ({"data", "code"} <= taken)
            reason = "gone" if taken == lost and taken else None
            outcomes[taken] = Outcome(
                {} if reason else {"predictions.roc_auc": value, "model.rows": 3.0}, reason=reason
            )
    return Blame("first", "second", tuple(effects), outcomes)


def test_planted_effects_are_found_and_nothing_is_left() -> None:
    found = blame()
    assert found.names == ["predictions.roc_auc"]
    assert {one: found.alone(one, "predictions.roc_auc") for one in ORDER} == EFFECTS
    assert {one: found.step(one, "predictions.roc_auc") for one in ORDER} == EFFECTS
    assert found.total("predictions.roc_auc") == -1.25
    assert found.interaction("predictions.roc_auc") == 0.0


def test_what_only_two_together_do_is_interaction_and_falls_to_the_later_step() -> None:
    found = blame(together=4.0)
    assert {one: found.alone(one, "predictions.roc_auc") for one in ORDER} == EFFECTS
    assert found.interaction("predictions.roc_auc") == 4.0
    assert found.step("code", "predictions.roc_auc") == 4.25
    assert sum(found.step(one, "predictions.roc_auc") or 0 for one in ORDER) == found.total("predictions.roc_auc")


def test_an_effect_that_is_not_known_is_not_guessed() -> None:
    found = blame(lost=frozenset({"code"}))
    assert found.alone("code", "predictions.roc_auc") is None
    assert found.interaction("predictions.roc_auc") is None
    assert found.total("predictions.roc_auc") == -1.25
    assert found.as_document()["components"]["code"]["reason"] == "gone"


def test_one_component_is_all_of_the_total() -> None:
    found = blame({"code": 0.25})
    assert found.interaction("predictions.roc_auc") == 0.0
    assert found.alone("code", "predictions.roc_auc") == found.total("predictions.roc_auc") == 0.25
    assert variants(["code"]) == []


@given(st.sets(st.sampled_from(["data", "code", "environment", "cluster", "parameters"]), min_size=1), st.data())
def test_the_order_asks_for_as_few_unknown_steps_as_there_is_an_order_for(components, data) -> None:
    names = sorted(components)
    every = [frozenset(some) for count in range(2, len(names)) for some in combinations(names, count)]
    known = data.draw(st.sets(st.sampled_from(every))) if every else set()
    order = cheapest_order(names, known.__contains__)
    assert sorted(order) == names
    cost = sum(taken not in known for taken in between(order))
    assert cost <= sum(taken not in known for taken in between(names))
    if not known:
        assert order == tuple(names)


def test_a_known_step_decides_the_order() -> None:
    assert cheapest_order(ORDER, frozenset({"code", "parameters"}).__eq__) == ("code", "parameters", "data")


def test_wanted_is_each_component_alone_and_the_steps_between() -> None:
    assert variants(ORDER) == [{"data"}, {"code"}, {"parameters"}, {"data", "code"}]


@pytest.mark.parametrize("key", ["schema", "from", "to", "order", "components", "total", "interaction", "variants"])
def test_the_document_holds_what_was_promised(key) -> None:
    assert key in blame().as_document()
