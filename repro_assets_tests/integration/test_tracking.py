"""The MLflow runs of one Dagster run: opened late, ended by Dagster's event log. A real sqlite store, no JVM."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from repro_assets.errors import TrackingUnreachable
from repro_assets.resources.tracking.resource import RunTracker, TrackerFactory
from repro_assets_tests.integration.tracked_assets import (
    EXPERIMENT,
    KEY,
    fails,
    interrupted,
    logs,
    materialize,
    states,
)


class BrokenClient:
    """A client whose store went away."""

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        raise OSError("the disk is gone")


def test_a_successful_run_leaves_one_finished_parent_with_a_finished_nested_run_per_asset(store, instance) -> None:
    assert materialize(instance, logs("a"), logs("b")).success

    runs = store.runs(EXPERIMENT)
    assert states(store) == {"parent": "FINISHED", "first": "FINISHED", "second": "FINISHED"}
    parent = runs["parent"].info.run_id
    assert {runs[name].data.tags["mlflow.parentRunId"] for name in ("first", "second")} == {parent}


def test_a_user_s_own_asset_logs_into_its_own_nested_run(store, instance) -> None:
    def everything(mlflow: RunTracker) -> None:
        mlflow.log_param("depth", 3)
        mlflow.log_params({"alpha": 0.5})
        mlflow.log_metrics({"auc": 0.75})
        mlflow.set_tag("mood", "good")
        mlflow.log_text("hello", "note.txt")
        mlflow.log_dict({"a": 1}, "deep/fact.json")

    materialize(instance, everything, logs("other"))

    run = store.runs(EXPERIMENT)["first"]
    assert run.data.params == {"depth": "3", "alpha": "0.5"}
    assert run.data.metrics == {"auc": 0.75}
    assert run.data.tags["mood"] == "good"
    assert Path(run.info.artifact_uri.removeprefix("file://"), "note.txt").read_text() == "hello"
    assert store.runs(EXPERIMENT)["second"].data.metrics == {"other": 1.0}


def test_the_runs_say_who_made_them_and_for_which_data_version(store, instance) -> None:
    result = materialize(instance, logs("a"))

    runs = store.runs(EXPERIMENT)
    for run in (runs["parent"], runs["first"]):
        assert run.data.tags["dagster_run_id"] == result.run_id
        assert run.data.tags["repro.data_version"] == KEY
        assert set(json.loads(run.data.tags["repro.owner"])) == {"host", "pid", "started"}
        assert run.data.tags["mlflow.user"]
    assert runs["parent"].info.run_name == KEY
    assert runs["first"].info.run_name == "first"


def test_a_failing_asset_ends_its_run_and_the_parent_as_failed(store, instance) -> None:
    assert not materialize(instance, logs("a"), fails).success

    assert states(store) == {"parent": "FAILED", "first": "FINISHED", "second": "FAILED"}


def test_a_failure_in_an_asset_that_logged_nothing_still_fails_the_parent(store, instance) -> None:
    def silent(mlflow: RunTracker) -> None:
        raise ValueError("nothing was logged")

    materialize(instance, logs("a"), silent)

    assert states(store) == {"parent": "FAILED", "first": "FINISHED"}


@pytest.mark.parametrize("raise_on_error", [True, False], ids=["raised", "swallowed by dagster"])
def test_an_interrupt_ends_the_runs_as_killed(store, instance, raise_on_error) -> None:
    if raise_on_error:
        with pytest.raises(KeyboardInterrupt):
            materialize(instance, logs("a"), interrupted, raise_on_error=True)
    else:
        materialize(instance, logs("a"), interrupted)

    assert states(store) == {"parent": "KILLED", "first": "FINISHED", "second": "KILLED"}


def test_a_termination_from_the_page_ends_the_runs_as_killed(store, instance) -> None:
    def terminated(mlflow: RunTracker) -> None:
        mlflow.log_metric("before", 1.0)
        raise dg.DagsterExecutionInterruptedError

    materialize(instance, logs("a"), terminated)

    assert states(store) == {"parent": "KILLED", "first": "FINISHED", "second": "KILLED"}


@pytest.mark.parametrize("body", [logs("b"), fails, interrupted], ids=["success", "failure", "interrupt"])
def test_no_run_is_left_running_in_the_database(store, instance, body) -> None:
    materialize(instance, logs("a"), body)

    assert store.sql("select count(*) from runs where status = 'RUNNING'") == [(0,)]
    assert store.sql("select count(*) from runs") == [(3,)]


def test_no_process_wide_active_run_is_left(store, instance) -> None:
    import mlflow

    materialize(instance, logs("a"), fails)

    assert mlflow.active_run() is None


def test_the_process_s_own_tracking_uri_comes_back(store, instance) -> None:
    import mlflow

    before = mlflow.get_tracking_uri()
    seen: list[str] = []
    materialize(instance, lambda tracker: seen.append(mlflow.get_tracking_uri()))

    assert seen == [store.uri]
    assert mlflow.get_tracking_uri() == before


def test_two_dagster_runs_in_one_process_have_two_parents(store, instance) -> None:
    ids = {materialize(instance, logs("a")).run_id, materialize(instance, logs("a")).run_id}

    parents = store.sql(
        "select t.value from tags t where t.key = 'dagster_run_id' and not exists "
        "(select 1 from tags p where p.run_uuid = t.run_uuid and p.key = 'mlflow.parentRunId')"
    )
    assert sorted(parents) == sorted((run_id,) for run_id in ids)


def test_a_run_that_reuses_everything_never_touches_the_store(store, instance) -> None:
    store.database.unlink()
    reuses = lambda mlflow: mlflow.reuse("first", "0123")  # noqa: E731 - one line says it

    assert materialize(instance, reuses, reuses).success

    assert not store.database.exists()


@pytest.mark.parametrize("reused_first", [True, False], ids=["before the parent", "after the parent"])
def test_the_parent_links_what_was_reused(store, instance, reused_first) -> None:
    reuses = lambda mlflow: mlflow.reuse("model", "0123")  # noqa: E731 - one line says it
    bodies = (reuses, logs("a")) if reused_first else (logs("a"), reuses)

    materialize(instance, *bodies)

    assert store.runs(EXPERIMENT)["parent"].data.tags["repro.reused.model"] == "0123"


def test_a_re_execution_links_to_the_attempt_before(store, instance) -> None:
    before = materialize(instance, logs("a"), fails)
    attempt = store.runs(EXPERIMENT)["parent"].info.run_id
    lineage = {"dagster/parent_run_id": before.run_id, "dagster/root_run_id": before.run_id}

    materialize(instance, logs("a"), logs("b"), tags=lineage)

    assert store.sql("select value from tags where key = 'repro.reexecution_of'") == [(attempt,)]


def test_an_asset_that_is_retried_within_the_run_keeps_one_run_and_ends_finished(store, instance) -> None:
    tries: list[int] = []

    def flaky(mlflow: RunTracker) -> None:
        mlflow.log_metric("try", float(len(tries)))
        tries.append(1)
        if len(tries) == 1:
            raise dg.RetryRequested(max_retries=1)

    assert materialize(instance, flaky).success

    assert states(store) == {"parent": "FINISHED", "first": "FINISHED"}


def test_an_op_of_a_plain_job_is_finished_by_its_success(store, instance) -> None:
    @dg.op
    def reproduction(mlflow: dg.ResourceParam[RunTracker]) -> None:
        mlflow.finish_asset(mlflow.nested("verdict"))

    @dg.job(resource_defs={"mlflow": TrackerFactory(experiment_name=EXPERIMENT)})
    def reproduce() -> None:
        reproduction()

    assert reproduce.execute_in_process(instance=instance).success
    assert states(store) == {"parent": "FINISHED", "verdict": "FINISHED"}


def test_several_assets_in_one_step_share_a_run_unless_they_open_their_own(store, instance) -> None:
    @dg.multi_asset(specs=[dg.AssetSpec("left"), dg.AssetSpec("right")])
    def both(mlflow: dg.ResourceParam[RunTracker]) -> Iterator[dg.MaterializeResult]:
        mlflow.log_metric("shared", 1.0)
        mlflow.nested("right")
        mlflow.log_metric("mine", 2.0)
        yield dg.MaterializeResult("left")
        yield dg.MaterializeResult("right")

    dg.materialize([both], resources={"mlflow": TrackerFactory(experiment_name=EXPERIMENT)}, instance=instance)

    assert states(store) == {"parent": "FINISHED", "both": "FINISHED", "right": "FINISHED"}
    assert store.runs(EXPERIMENT)["right"].data.metrics == {"mine": 2.0}


def test_an_asset_gets_dagster_mlflow_s_own_class(store, instance) -> None:
    from dagster_mlflow.resources import MlFlow

    seen: list[bool] = []
    materialize(instance, lambda mlflow: seen.append(isinstance(mlflow, MlFlow) and isinstance(mlflow, RunTracker)))

    assert seen == [True]


def test_a_store_that_dies_during_the_run_does_not_hide_the_user_s_error(store, instance) -> None:
    def body(mlflow: RunTracker) -> None:
        mlflow.log_metric("a", 1.0)
        mlflow._client = BrokenClient()
        raise ValueError("the user's own error")

    with pytest.raises(ValueError, match="the user's own error"):
        materialize(instance, body, raise_on_error=True)


def test_a_store_that_dies_before_the_end_is_said_in_dagster_s_log(store, instance) -> None:
    def body(mlflow: RunTracker) -> None:
        mlflow.log_metric("a", 1.0)
        mlflow._client = BrokenClient()

    result = materialize(instance, body)

    told = [entry.dagster_event for entry in instance.all_logs(result.run_id) if entry.dagster_event]
    assert any("the disk is gone" in str(event.event_specific_data) for event in told)


def test_a_dead_server_fails_the_asset_with_its_uri_and_without_its_password(store, instance) -> None:
    result = materialize(instance, logs("a"), uri="http://me:secret@127.0.0.1:9")

    error = result.failure_data_for_node("first").error
    chain = str(error)
    assert TrackingUnreachable.__name__ in chain
    assert "http://***@127.0.0.1:9" in chain
    assert "secret" not in chain
