"""A recipe: what a result is made of, component by component, and the digest that names it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from repro_assets.pins.compute import parse_cluster
from repro_assets.pins.environment import EnvironmentPin
from repro_assets.pins.recipe import Recipe, differing
from repro_assets.pins.swap import COMPONENTS

CLUSTER = (Path(__file__).parents[3] / "envs/clusters/local-v1.json").read_text()
RECIPE = Recipe(
    data_version="covid_cases-v000000--job_changes-v000000",
    tables={"covid_cases": {"table_id": "one", "commit_sha256": "1"}},
    capsule="a" * 64,
    environment=EnvironmentPin("ml-v1", "1" * 64, "2" * 64, "3.11", 17),
    yaml=b"yaml",
    lock=b"lock",
    record=False,
    cluster=parse_cluster("local-v1", CLUSTER),
    parameters={"model": {"C": 1.0}, "predictions": {"threshold": 0.5}},
    champion=None,
    stages=("covid_cases", "predictions"),
)
CHANGES = {
    "data": {"data_version": "covid_cases-v000001--job_changes-v000000"},
    "data, the same versions of other tables": {"tables": {"covid_cases": {"table_id": "other", "commit_sha256": "1"}}},
    "data, the same version written anew": {"tables": {"covid_cases": {"table_id": "one", "commit_sha256": "2"}}},
    "code": {"capsule": "b" * 64},
    "environment": {"environment": EnvironmentPin("ml-v2", "3" * 64, "2" * 64, "3.11", 17), "lock": b"other"},
    "environment, only written down": {"record": True},
    "cluster": {"cluster": parse_cluster("local-v1", CLUSTER.replace('"2g"', '"3g"'))},
    "parameters": {"parameters": {"model": {"C": 2.0}, "predictions": {"threshold": 0.5}}},
    "parameters, the champion": {"champion": {"digest": "c" * 64, "files": {"x": "where they lie"}}},
}


@pytest.mark.parametrize("named", list(CHANGES))
def test_every_change_is_one_of_its_component_and_another_digest(named) -> None:
    other = replace(RECIPE, **CHANGES[named])
    assert differing(RECIPE, other) == (named.partition(",")[0],)
    assert other.digest != RECIPE.digest


def test_a_recipe_takes_components_one_by_one_until_it_is_the_other() -> None:
    other = RECIPE
    for name in ("data", "code", "environment", "cluster", "parameters"):
        other = replace(other, **CHANGES[name])
    assert differing(RECIPE, other) == COMPONENTS
    mixed = RECIPE
    for at, component in enumerate(COMPONENTS, start=1):
        mixed = mixed.taking(component, other)
        assert differing(mixed, other) == COMPONENTS[at:]
    assert mixed == other
    assert mixed.digest == other.digest


def test_a_champion_is_named_by_its_digest_wherever_its_files_lie() -> None:
    one, other = (replace(RECIPE, champion={"digest": "c" * 64, "files": where}) for where in ("here", "there"))
    assert differing(one, other) == ()
    assert one.digest == other.digest


def test_a_capsule_is_asked_for_what_the_recipe_says_and_given_its_files() -> None:
    request = RECIPE.request()
    assert (request.data_version, request.stages) == (RECIPE.data_version, RECIPE.stages)
    assert (request.environment, request.cluster, request.record) == ("ml-v1", "local-v1", False)
    assert request.parameters == RECIPE.parameters
    assert "champion" not in request.as_document()
    assert RECIPE.files() == {
        "conda/ml-v1.lock": b"lock",
        "conda/ml-v1.yaml": b"yaml",
        "clusters/local-v1.json": CLUSTER.encode(),
    }
