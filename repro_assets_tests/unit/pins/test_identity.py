"""What determines an output, and nothing else, moves its identity."""

from __future__ import annotations

import dataclasses

import pytest

from repro_assets.pins.identity import Identity

IDENTITY = Identity(
    asset="model",
    inputs={"features": "f" * 64},
    code="c" * 64,
    parameters={"family": "random_forest", "n_estimators": 200},
    environment="e" * 64,
    cluster="d" * 64,
)


def test_the_digest_is_the_one_under_which_outputs_are_stored() -> None:
    """If this moves, every stored output is computed again: say so under Reproducibility in the changelog."""
    assert IDENTITY.digest() == "ca1725e4a6125b1a0cd9824c41e48d0b5fe8db219439705a3f677ed2d7dfe219"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"asset": "predictions"}, id="asset"),
        pytest.param({"inputs": {"features": "0" * 64}}, id="digest of an input"),
        pytest.param({"inputs": {"snapshot": "f" * 64}}, id="name of an input"),
        pytest.param({"inputs": {"features": "f" * 64, "model": "0" * 64}}, id="one more input"),
        pytest.param({"code": "0" * 64}, id="code"),
        pytest.param({"parameters": {"family": "random_forest", "n_estimators": 201}}, id="value of a parameter"),
        pytest.param({"parameters": {"family": "random_forest", "n_estimators": 200.0}}, id="type of a parameter"),
        pytest.param({"parameters": {"family": "random_forest"}}, id="one parameter less"),
        pytest.param({"environment": "0" * 64}, id="environment"),
        pytest.param({"environment": None}, id="no environment"),
        pytest.param({"cluster": "0" * 64}, id="cluster"),
        pytest.param({"cluster": None}, id="no cluster"),
        pytest.param({"receipt": "0" * 64}, id="receipt"),
        pytest.param({"environment": "d" * 64, "cluster": "e" * 64}, id="environment and cluster swapped"),
    ],
)
def test_any_part_moves_the_identity(change) -> None:
    assert dataclasses.replace(IDENTITY, **change).digest() != IDENTITY.digest()


def test_every_part_is_covered_by_the_cases_above() -> None:
    parts = {field.name for field in dataclasses.fields(Identity)}

    assert parts == {"asset", "inputs", "code", "parameters", "environment", "cluster", "receipt"}


def test_the_order_of_parameters_and_inputs_does_not_matter() -> None:
    left = dataclasses.replace(IDENTITY, inputs={"a": "1", "b": "2"}, parameters={"x": 1, "y": 2})
    right = dataclasses.replace(IDENTITY, inputs={"b": "2", "a": "1"}, parameters={"y": 2, "x": 1})

    assert left.digest() == right.digest()


def test_the_document_holds_every_part_and_its_schema() -> None:
    assert IDENTITY.as_document() == {
        "schema": "repro-identity/1",
        "asset": "model",
        "inputs": {"features": "f" * 64},
        "code": "c" * 64,
        "parameters": {"family": "random_forest", "n_estimators": 200},
        "environment": "e" * 64,
        "cluster": "d" * 64,
        "receipt": None,
    }
