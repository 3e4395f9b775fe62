"""A failed run is told: one log line, and the hook that was named."""

from __future__ import annotations

import dagster as dg
import pytest

from repro_assets.defs.notifications import HOOK_VARIABLE, FailedRun, load_hook, notify_on_failure
from repro_assets.errors import BadInput

HEARD: list[FailedRun] = []


def hear(failed: FailedRun) -> None:
    HEARD.append(failed)


@dg.op
def breaks() -> None:
    raise ValueError("planted")


@dg.job
def doomed() -> None:
    breaks()


@pytest.fixture
def context() -> dg.RunFailureSensorContext:
    with dg.DagsterInstance.ephemeral() as instance:
        result = doomed.execute_in_process(
            instance=instance, raise_on_error=False, tags={"dagster/partition": "covid_cases-v000001"}
        )
        yield dg.build_run_status_sensor_context(
            sensor_name="notify_on_failure",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
        ).for_run_failure()


def test_the_hook_hears_which_run_of_which_version_failed(
    context: dg.RunFailureSensorContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    HEARD.clear()
    monkeypatch.setenv(HOOK_VARIABLE, f"{__name__}:hear")
    notify_on_failure(context)
    (failed,) = HEARD
    assert (failed.job, failed.data_version) == ("doomed", "covid_cases-v000001")
    assert "failed" in failed.message


def test_without_a_hook_it_is_only_logged(context: dg.RunFailureSensorContext, monkeypatch: pytest.MonkeyPatch) -> None:
    HEARD.clear()
    monkeypatch.delenv(HOOK_VARIABLE, raising=False)
    notify_on_failure(context)
    assert HEARD == []


@pytest.mark.parametrize("name", ["nowhere:at_all", "json:nothing", "json", "json:__doc__"])
def test_a_hook_that_is_none_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadInput, match=name):
        load_hook(name)
