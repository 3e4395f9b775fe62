"""Closes Dagster runs whose process is gone: a killed run stays STARTED otherwise and blocks the queue.

Kept apart from the reaper of MLflow runs, so that a sensor tick does not import MLflow.
Runs of other hosts are left alone: nothing is known about them here. Dagster's own run monitoring does not see runs
that were started from a script: https://docs.dagster.io/deployment/execution/run-monitoring
"""

from __future__ import annotations

import dagster as dg

from repro_assets.defs.run_pins import OWNER_TAG
from repro_assets.resources.process_owner import is_alive, parse_owner

_UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def reap_dagster(instance: dg.DagsterInstance) -> list[str]:
    """End as FAILURE every unfinished run of this host whose process no longer exists; returns their ids."""
    closed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        if is_alive(parse_owner(run.tags.get(OWNER_TAG))) is False:
            instance.report_run_failed(run, message="The process of this run is gone; closed by the reaper.")
            closed.append(run.run_id)
    return closed
