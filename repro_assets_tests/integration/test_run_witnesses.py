"""Who got a result again: told by every installation that shares the stores, whoever computed it. No JVM."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
import pytest

from repro_assets import settings as settings_module
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.verdict import Component, Verdict
from repro_assets.resources.reproduction.reproducing import Reproduction
from repro_assets.resources.reproduction.verdict_runs import log_verdict
from repro_assets.resources.tracking.confirmations import add_confirmation, add_conflict
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets.settings import Settings
from repro_assets.verbs.show import show
from repro_assets_tests.integration.recorded_runs import nested_of, record_run
from repro_assets_tests.unit.pins.run_records import KEY, ORDER

EARLY = 1_590_000_000_000  # before any verdict of these tests


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = settings_module.load({"REPRO_VAR": str(tmp_path_factory.mktemp("first"))})
    initialise(settings, EXPERIMENT.name)
    return settings


@pytest.fixture(scope="module")
def second(first: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Another installation with the same MLflow store and lake."""
    own = {"REPRO_VAR": str(tmp_path_factory.mktemp("second"))}
    return settings_module.load(own | {"MLFLOW_TRACKING_URI": first.mlflow_tracking_uri, "REPRO_LAKE": first.lake})


@pytest.fixture
def run(first: Settings) -> str:
    return record_run(connect(first.mlflow_tracking_uri), initialise(first, EXPERIMENT.name))


def recomputation(asset: str, *, dagster_run: str, host: str, time: int = EARLY) -> dict[str, Any]:
    """What a stage writes down when it computed a known output again."""
    return {
        "asset": asset,
        "mlflow_run_id": f"{asset} of {dagster_run}",
        "dagster_run_id": dagster_run,
        "host": host,
        "user": "ada",
        "time": time,
        "compute": {"cpu": {"model": f"CPU of {host}"}},
    }


def confirm(settings: Settings, run: str, host: str, time: int = EARLY) -> None:
    """`--force` of every stage, by an installation."""
    client = connect(settings.mlflow_tracking_uri)
    for asset, nested in nested_of(client, run).items():
        add_confirmation(client, nested, recomputation(asset, dagster_run=f"run on {host}", host=host, time=time))


def shown(settings: Settings, run: str) -> list[dict[str, Any]]:
    with dg.DagsterInstance.ephemeral() as instance:
        return show(run, settings, instance)["confirmations"]


def otherwise(settings: Settings, run: str) -> list[dict[str, Any]]:
    with dg.DagsterInstance.ephemeral() as instance:
        return show(run, settings, instance)["other_attempts"]


def test_nobody_has_computed_a_new_run_again(first: Settings, run: str) -> None:
    assert shown(first, run) == []


def test_two_installations_with_the_same_stores_both_tell_both_confirmations(
    first: Settings, second: Settings, run: str
) -> None:
    confirm(first, run, "alpha", EARLY)
    confirm(second, run, "beta", EARLY + 60_000)

    told = shown(first, run)

    assert told == shown(second, run)
    assert [(one["said"], one["host"], one["user"], one["time"], one["cpu"]) for one in told] == [
        ("recomputed equal", "alpha", "ada", "2020-05-20T18:40:00+00:00", "CPU of alpha"),
        ("recomputed equal", "beta", "ada", "2020-05-20T18:41:00+00:00", "CPU of beta"),
    ]
    assert [one["assets"] for one in told] == [list(ORDER)] * 2


def test_a_reproduction_by_the_other_installation_is_told_with_its_verdict(
    first: Settings, second: Settings, run: str
) -> None:
    client: Any = connect(second.mlflow_tracking_uri)
    verdict_run = log_verdict(
        client, client.get_run(run), Reproduction(Verdict("IDENTICAL", run, KEY)), dagster_run_id=None
    )
    confirm(first, run, "alpha")

    told = shown(first, run)

    assert [(one["said"], one["mlflow_run_id"]) for one in told] == [
        ("recomputed equal", "predictions of run on alpha"),
        ("IDENTICAL", verdict_run),
    ]
    assert None not in told[1].values()


def test_a_verdict_about_a_swapped_component_says_which(first: Settings, run: str) -> None:
    client: Any = connect(first.mlflow_tracking_uri)
    swapped = Component("code", {"capsule": "1"}, {"capsule": "2"}, swapped=True)
    verdict = Verdict("DIVERGED", run, KEY, components=(swapped,), swapped=("code",))
    log_verdict(client, client.get_run(run), Reproduction(verdict), dagster_run_id=None)

    assert [one["swapped"] for one in otherwise(first, run)] == [["code"]]
    assert shown(first, run) == []


def test_what_was_only_looked_up_is_nobodys_witness(first: Settings, run: str) -> None:
    client: Any = connect(first.mlflow_tracking_uri)
    verdict = Verdict("EQUIVALENT", run, KEY, swapped=("code",))
    log_verdict(client, client.get_run(run), Reproduction(verdict, computed=False), dagster_run_id=None)

    assert (shown(first, run), otherwise(first, run)) == ([], [])


def test_a_recomputation_that_came_out_different_is_told_too(first: Settings, run: str) -> None:
    client: Any = connect(first.mlflow_tracking_uri)
    nested = nested_of(client, run)["model"]
    add_conflict(client, nested, recomputation("model", dagster_run="third", host="gamma"))

    told = otherwise(first, run)

    assert [(one["said"], one["assets"]) for one in told] == [("recomputed different", ["model"])]
    assert shown(first, run) == []


def test_a_reused_stage_has_its_witnesses_where_it_was_computed(first: Settings, run: str) -> None:
    client: Any = connect(first.mlflow_tracking_uri)
    computed = nested_of(client, run)
    reused = {asset: nested for asset, nested in computed.items() if asset != "predictions"}
    later = record_run(client, initialise(first, EXPERIMENT.name), reused=reused)
    confirm(first, run, "alpha")

    assert [one["assets"] for one in shown(first, later)] == [[asset for asset in ORDER if asset != "predictions"]]


def test_a_record_of_before_user_and_time_were_kept_is_told_without_them(first: Settings, run: str) -> None:
    client: Any = connect(first.mlflow_tracking_uri)
    record = recomputation("model", dagster_run="old", host="alpha")
    old = {name: value for name, value in record.items() if name not in ("user", "time")}
    add_confirmation(client, nested_of(client, run)["model"], json.loads(json.dumps(old)))

    assert [(one["host"], one["user"], one["time"]) for one in shown(first, run)] == [("alpha", None, None)]


def test_people_read_who_where_when_and_on_which_cpu(
    first: Settings, run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from repro_assets.verbs import printing

    confirm(first, run, "alpha")
    printing.witnesses(shown(first, run), otherwise(first, run), len(ORDER))

    said = capsys.readouterr().err
    for word in ("recomputed equal", "ada", "alpha", "2020-05-20T18:40:00+00:00", "CPU of alpha", "6 of 6"):
        assert word in said
