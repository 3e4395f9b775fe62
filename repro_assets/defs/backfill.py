"""The job `backfill_warm`: many data versions, one after the other, in one warm process.

One Dagster run holds one data version, so the op starts one run of the chain per key, on the same instance and in its
own process: Spark and MLflow are loaded once. A version that fails does so alone; an interrupt ends them all.
From the page's own backfill, Dagster starts a process per key instead.
https://docs.dagster.io/guides/build/jobs
"""

# No `from __future__ import annotations`: Dagster reads the annotation of an op's `config` as it is.

from collections.abc import Callable, Sequence
from typing import Protocol

import dagster as dg
from pydantic import Field

from repro_assets.defs.chain_run import RunReport, attempt_chain, chain_config
from repro_assets.defs.interrupts import noted_interrupts
from repro_assets.defs.partitions import is_key, register, registered
from repro_assets.defs.run_pins import owner_tag
from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.data_history import data_versions
from repro_assets.pins.data_version import decode
from repro_assets.resources.known_secrets import call_cleanly
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.spark.spark_cluster import close_changed_session
from repro_assets.settings import DEFAULT_CLUSTER, DEFAULT_ENVIRONMENT

BACKFILL = "backfill_warm"
OP = "each_data_version"
# Tag of the chain runs that a backfill started; Dagster's own `dagster/backfill` would claim they are the page's.
BACKFILL_TAG = "repro/backfill"

_ENDED = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE)


class BackfillConfig(dg.Config):
    """What to materialize, and how; the same parameters as `repro run`."""

    keys: list[str] = Field(default=[], description="Data versions, in this order; empty for all, in commit order.")
    parameters: list[str] = Field(default=[], description="ASSET.NAME=VALUE, e.g. model.family=random_forest.")
    force: bool = Field(default=False, description="Recompute what is there, and compare.")
    environment: str = Field(default=DEFAULT_ENVIRONMENT, description="A lock of envs/conda, without its suffix.")
    cluster: str = Field(default=DEFAULT_CLUSTER, description="A file of envs/clusters, without its suffix.")
    record: bool = Field(
        default=False, description="Write an environment's mismatches down instead of refusing them; no reuse."
    )


class Observer(Protocol):
    """Somebody who wants to know how far a backfill is."""

    def starts(self, keys: Sequence[str]) -> None:
        """These data versions are going to be run."""

    def begins(self, key: str) -> None:
        """This one begins."""

    def ends(self, report: RunReport) -> None:
        """This is what came of it."""


def backfill_job(resolve_chain: Callable[[], dg.JobDefinition], observer: Observer | None = None) -> dg.JobDefinition:
    """Build the job.

    Args:
        resolve_chain: Gives the chain job; called when the backfill runs, since definitions are assembled above.
        observer: Hears of every version as it happens, beside Dagster's event log.
    """

    @dg.op(name=OP, description="Runs the chain for one data version after the other.")
    def each_data_version(context: dg.OpExecutionContext, config: BackfillConfig) -> None:
        context.instance.add_run_tags(context.run.run_id, owner_tag())
        observers = [_EventLog(context), *([observer] if observer else [])]
        keys = wanted_keys(config.keys, context.instance)
        run_config = chain_config(
            config.parameters,
            force=config.force,
            environment=config.environment,
            cluster=config.cluster,
            record=config.record,
        )
        chain, tags = resolve_chain(), _tags(context.run)

        def run_one(key: str) -> RunReport:
            return attempt_chain(chain, key, run_config, context.instance, tags)

        with noted_interrupts() as interrupted:
            reports = call_cleanly(run_each, keys, run_one, lambda: interrupted() or _was_ended(context), observers)
        context.add_output_metadata({"data versions": _table(reports)})
        _refuse_partial(reports)

    @dg.job(
        name=BACKFILL,
        executor_def=dg.in_process_executor,
        description=(
            "Many data versions in one warm process, one Dagster run of the chain each. A version that fails does so "
            "alone; terminated and launched again it goes on where it was."
        ),
    )
    def backfill_warm() -> None:
        each_data_version()

    return backfill_warm


def wanted_keys(given: Sequence[str], instance: dg.DagsterInstance) -> list[str]:
    """The data versions that are meant, each once: those given, else all, whose commits are registered first.

    Raises:
        BadInput: A key that is none, or nothing to run.
    """
    for key in given:
        decode(key, EXPERIMENT.table_names)
    register(instance, data_versions(RawTables().histories(EXPERIMENT.table_names)))
    keys = list(dict.fromkeys(given)) or [key for key in registered(instance) if is_key(key)]
    if not keys:
        raise BadInput(
            "there are no data versions", fix="Each raw table needs a first publication: `repro ingest TABLE FILE…`"
        )
    return keys


def run_each(
    keys: Sequence[str],
    run_one: Callable[[str], RunReport],
    interrupted: Callable[[], bool],
    observers: Sequence[Observer],
) -> list[RunReport]:
    """Run one key after the other, in one session as long as nobody changes it.

    Raises:
        KeyboardInterrupt: Somebody asked to stop; a version that was running then counts as not done.
    """
    for observer in observers:
        observer.starts(keys)
    reports: list[RunReport] = []
    for key in keys:
        _stop_if(interrupted)
        for observer in observers:
            observer.begins(key)
        report = run_one(key)
        # What a step left behind in the session would fail every version after this one.
        close_changed_session()
        if report.reason is not None:
            # What an interrupt breaks may look like an error of the version.
            _stop_if(interrupted)
        reports.append(report)
        for observer in observers:
            observer.ends(report)
    return reports


class _EventLog:
    """Tells Dagster's event log, so that the page shows how far it is."""

    def __init__(self, context: dg.OpExecutionContext) -> None:
        self._log = context.log
        self._total = self._done = 0

    def starts(self, keys: Sequence[str]) -> None:
        self._total = len(keys)

    def begins(self, key: str) -> None:
        self._log.info(f"{self._done + 1} of {self._total}: {key}")

    def ends(self, report: RunReport) -> None:
        self._done += 1
        said = f"{report.key}: {report.state}, {report.seconds:.1f} s, Dagster run {report.dagster_run_id}"
        if report.reason is None:
            self._log.info(said)
        else:
            self._log.error(f"{said}: {report.reason}")


def _tags(run: dg.DagsterRun) -> dict[str, str]:
    root = run.tags.get("dagster/root_run_id", run.run_id)
    return {"dagster/parent_run_id": run.run_id, "dagster/root_run_id": root, BACKFILL_TAG: run.run_id}


def _was_ended(context: dg.OpExecutionContext) -> bool:
    """Whether somebody ended this run on the page without this process hearing of it."""
    run = context.instance.get_run_by_id(context.run.run_id)
    return run is None or run.status in _ENDED


def _stop_if(interrupted: Callable[[], bool]) -> None:
    if interrupted():
        raise KeyboardInterrupt


def _refuse_partial(reports: Sequence[RunReport]) -> None:
    bad = [report for report in reports if report.state in ("failed", "diverged")]
    if bad:
        raise dg.Failure(
            f"{len(bad)} of {len(reports)} data versions failed: {', '.join(report.key for report in bad)}",
            metadata={"data versions": _table(reports)},
            allow_retries=False,
        )


def _table(reports: Sequence[RunReport]) -> dg.MarkdownMetadataValue:
    rows = [
        f"| {report.key} | {report.state} | {report.seconds:.1f} s | {report.dagster_run_id} | {_cell(report.reason)} |"
        for report in reports
    ]
    header = ["| data version | state | took | Dagster run | reason |", "| --- | --- | --- | --- | --- |"]
    return dg.MetadataValue.md("\n".join([*header, *rows]))


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")
