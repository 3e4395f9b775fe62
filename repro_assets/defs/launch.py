"""Executes a job in this process on the persistent instance, so that no run stays open that nobody would end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from repro_assets.defs.run_pins import owner_tag


def execute_owned(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    run_id: str,
    run_config: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
    partition_key: str | None = None,
    selection: Sequence[str] | None = None,
) -> None:
    """Execute a job under a run id of the caller's, with this process named as its owner from the start.

    Args:
        job: What to execute.
        instance: Dagster's history.
        run_id: Of the run that is made.
        run_config: Dagster's run configuration.
        tags: Of the run, beside the owner's.
        partition_key: Of a partitioned job.
        selection: Assets to materialize; all by default.

    Raises:
        DagsterError: Whatever the job raised.
    """
    try:
        job.execute_in_process(
            instance=instance,
            partition_key=partition_key,
            run_config=dict(run_config),
            run_id=run_id,
            tags={**(tags or {}), **owner_tag()},
            asset_selection=None if selection is None else [dg.AssetKey(asset) for asset in selection],
        )
    except BaseException:
        # An interrupt between creating the run and starting it leaves one that nobody would ever end.
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, message="Interrupted before Dagster could end it.")
        raise
