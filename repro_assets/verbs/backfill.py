"""`repro backfill`: the chain for many data versions, one after the other, in one warm process.

The work is the Dagster job `backfill_warm`; here are what is asked of it, what became of it, and the exit code.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from repro_assets.defs.backfill import OP, Observer, backfill_job
from repro_assets.defs.chain_run import QUIET_LOGGERS, RunReport, as_repro_error, chain_config
from repro_assets.defs.jobs import CHAIN
from repro_assets.defs.launch import execute_owned
from repro_assets.defs.partitions import registered
from repro_assets.errors import BadInput, NotDeterministic, Outside
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.data_version import decode
from repro_assets.settings import DEFAULT_CLUSTER, DEFAULT_ENVIRONMENT
from repro_assets.verbs.run import require_readable
from repro_assets.verbs.versions import register_all, register_key

if TYPE_CHECKING:
    import dagster as dg

    from repro_assets.resources.raw.raw_tables import RawTables

# As far back as the time left is guessed from: after a restart, what was reused says nothing about what is computed.
_RECENT = 5


@dataclass(frozen=True)
class BackfillPlan:
    """What is going to be executed.

    Attributes:
        keys: Data versions in their order; empty for all.
        run_config: Dagster's run configuration of the job.
    """

    keys: tuple[str, ...]
    run_config: Mapping[str, Any]


@dataclass
class BackfillReport:
    """What became of every data version so far; the `backfill` document.

    Attributes:
        dagster_run_id: The run that started the others.
        keys: All that were asked for, once known.
        runs: Those that ended.
    """

    dagster_run_id: str
    keys: Sequence[str] = ()
    runs: list[RunReport] = field(default_factory=list)

    @property
    def bad(self) -> list[RunReport]:
        """Those that failed, or were computed again and differ."""
        return [run for run in self.runs if run.state in ("failed", "diverged")]


def plan(
    keys: Sequence[str],
    every: bool,
    assignments: Sequence[str] = (),
    *,
    force: bool = False,
    environment: str = DEFAULT_ENVIRONMENT,
    cluster: str = DEFAULT_CLUSTER,
    record: bool = False,
) -> BackfillPlan:
    """Build the run configuration; reads nothing.

    Args:
        keys: Data versions; a key named twice is run once.
        every: All data versions instead.
        assignments: `ASSET.NAME=VALUE`, as given with `--set`.
        force: Recompute what is there, and compare.
        environment: Name of a lock under `envs/conda`.
        cluster: Name of a file under `envs/clusters`.
        record: Write an environment's mismatches down instead of refusing them.

    Raises:
        BadInput: Neither keys nor all, or both; a key, name or value that there isn't.
    """
    if bool(keys) == every:
        raise BadInput("which data versions?", expected="either KEY… or `--all`", fix="`repro versions` lists the keys")
    for key in keys:
        decode(key, EXPERIMENT.table_names)
    chain_config(assignments, force=force, environment=environment, cluster=cluster, record=record)
    wanted = tuple(dict.fromkeys(keys))
    config = {
        "keys": list(wanted),
        "parameters": list(assignments),
        "force": force,
        "environment": environment,
        "cluster": cluster,
        "record": record,
    }
    return BackfillPlan(wanted, {"ops": {OP: {"config": config}}, "loggers": QUIET_LOGGERS})


def register_keys(keys: Sequence[str], raw_tables: RawTables, instance: dg.DagsterInstance) -> None:
    """Register all data versions, then the explicit pairs among the keys.

    A registered key whose version is gone passes: it fails alone, where the page shows it.

    Raises:
        NoSuchVersion, VersionExpired: A key that is not registered names a version that is not there.
    """
    register_all(raw_tables, instance)
    for key in keys:
        if key not in registered(instance):
            require_readable(key, raw_tables)
            register_key(key, raw_tables, instance)


class Backfill:
    """One backfill, and what is known of it when it was interrupted.

    Args:
        wanted: What to execute.
        observer: Hears of every version as it happens.
    """

    def __init__(self, wanted: BackfillPlan, observer: Observer) -> None:
        self._wanted = wanted
        self._observer = observer
        self.report = BackfillReport(str(uuid.uuid4()))

    def execute(self, instance: dg.DagsterInstance) -> BackfillReport:
        """Run the job in this process on the persistent instance.

        Raises:
            BadInput: There is no data version to run.
            KeyboardInterrupt: Ctrl-C or SIGTERM; `report` holds what had ended.
            Outside: Dagster itself failed.
        """
        import dagster as dg

        from repro_assets.definitions import defs

        job = backfill_job(lambda: defs.resolve_job_def(CHAIN), self)
        try:
            execute_owned(job, instance, run_id=self.report.dagster_run_id, run_config=self._wanted.run_config)
        except dg.DagsterExecutionInterruptedError as interrupt:
            raise KeyboardInterrupt from interrupt
        except dg.DagsterError as error:
            raise as_repro_error(error) from error
        except dg.Failure:
            # How a partial backfill shows red on the page; `require_whole` says it here.
            return self.report
        return self.report

    def starts(self, keys: Sequence[str]) -> None:
        """Note which data versions are meant."""
        self.report.keys = keys
        self._observer.starts(keys)

    def begins(self, key: str) -> None:
        """Pass it on."""
        self._observer.begins(key)

    def ends(self, report: RunReport) -> None:
        """Note what came of a data version."""
        self.report.runs.append(report)
        self._observer.ends(report)


def require_whole(report: BackfillReport) -> None:
    """Refuse to be silent about versions that failed.

    Raises:
        NotDeterministic: All that is wrong is that recomputations differ.
        Outside: Some, or all, failed.
    """
    bad = report.bad
    if not bad:
        return
    said = f"{len(bad)} of {len(report.keys)} data versions"
    where = ", ".join(run.key for run in bad)
    if all(run.unequal for run in bad):
        raise NotDeterministic(f"computed again under the same identity, {said} came out different", where=where)
    raise Outside(f"{said} failed", where=where, fix="Start it again: what is done is reused")


def seconds_left(durations: Sequence[float], left: int) -> float | None:
    """Guess how long the rest takes, from the last few versions; None before the first one ended.

    Args:
        durations: Seconds of every version so far.
        left: How many are still to come.
    """
    recent = durations[-_RECENT:]
    return sum(recent) / len(recent) * left if recent else None


def in_words(seconds: float | None) -> str:
    """A time left, as a person would say it."""
    if seconds is None:
        return "time left unknown"
    if seconds < 60:
        return f"about {max(1, round(seconds))} s left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < 60 else f"about {minutes // 60} h {minutes % 60} min left"
