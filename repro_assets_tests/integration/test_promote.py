"""`repro promote` on a real MLflow store: which runs may become the champion, and which registered versions do. No JVM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from repro_assets import settings as settings_module
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.verdict import Component, StageComparison, Verdict
from repro_assets.resources.raw.given_up import give_up, take_back
from repro_assets.resources.reproduction.reproducing import Reproduction
from repro_assets.resources.reproduction.verdict_runs import log_verdict
from repro_assets.resources.tracking.model_registry import register
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets.settings import Settings
from repro_assets.verbs.promote import NotPromoted, Promotion, promote, require_promoted
from repro_assets_tests.integration.recorded_runs import nested_of, record_run
from repro_assets_tests.unit.pins.run_records import KEY

NAMES = [f"{EXPERIMENT.name}.{estimator.name}" for estimator in EXPERIMENT.estimators]
DIVERGED_AT_FEATURES = (StageComparison("covid_cases", "1", "1"), StageComparison("features", "1", "2"))


class Registry:
    """An installation with runs whose models are registered."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.experiment = initialise(settings, EXPERIMENT.name)
        self.client: Any = connect(settings.mlflow_tracking_uri)

    def run(self, **changes: Any) -> str:
        """A run of the chain, with its models registered where it computed them."""
        parent = record_run(self.client, self.experiment, **changes)
        if "model" not in changes.get("reused", {}):
            self.register(nested_of(self.client, parent)["model"])
        return parent

    def register(self, nested: str) -> None:
        run = self.client.get_run(nested)
        for name in NAMES:
            tags = {"repro.identity": run.data.tags["repro.identity"]}
            register(self.client, name, source=run.info.artifact_uri, run_id=nested, data_version=KEY, tags=tags)

    def judge(self, run: str, word: Any, **evidence: Any) -> str:
        verdict = Verdict(word, run, KEY, **evidence)
        return log_verdict(self.client, self.client.get_run(run), Reproduction(verdict), dagster_run_id=None)

    def promote(self, run: str, *, check: bool = False) -> Promotion:
        with dg.DagsterInstance.ephemeral() as instance:
            return promote(run, self.settings, instance, check=check)

    def champions(self) -> dict[str, Any]:
        """Run that registered the champion, by registered model."""
        found = {}
        for name in NAMES:
            number = self.client.get_registered_model(name).aliases.get("champion")
            found[name] = None if number is None else self.client.get_model_version(name, number).run_id
        return found


@pytest.fixture
def registry(tmp_path: Path, tracking_template: Path) -> Registry:
    settings = settings_module.load({"REPRO_VAR": str(tmp_path)})
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(tracking_template.read_bytes())
    return Registry(settings)


@pytest.fixture(scope="module")
def tracking_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose migrations ran once."""
    folder = tmp_path_factory.mktemp("template")
    initialise(settings_module.load({"REPRO_VAR": str(folder)}), "template")
    return folder / "mlflow" / "mlflow.db"


def refused(found: Promotion) -> str:
    with pytest.raises(NotPromoted) as error:
        require_promoted(found)
    assert error.value.exit_code == 1
    return str(error.value)


def test_a_run_that_was_never_verified_is_refused(registry: Registry) -> None:
    run = registry.run()

    found = registry.promote(run)

    assert f"never verified; `repro reproduce {run}` gives a verdict" in refused(found)
    assert set(registry.champions().values()) == {None}


def test_a_run_whose_data_version_was_given_up_is_refused_until_it_is_pinned(registry: Registry) -> None:
    run = registry.run()
    registry.judge(run, "IDENTICAL")
    give_up(registry.settings.lake, KEY, "room is needed")

    assert "room is needed; `repro pin` takes that back" in refused(registry.promote(run))
    take_back(registry.settings.lake, KEY)
    assert registry.promote(run).reason is None


def test_a_run_whose_newest_verdict_is_diverged_is_refused_with_the_stage(registry: Registry) -> None:
    run = registry.run()
    registry.judge(run, "IDENTICAL")
    registry.judge(run, "DIVERGED", stages=DIVERGED_AT_FEATURES)

    found = registry.promote(run)

    assert "newest verdict is DIVERGED at features" in refused(found)
    assert set(registry.champions().values()) == {None}


def test_a_run_whose_newest_verdict_is_blocked_is_refused_with_the_reasons(registry: Registry) -> None:
    run = registry.run()
    registry.judge(run, "IDENTICAL")
    registry.judge(run, "BLOCKED", reasons=("Blocked: the code capsule is gone",))

    found = registry.promote(run)

    assert "newest verdict is BLOCKED by Blocked: the code capsule is gone" in refused(found)
    assert set(registry.champions().values()) == {None}


@pytest.mark.parametrize("word", ["IDENTICAL", "EQUIVALENT"])
def test_a_run_whose_newest_verdict_passes_becomes_the_champion_with_all_its_models(
    registry: Registry, word: str
) -> None:
    run = registry.run()
    registry.judge(run, "DIVERGED", stages=DIVERGED_AT_FEATURES)
    verdict_run = registry.judge(run, word)

    found = registry.promote(run)

    require_promoted(found)
    assert (found.moved, found.verdict, found.verdict_run) == (True, word, verdict_run)
    assert registry.champions() == dict.fromkeys(NAMES, nested_of(registry.client, run)["model"])


def test_who_promoted_when_and_why_stands_on_the_version(registry: Registry) -> None:
    run = registry.run()
    verdict_run = registry.judge(run, "IDENTICAL")
    registry.promote(run)

    tags = registry.client.get_model_version_by_alias(NAMES[0], "champion").tags
    assert (tags["repro.promoted_run"], tags["repro.promoted_verdict"]) == (run, f"IDENTICAL {verdict_run}")
    assert "@" in tags["repro.promoted_by"]
    assert tags["repro.promoted_at"].endswith("+00:00")


def test_check_says_yes_and_moves_nothing(registry: Registry) -> None:
    run = registry.run()
    registry.judge(run, "IDENTICAL")

    found = registry.promote(run, check=True)

    require_promoted(found)
    assert (found.as_document()["may"], found.moved) == (True, False)
    assert set(registry.champions().values()) == {None}


def test_check_says_no_by_the_exit_code(registry: Registry) -> None:
    assert "never verified" in refused(registry.promote(registry.run(), check=True))


def test_a_verdict_about_a_swapped_component_counts_for_nothing(registry: Registry) -> None:
    run = registry.run()
    swapped = Component("code", {"capsule": "1"}, {"capsule": "2"}, swapped=True)
    registry.judge(run, "IDENTICAL", components=(swapped,), swapped=("code",))

    assert "never verified" in refused(registry.promote(run))


def test_a_model_that_was_reused_is_the_version_of_the_run_that_computed_it(registry: Registry) -> None:
    first = registry.run()
    computed = nested_of(registry.client, first)
    second = registry.run(
        reused={name: run for name, run in computed.items() if name != "predictions"},
        manifests={"predictions": {"parameters": {"threshold": 0.4}}},
    )
    registry.judge(second, "IDENTICAL")

    require_promoted(registry.promote(second))
    assert registry.champions() == dict.fromkeys(NAMES, computed["model"])


def test_a_recomputation_that_confirmed_a_model_promotes_the_version_that_stands(registry: Registry) -> None:
    first = registry.run()
    again = record_run(registry.client, registry.experiment)
    registry.judge(again, "IDENTICAL")

    require_promoted(registry.promote(again))
    assert registry.champions() == dict.fromkeys(NAMES, nested_of(registry.client, first)["model"])


def test_a_model_that_is_not_registered_is_refused(registry: Registry) -> None:
    registry.run()
    other = record_run(
        registry.client, registry.experiment, manifests={"model": {"identity": {"digest": "another identity"}}}
    )
    registry.judge(other, "IDENTICAL")

    assert f"its models are not registered: {', '.join(NAMES)}" in refused(registry.promote(other))


def test_promoting_the_champion_again_moves_nothing(registry: Registry) -> None:
    run = registry.run()
    registry.judge(run, "IDENTICAL")
    registry.promote(run)

    found = registry.promote(run)

    require_promoted(found)
    assert not found.moved


def test_the_champion_before_is_named(registry: Registry) -> None:
    first, second = registry.run(), registry.run(manifests={"model": {"identity": {"digest": "another"}}})
    for run in (first, second):
        registry.judge(run, "IDENTICAL")
        found = registry.promote(run)

    assert [model["before"] for model in found.as_document()["models"]] == ["1", "1"]
    assert [model["version"] for model in found.as_document()["models"]] == ["2", "2"]
