"""`repro run`: materialize the chain of one data version through Dagster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro_assets.defs.chain_run import RunReport, chain_config, run_chain
from repro_assets.defs.jobs import CHAIN
from repro_assets.errors import NotDeterministic
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.data_version import decode
from repro_assets.settings import DEFAULT_CLUSTER, DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    import dagster as dg

    from repro_assets.resources.raw.raw_tables import RawTables


@dataclass(frozen=True)
class RunPlan:
    """What is going to be executed.

    Attributes:
        key: Data version.
        run_config: Dagster's run configuration.
    """

    key: str
    run_config: Mapping[str, Any]


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
    return RunPlan(key, chain_config(assignments, force=force, environment=environment, cluster=cluster, record=record))


def require_readable(key: str, raw_tables: RawTables) -> None:
    """Check that every version that a key names is there with all its files, before anything starts.

    Raises:
        NoSuchVersion: It never was.
        VersionExpired: It is gone, or files of it are.
        DataDamaged: A file has another size.
    """
    for table, version in decode(key, EXPERIMENT.table_names).items():
        raw_tables.require_files(raw_tables.pin(table, version))


def run(wanted: RunPlan, instance: dg.DagsterInstance) -> RunReport:
    """Execute the chain in this process on the persistent instance.

    Raises:
        ReproError: What a stage refused, or a blocking check that is red.
        Outside: Dagster itself failed.
        KeyboardInterrupt: Ctrl-C or SIGTERM, in whatever form Dagster has it.
    """
    import dagster as dg

    from repro_assets.definitions import defs

    try:
        return run_chain(defs.resolve_job_def(CHAIN), wanted.key, wanted.run_config, instance)
    except dg.DagsterExecutionInterruptedError as interrupt:
        raise KeyboardInterrupt from interrupt


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
