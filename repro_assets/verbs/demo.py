"""`repro demo`: from published files to predictions for three data versions, and one of them run again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repro_assets.defs.chain_run import RunReport
from repro_assets.errors import BadInput
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.settings import Settings
from repro_assets.verbs import run as run_verb
from repro_assets.verbs.ingest import ingest_files, ingest_git
from repro_assets.verbs.reproduce import Answer, reproduce
from repro_assets.verbs.versions import register_all

if TYPE_CHECKING:
    import dagster as dg
    from pyspark.sql import SparkSession

DATA_VERSIONS = 3


@dataclass(frozen=True)
class DemoPlan:
    """Where the published files come from.

    Attributes:
        cases: Case files, oldest first; empty where `repository` or the sample is used.
        repository: Git clone that holds every version of the case file, or None.
        jobs: Job files; empty where the sample is used.
    """

    cases: tuple[Path, ...] = ()
    repository: Path | None = None
    jobs: tuple[Path, ...] = ()

    @property
    def is_sample(self) -> bool:
        """Whether the generated sample is used."""
        return not self.jobs


def plan(covid: Path | None, jobs: Sequence[Path]) -> DemoPlan:
    """Decide on sample or real files.

    Raises:
        BadInput: Only one of the two is given, or a place holds no case files.
    """
    if covid is None and not jobs:
        return DemoPlan()
    if covid is None or not jobs:
        raise BadInput("real files need both", expected="`--covid DIR_OR_GIT --jobs FILE…`")
    missing = [path for path in jobs if not os.path.isfile(path)]
    if missing:
        raise BadInput("no such job file", where=missing[0])
    if not os.path.isdir(covid):
        raise BadInput("no such folder or git clone", where=covid)
    if (covid / ".git").exists() or (covid / "HEAD").is_file():
        return DemoPlan(repository=covid, jobs=tuple(jobs))
    cases = sorted([*covid.glob("*.csv"), *covid.glob("*.csv.gz")])
    cases = [path for path in cases if path.name[0].isdigit() or "covid" in path.name.lower()]
    if not cases:
        raise BadInput("the folder holds no case files", where=covid, expected="*.csv or *.csv.gz, named in order")
    return DemoPlan(cases=tuple(cases), jobs=tuple(jobs))


def demo(
    wanted: DemoPlan,
    settings: Settings,
    instance: dg.DagsterInstance,
    open_spark: Callable[[], SparkSession],
    report: Callable[[str], None],
) -> list[RunReport]:
    """Ingest, then run the three newest data versions, oldest first."""
    report(f"state is kept below {settings.var}")
    with tempfile.TemporaryDirectory() as folder:
        _ingest(_with_sample(wanted, Path(folder), report), settings, open_spark, report)
    versions = register_all(RawTables(), instance)[-DATA_VERSIONS:]
    return [run_verb.run(run_verb.plan(version.key), instance) for version in versions]


def reproduce_oldest(
    reports: Sequence[RunReport], instance: dg.DagsterInstance, report: Callable[[str], None]
) -> Answer:
    """Run the oldest of them again: two newer publications have corrected its rows since."""
    from repro_assets.resources.spark.spark_cluster import close_session

    close_session()  # the old code starts a JVM of its own; two are more than a small machine holds
    oldest = reports[0]
    report(f"running {oldest.key} again, as it was")
    return reproduce(str(oldest.mlflow_run_id), instance, report)


def _with_sample(wanted: DemoPlan, folder: Path, report: Callable[[str], None]) -> DemoPlan:
    if not wanted.is_sample:
        return wanted
    from repro_assets.sample.generate import generate

    report("generating the sample feed")
    feed = generate(folder)
    return DemoPlan(cases=tuple(feed.covid_files), jobs=tuple(feed.job_files))


def _ingest(
    wanted: DemoPlan, settings: Settings, open_spark: Callable[[], SparkSession], report: Callable[[str], None]
) -> None:
    if wanted.repository is not None:
        ingest_git(
            "covid_cases",
            wanted.repository,
            skip_refused=True,
            settings=settings,
            open_spark=open_spark,
            report=report,
        )
    else:
        ingest_files("covid_cases", wanted.cases, settings=settings, open_spark=open_spark, report=report)
    ingest_files("job_changes", wanted.jobs, settings=settings, open_spark=open_spark, report=report)
