"""Sensors: a run of the chain per new data version.

Glue only: reading the logs belongs to `resources.log_watch`, deciding to `pins.log_cursor`.
https://docs.dagster.io/guides/automate/sensors
"""

from __future__ import annotations

import dagster as dg

from repro_assets.defs.jobs import chain
from repro_assets.defs.partitions import DATA_VERSIONS
from repro_assets.defs.reaper import reap_dagster
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.log_cursor import parse_cursor
from repro_assets.resources.known_secrets import call_cleanly
from repro_assets.resources.raw.log_watch import watch
from repro_assets.resources.raw.raw_tables import RawTables


@dg.sensor(
    job=chain,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description=(
        "Registers a data version per commit that changed rows of a raw table, and requests one run of the chain "
        "for it. Of a history seen for the first time only the newest is run."
    ),
)
def new_data_versions(context: dg.SensorEvaluationContext, raw_tables: RawTables) -> dg.SensorResult:
    """Answer one tick.

    Raises:
        ReproError: A log that can't be trusted, as one line; the cursor stays, and nothing is registered.
    """
    for run_id in reap_dagster(context.instance):
        context.log.info(f"closed Dagster run {run_id}: its process is gone")
    plan = call_cleanly(watch, raw_tables, EXPERIMENT.table_names, parse_cursor(context.cursor, EXPERIMENT.table_names))
    cursor = plan.cursor.as_json() if plan.cursor else None
    if not plan.register:
        return dg.SensorResult(skip_reason=plan.message, cursor=cursor)
    context.log.info(plan.message)
    return dg.SensorResult(
        dynamic_partitions_requests=[DATA_VERSIONS.build_add_request(list(plan.register))],
        # One key, one run key: a tick that died after it answered asks again, and Dagster starts nothing twice.
        run_requests=[dg.RunRequest(run_key=key, partition_key=key) for key in plan.request],
        cursor=cursor,
    )
