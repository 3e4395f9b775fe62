"""What Dagster's event log says about a run: which assets have their materialization, which steps failed, and why.

An MLflow run may only end FINISHED after the Dagster event exists, so its state is read from here and nowhere else.
Only public Dagster names are used; importing this module imports no mlflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTS = frozenset({"KeyboardInterrupt", "DagsterExecutionInterruptedError"})
_CANCELLED = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)
_TELLING = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
}


@dataclass(frozen=True)
class RunningStep:
    """What Dagster is computing at this moment.

    Attributes:
        name: The asset's key (`folder/name`), or the op's name where it makes several assets or none.
        step: Step key.
        assets: Keys of the assets that the step makes.
        data_version: Partition key, if the run has exactly one.
    """

    name: str
    step: str
    assets: tuple[str, ...]
    data_version: str | None


@dataclass(frozen=True)
class RunOutcome:
    """The facts of one Dagster run that decide how its MLflow runs end.

    Attributes:
        materialized: Keys of the assets whose materialization is in the event log.
        succeeded: Step keys.
        failed: Step keys that failed for a reason of their own.
        interrupted: Somebody ended the run: Ctrl-C, a signal, or the page.
    """

    materialized: frozenset[str]
    succeeded: frozenset[str]
    failed: frozenset[str]
    interrupted: bool

    def state_of(self, step: str | None, assets: Sequence[str]) -> str:
        """The MLflow state of a nested run: FINISHED, FAILED or KILLED.

        One asset: its materialization decides. Several in one step (some may be optional), or none: the step's success.
        """
        done = assets[0] in self.materialized if len(assets) == 1 else step in self.succeeded
        if done:
            return "FINISHED"
        return "KILLED" if self.interrupted and step not in self.failed else "FAILED"

    def state_of_run(self, nested: Sequence[str]) -> str:
        """The MLflow state of the parent run, given those of its nested runs."""
        if self.interrupted:
            return "KILLED"
        return "FAILED" if self.failed or any(state != "FINISHED" for state in nested) else "FINISHED"


def running_step() -> RunningStep | None:
    """The step that runs in this thread, None outside of one (asset checks of their own included)."""
    try:
        context = dg.AssetExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return None
    # In a plain op Dagster hands out the op's context under the same call.
    op_context = getattr(context, "op_execution_context", context)
    step = str(op_context.op_handle)
    assets = tuple(sorted(key.to_user_string() for key in op_context.selected_asset_keys))
    return RunningStep(
        name=assets[0] if len(assets) == 1 else step,
        step=step,
        assets=assets,
        data_version=op_context.partition_key if op_context.has_partition_key else None,
    )


def read_outcome(instance: dg.DagsterInstance, run_id: str) -> RunOutcome:
    """Read the event log of one Dagster run."""
    materialized, succeeded, failed = set(), set(), set()
    run = instance.get_run_by_id(run_id)
    interrupted = run is not None and run.status in _CANCELLED
    for entry in instance.all_logs(run_id, of_type=_TELLING):
        event = entry.dagster_event
        if event is None:
            continue
        if event.is_step_materialization and event.asset_key is not None:
            materialized.add(event.asset_key.to_user_string())
        elif event.is_step_success:
            succeeded.add(event.step_key or "")
        elif _is_interrupt(event):
            interrupted = True
        else:
            failed.add(event.step_key or "")
    return RunOutcome(frozenset(materialized), frozenset(succeeded), frozenset(failed), interrupted)


def _is_interrupt(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    while error is not None:
        if error.cls_name in _INTERRUPTS:
            return True
        error = error.cause
    return False
