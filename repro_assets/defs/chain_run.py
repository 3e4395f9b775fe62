"""One Dagster run of the whole chain, in this process, and what came of it.

A report is read from Dagster's event log, so that a run that failed half-way is told in the same words as one that
went through. Who runs one key, or many, is decided above: `verbs.run`, `defs.backfill`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg

from repro_assets.defs.launch import execute_owned
from repro_assets.defs.parameters import read_parameters
from repro_assets.defs.stage_config import RECOMPUTES_EQUAL
from repro_assets.errors import Outside, ReproError
from repro_assets.one_line import one_line
from repro_assets.pins.compute import check_name
from repro_assets.resources.known_secrets import clean
from repro_assets.settings import DEFAULT_CLUSTER, DEFAULT_ENVIRONMENT

# What a materialization's metadata holds besides metrics.
_NUMBERS_THAT_ARE_NO_METRIC = {"dagster/row_count", "confirmations"}
# People's progress comes from the stages; Dagster's own lines stay in its event log.
QUIET_LOGGERS = {"console": {"config": {"log_level": "CRITICAL"}}}
_LONGEST_REASON = 600


class CheckFailed(ReproError):
    """A blocking check of an asset is red."""

    exit_code = 1


@dataclass(frozen=True)
class RunReport:
    """What came of one run; the fields of the `run` document.

    Attributes:
        key: Data version.
        dagster_run_id: The run; None where it could not even be created.
        mlflow_run_id: Parent run of what was computed, or of what was reused.
        assets: By name: `state` (computed, reused, diverged or failed), `identity`, `output_digest`, ….
        metrics: Numbers that belong to the result.
        seconds: Wall clock time.
        answer: What the predictions say.
        reason: Why the run failed; None where it did not.
    """

    key: str
    dagster_run_id: str | None
    mlflow_run_id: str | None
    assets: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, float]
    seconds: float
    answer: str | None = None
    reason: str | None = None

    @property
    def unequal(self) -> list[str]:
        """Assets that were computed again under the same identity and came out different."""
        return [name for name, asset in self.assets.items() if asset.get("state") == "diverged"]

    @property
    def state(self) -> str:
        """The whole run in one word: failed, diverged, computed, or reused where nothing was computed."""
        if self.reason is not None:
            return "failed"
        states = {asset["state"] for asset in self.assets.values()}
        return next((state for state in ("diverged", "computed") if state in states), "reused")


def chain_config(
    assignments: Sequence[str] = (),
    *,
    force: bool = False,
    environment: str = DEFAULT_ENVIRONMENT,
    cluster: str = DEFAULT_CLUSTER,
    record: bool = False,
) -> dict[str, Any]:
    """Dagster's run configuration of the chain; the same for every data version.

    Args:
        assignments: `ASSET.NAME=VALUE`, as given with `--set`.
        force: Recompute what is there, and compare.
        environment: Name of a lock under `envs/conda`.
        cluster: Name of a file under `envs/clusters`.
        record: Write an environment's mismatches down instead of refusing them.

    Raises:
        BadInput: A name or value that there isn't.
    """
    return run_config_of(
        read_parameters(assignments), force=force, environment=environment, cluster=cluster, record=record
    )


def run_config_of(
    assets: Mapping[str, Mapping[str, Any]], *, force: bool, environment: str, cluster: str, record: bool
) -> dict[str, Any]:
    """As `chain_config`, from the configuration of every asset."""
    check_name(environment, "environment")
    check_name(cluster, "cluster")
    return {
        "ops": {asset: {"config": {**config, "force": force}} for asset, config in assets.items()},
        "resources": {
            "conda_env": {"config": {"name": environment, "mode": "record" if record else "enforce"}},
            "spark_cluster": {"config": {"name": cluster}},
        },
        "loggers": QUIET_LOGGERS,
    }


def run_chain(
    chain: dg.JobDefinition,
    key: str,
    run_config: Mapping[str, Any],
    instance: dg.DagsterInstance,
    selection: Sequence[str] | None = None,
) -> RunReport:
    """Execute the chain for one data version.

    Args:
        chain: The job.
        key: Data version.
        run_config: As `chain_config` gives it.
        instance: Dagster's history.
        selection: Assets to materialize; all by default.

    Raises:
        ReproError: What a stage refused.
        CheckFailed: A blocking check is red, other than that of a recomputation, which the report tells.
        Outside: Dagster itself failed.
    """
    run_id, started = str(uuid.uuid4()), time.monotonic()
    try:
        execute_owned(chain, instance, run_id=run_id, run_config=run_config, partition_key=key, selection=selection)
    except dg.DagsterError as error:
        report = read_report(instance, key, run_id, time.monotonic() - started)
        if report.unequal:
            return report
        raise _failed_check(instance, run_id) or as_repro_error(error) from error
    return read_report(instance, key, run_id, time.monotonic() - started)


def attempt_chain(
    chain: dg.JobDefinition,
    key: str,
    run_config: Mapping[str, Any],
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
) -> RunReport:
    """Execute the chain for one data version among several: what fails is told in the report and not raised.

    Interrupts are raised: they are about all versions.
    """
    run_id, started, reason = str(uuid.uuid4()), time.monotonic(), None
    try:
        execute_owned(chain, instance, run_id=run_id, run_config=run_config, tags=tags, partition_key=key)
    except Exception as error:  # noqa: BLE001 - not swallowed: told as this version's reason, the others go on
        reason = reason_of(_failed_check(instance, run_id) or error)
    report = read_report(instance, key, run_id, time.monotonic() - started)
    return report if report.unequal else replace(report, reason=reason)


def read_report(instance: dg.DagsterInstance, key: str, run_id: str, seconds: float) -> RunReport:
    """What Dagster's event log says about a run of the chain."""
    assets: dict[str, dict[str, Any]] = {}
    metrics: dict[str, float] = {}
    last: dict[str, Any] = {}
    unequal = {red.asset_key.to_user_string() for red in _red_checks(instance, run_id, RECOMPUTES_EQUAL)}
    telling = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.STEP_FAILURE}
    for event in _events(instance, run_id, telling):
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            name = event.step_key or ""
            assets[name] = {**assets.get(name, {}), "state": "diverged" if name in unequal else "failed"}
            continue
        if event.asset_key is None:
            continue
        name = event.asset_key.to_user_string()
        values: dict[str, Any] = {label: value.value for label, value in event.materialization.metadata.items()}
        assets[name] = {
            "state": "diverged" if name in unequal else values["state"],
            **{field: values.get(field) for field in ("identity", "output_digest", "mlflow_run_id", "rows")},
        }
        numbers = {label: value for label, value in values.items() if isinstance(value, float | int)}
        metrics.update({k: v for k, v in numbers.items() if k not in _NUMBERS_THAT_ARE_NO_METRIC})
        last = values
    known = instance.get_run_by_id(run_id) is not None
    return RunReport(
        key=key,
        dagster_run_id=run_id if known else None,
        mlflow_run_id=last.get("mlflow_parent_run_id"),
        assets=assets,
        metrics=metrics,
        seconds=round(seconds, 3),
        answer=last.get("answer"),
    )


def as_repro_error(error: BaseException) -> ReproError:
    """The refusal behind an error of Dagster, else that Dagster failed."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ReproError):
            return found
        found = found.__cause__ or getattr(found, "user_exception", None)
    return Outside("the run failed", stored=reason_of(_innermost(error)), fix="Its log on Dagster's page says more")


def _innermost(error: BaseException) -> BaseException:
    """What a stage raised, below Dagster's own errors about it."""
    deeper = getattr(error, "user_exception", None) or error.__cause__
    while deeper is not None:
        error, deeper = deeper, getattr(deeper, "user_exception", None) or deeper.__cause__
    return error


def reason_of(error: BaseException) -> str:
    """An error in one line: a refusal as it is, anything else by class and message; a JVM's error by its root."""
    if isinstance(error, dg.DagsterError) and _innermost(error) is not error:
        error = as_repro_error(error)
    java = getattr(error, "java_exception", None)
    if java is not None:
        while java.getCause() is not None:
            java = java.getCause()
        text = str(java.toString())
    else:
        text = str(error) if isinstance(error, ReproError) else f"{type(error).__name__}: {error}"
    return one_line(clean(text))[:_LONGEST_REASON]


def _failed_check(instance: dg.DagsterInstance, run_id: str) -> CheckFailed | None:
    for red in _red_checks(instance, run_id):
        if red.blocking:
            name = f"{red.check_name} of {red.asset_key.to_user_string()}"
            return CheckFailed(f"the check {name} is red", where=f"Dagster run {run_id}", stored=red.description)
    return None


def _red_checks(instance: dg.DagsterInstance, run_id: str, name: str | None = None) -> list[dg.AssetCheckEvaluation]:
    found = [
        event.asset_check_evaluation_data
        for event in _events(instance, run_id, {dg.DagsterEventType.ASSET_CHECK_EVALUATION})
    ]
    return [check for check in found if not check.passed and name in (None, check.check_name)]


def _events(instance: dg.DagsterInstance, run_id: str, of_type: set[dg.DagsterEventType]) -> list[dg.DagsterEvent]:
    entries = instance.all_logs(run_id, of_type=of_type)
    return [entry.dagster_event for entry in entries if entry.dagster_event is not None]
