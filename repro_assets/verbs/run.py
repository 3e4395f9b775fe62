"""`repro run`: materialize the chain of one data version through Dagster."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro_assets.defs.jobs import CHAIN
from repro_assets.defs.parameters import read_parameters
from repro_assets.defs.stage_config import RECOMPUTES_EQUAL
from repro_assets.errors import NotDeterministic, Outside, ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.data_version import decode
from repro_assets.settings import DEFAULT_CLUSTER, DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    import dagster as dg

    from repro_assets.resources.raw_tables import RawTables

# What a materialization's metadata holds besides metrics.
_NUMBERS_THAT_ARE_NO_METRIC = {"dagster/row_count", "confirmations"}


@dataclass(frozen=True)
class RunPlan:
    """What is going to be executed.

    Attributes:
        key: Data version.
        run_config: Dagster's run configuration.
    """

    key: str
    run_config: Mapping[str, Any]


@dataclass(frozen=True)
class RunReport:
    """What came of it; the fields of the `run` document."""

    key: str
    dagster_run_id: str
    mlflow_run_id: str | None
    assets: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, float]
    seconds: float
    answer: str | None = None

    @property
    def unequal(self) -> list[str]:
        """Assets that were computed again under the same identity and came out different."""
        return [name for name, asset in self.assets.items() if asset.get("state") == "diverged"]


def plan(
    key: str,
    assignments: Sequence[str] = (),
    *,
    force: bool = False,
    environment: str = DEFAULT_ENVIRONMENT,
    cluster: str = DEFAULT_CLUSTER,
    record: bool = False,
) -> RunPlan:
    """Build the run configuration of one data version; reads nothing.

    Args:
        key: Data version.
        assignments: `ASSET.NAME=VALUE`, as given with `--set`.
        force: Recompute what is there, and compare.
        environment: Name of a lock under `envs/conda`.
        cluster: Name of a file under `envs/clusters`.
        record: Write an environment's mismatches down instead of refusing them.

    Raises:
        BadInput: A key, name or value that there isn't.
    """
    decode(key, EXPERIMENT.table_names)
    ops = read_parameters(assignments)
    return RunPlan(
        key,
        {
            "ops": {asset: {"config": {**config, "force": force}} for asset, config in ops.items()},
            "resources": {
                "conda_env": {"config": {"name": environment, "mode": "record" if record else "enforce"}},
                "spark_cluster": {"config": {"name": cluster}},
            },
            # People's progress comes from the stages; Dagster's own lines stay in its event log.
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
    )


def require_readable(key: str, raw_tables: RawTables) -> None:
    """Check that every version that a key names is there, before anything starts.

    Raises:
        NoSuchVersion: It never was.
        VersionExpired: It is gone.
    """
    for table, version in decode(key, EXPERIMENT.table_names).items():
        raw_tables.pin(table, version)


def run(wanted: RunPlan, instance: dg.DagsterInstance) -> RunReport:
    """Execute the chain in this process on the persistent instance.

    Raises:
        ReproError: What a stage refused.
        Outside: Dagster itself failed.
    """
    import dagster as dg

    from repro_assets.definitions import defs

    started = time.monotonic()
    try:
        result = defs.resolve_job_def(CHAIN).execute_in_process(
            instance=instance, partition_key=wanted.key, run_config=dict(wanted.run_config), raise_on_error=True
        )
    except dg.DagsterError as error:
        raise _cause(error) from error
    return _report(wanted.key, result, time.monotonic() - started)


def require_equal(report: RunReport) -> None:
    """Refuse to be silent about a recomputation that differs.

    Raises:
        NotDeterministic: An asset's digest is another under the same identity.
    """
    if report.unequal:
        raise NotDeterministic(
            f"computed again under the same identity, {', '.join(report.unequal)} came out different",
            where=f"Dagster run {report.dagster_run_id}",
            fix="Both results are kept; the asset's `conflict` metadata says where",
        )


def _cause(error: BaseException) -> ReproError:
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ReproError):
            return found
        found = found.__cause__ or getattr(found, "user_exception", None)
    return Outside("Dagster could not execute the run", stored=str(error).strip().splitlines()[0])


def _report(key: str, result: dg.ExecuteInProcessResult, seconds: float) -> RunReport:
    assets: dict[str, dict[str, Any]] = {}
    metrics: dict[str, float] = {}
    values: dict[str, Any] = {}
    failed = {
        evaluation.asset_key.to_user_string()
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.check_name == RECOMPUTES_EQUAL and not evaluation.passed
    }
    for event in result.all_events:
        if not event.is_step_materialization or event.asset_key is None:
            continue
        name = event.asset_key.to_user_string()
        values = {label: value.value for label, value in event.materialization.metadata.items()}
        assets[name] = {
            "state": "diverged" if name in failed else values["state"],
            "identity": values["identity"],
            "output_digest": values["output_digest"],
            "mlflow_run_id": values["mlflow_run_id"],
            "rows": values.get("rows"),
        }
        numbers = {label: value for label, value in values.items() if isinstance(value, float | int)}
        metrics.update({k: v for k, v in numbers.items() if k not in _NUMBERS_THAT_ARE_NO_METRIC})
    return RunReport(
        key=key,
        dagster_run_id=result.run_id,
        mlflow_run_id=values.get("mlflow_parent_run_id"),
        assets=assets,
        metrics=metrics,
        seconds=round(seconds, 3),
        answer=values.get("answer"),
    )
