"""What happens when a run fails: one line in the daemon's log, and a hook to fill in.

`REPRO_ON_FAILURE=package.module:function` names a function that is called with a `FailedRun`: that is the place for a
mail, a chat message or a pager.
https://docs.dagster.io/guides/automate/sensors/run-status-sensors
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from repro_assets.errors import BadInput

HOOK_VARIABLE = "REPRO_ON_FAILURE"
_HOOK = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class FailedRun:
    """What a hook is told.

    Attributes:
        run_id: Dagster run.
        job: Name of the job.
        data_version: Partition key, None where the job has none.
        message: First line of what went wrong.
    """

    run_id: str
    job: str
    data_version: str | None
    message: str


@dg.run_failure_sensor(
    name="notify_on_failure",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes one line per failed run and calls the function that REPRO_ON_FAILURE names.",
)
def notify_on_failure(context: dg.RunFailureSensorContext) -> None:
    """Tell that a run failed; a hook that fails shows as a failed tick."""
    run = context.dagster_run
    text = (context.failure_event.message or "no message").strip()
    failed = FailedRun(run.run_id, run.job_name, run.tags.get("dagster/partition"), text.splitlines()[0])
    context.log.error("run %s of %s (%s) failed: %s", failed.run_id, failed.job, failed.data_version, failed.message)
    hook = load_hook(os.environ.get(HOOK_VARIABLE))
    if hook is not None:
        hook(failed)


def load_hook(name: str | None) -> Callable[[FailedRun], object] | None:
    """The function that a variable names, None where it is unset.

    Raises:
        BadInput: There is no such function.
    """
    if not name:
        return None
    module, _, function = name.partition(":")
    if not _HOOK.fullmatch(name):
        raise BadInput("no such hook", where=HOOK_VARIABLE, stored=repr(name)[:80], expected="package.module:function")
    try:
        hook = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadInput(
            "no such hook", where=HOOK_VARIABLE, stored=name, expected="package.module:function", fix=str(error)
        ) from error
    if not callable(hook):
        raise BadInput("a hook is not a function", where=HOOK_VARIABLE, stored=name)
    return hook
