"""What each `repro` command does with its arguments: resources opened, verb called, result printed."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput
from repro_assets.resources.dagster_home import open_instance
from repro_assets.resources.progress import show_progress
from repro_assets.resources.raw_tables import RawTables
from repro_assets.verbs import printing

if TYPE_CHECKING:
    import dagster as dg
    from pyspark.sql import SparkSession


def say(line: str) -> None:
    """One line for people."""
    sys.stderr.write(f"{line}\n")


def ingest(
    table: str,
    files: Sequence[Path],
    from_git: Path | None,
    path: str | None,
    since: str | None,
    skip_refused: bool,
    json: bool,
) -> None:
    """`repro ingest`."""
    from repro_assets.verbs.ingest import IngestStopped, ingest_files, ingest_git

    here = settings_module.load()
    if from_git is None and (path or since or skip_refused):
        raise BadInput("--path, --since and --skip-refused go with --from-git", fix="Name the clone by --from-git REPO")
    if from_git is not None and files:
        raise BadInput("files and --from-git are two ways to say the same", fix="Give one of them")
    try:
        if from_git is not None:
            result = ingest_git(
                table,
                from_git,
                path=path,
                since=since,
                skip_refused=skip_refused,
                settings=here,
                open_spark=_opener(here),
                report=say,
            )
        else:
            result = ingest_files(table, files, settings=here, open_spark=_opener(here), report=say)
    except IngestStopped as stopped:
        if json:
            printing.document(stopped.result.as_dict())
        raise
    if json:
        printing.document(result.as_dict())


def versions(json: bool) -> None:
    """`repro versions`."""
    from repro_assets.verbs.versions import list_versions

    rows = list_versions(RawTables(), open_instance(settings_module.load()))
    if json:
        printing.document({"schema": "repro-versions/1", "versions": [asdict(row) for row in rows]})
    else:
        printing.versions(rows)


def pin(tables: Sequence[str], as_of: str | None, published_as_of: str | None, json: bool) -> None:
    """`repro pin`."""
    from repro_assets.experiment import EXPERIMENT
    from repro_assets.verbs import pin as verb

    raw_tables = RawTables()
    wanted = verb.plan(
        raw_tables.histories(EXPERIMENT.table_names), tables, as_of_time=as_of, published_as_of=published_as_of
    )
    key = verb.pin(wanted, raw_tables, open_instance(settings_module.load()))
    if json:
        printing.document({"schema": "repro-pin/1", "key": key})
    else:
        sys.stdout.write(f"{key}\n")


def run(
    key: str, assignments: Sequence[str], force: bool, environment: str, cluster: str, record: bool, json: bool
) -> None:
    """`repro run`."""
    from repro_assets.verbs import run as verb
    from repro_assets.verbs.versions import register_key

    here = settings_module.load()
    wanted = verb.plan(key, assignments, force=force, environment=environment, cluster=cluster, record=record)
    _in_environment(environment, record)
    raw_tables = RawTables()
    verb.require_readable(key, raw_tables)
    instance = _tidy_instance(here)
    register_key(key, raw_tables, instance)
    show_progress()
    report = verb.run(wanted, instance)
    if json:
        printing.document(printing.run_document([report]))
    else:
        printing.runs([report], here)
    verb.require_equal(report)


def backfill(
    keys: Sequence[str],
    every: bool,
    assignments: Sequence[str],
    force: bool,
    environment: str,
    cluster: str,
    record: bool,
    json: bool,
) -> None:
    """`repro backfill`."""
    from repro_assets.verbs import backfill as verb
    from repro_assets.verbs.backfill_progress import shown

    wanted = verb.plan(keys, every, assignments, force=force, environment=environment, cluster=cluster, record=record)
    _in_environment(environment, record)
    instance = _tidy_instance(settings_module.load())
    verb.register_keys(wanted.keys, RawTables(), instance)
    with shown() as observer:
        show_progress()
        work = verb.Backfill(wanted, observer)
        try:
            work.execute(instance)
        except KeyboardInterrupt:
            say(f"stopped after {len(work.report.runs)} of {len(work.report.keys)}; started again it goes on there")
            if json:
                printing.document(printing.backfill_document(work.report))
            raise
    if json:
        printing.document(printing.backfill_document(work.report))
    else:
        printing.backfill(work.report)
    verb.require_whole(work.report)


def show(run: str, json: bool) -> None:
    """`repro show`."""
    from repro_assets.verbs.show import show as verb

    here = settings_module.load()
    document = verb(run, here, _tidy_instance(here))
    if json:
        printing.document(document)
    else:
        printing.shown(document)


def reproduce(run: str, strict: bool, keep: bool, json: bool) -> None:
    """`repro reproduce`."""
    from repro_assets.verbs import reproduce as verb
    from repro_assets.verbs import verdict_printing

    here = settings_module.load()
    answer = verb.reproduce(run, _tidy_instance(here), say, keep=keep)
    if json:
        printing.document(answer.as_document())
    else:
        verdict_printing.verdict(answer)
    verb.require_passing(answer, strict=strict)


def preflight(run: str | None, every: bool, json: bool) -> None:
    """`repro preflight`."""
    from repro_assets.verbs import preflight as verb

    if every == (run is not None):
        raise BadInput("name one run, or --all", fix="`repro preflight RUN` or `repro preflight --all`")
    here = settings_module.load()
    rows = verb.preflight(run, here, _tidy_instance(here), RawTables())
    if json:
        printing.document(verb.document(rows))
    else:
        printing.preflight(rows)
    verb.require_ready(rows)


def diff(first: str, second: str, json: bool) -> None:
    """`repro diff`."""
    from repro_assets.verbs import diff as verb
    from repro_assets.verbs import diff_printing

    here = settings_module.load()
    found = verb.diff(first, second, here, _tidy_instance(here), _opener(here))
    if json:
        printing.document(found.as_document())
    else:
        diff_printing.difference(found)


def promote(run: str, check: bool, json: bool) -> None:
    """`repro promote`."""
    from repro_assets.verbs import promote as verb

    here = settings_module.load()
    found = verb.promote(run, here, _tidy_instance(here), check=check)
    if json:
        printing.document(found.as_document())
    elif found.reason is None:
        say(verb.in_a_line(found, check=check))
    verb.require_promoted(found)


def trace(asset: str, key: str, run: str | None, json: bool) -> None:
    """`repro trace`."""
    from repro_assets.verbs import trace as verb
    from repro_assets.verbs import trace_printing

    here = settings_module.load()
    document = verb.trace(asset, key, here, _tidy_instance(here), run=run)
    if json:
        printing.document(document)
    else:
        trace_printing.trace(document)


def sql(query: str, limit: int, json: bool, csv: bool) -> None:
    """`repro sql`."""
    from repro_assets.verbs import sql as verb
    from repro_assets.verbs import sql_printing

    if json and csv:
        raise BadInput("--json and --csv are two forms of one answer", fix="Give one of them")
    here = settings_module.load()
    answer = verb.sql(verb.plan(query, limit), open_instance(here), _opener(here))
    form = sql_printing.as_json if json else sql_printing.as_csv if csv else sql_printing.as_table
    form(answer)
    if answer.truncated:
        say(f"only the first {len(answer.rows):,} rows are shown; `--limit N` gives more, `--limit 0` all")


def demo(covid: Path | None, jobs: Sequence[Path], json: bool) -> None:
    """`repro demo`."""
    from repro_assets.verbs import demo as verb
    from repro_assets.verbs import reproduce as again
    from repro_assets.verbs import verdict_printing

    here = settings_module.load()
    show_progress()
    wanted = verb.plan(covid, jobs)
    instance = _tidy_instance(here)
    reports = verb.demo(wanted, here, instance, _opener(here), say)
    answer = verb.reproduce_oldest(reports, instance, say)
    if json:
        printing.document({**printing.run_document(reports), "reproduction": answer.as_document()})
    else:
        printing.demo(reports, here)
        verdict_printing.verdict(answer)
    again.require_passing(answer)


def env_list(json: bool) -> None:
    """`repro env list`."""
    from repro_assets.verbs import environments as verb

    rows = verb.list_environments(settings_module.load())
    if json:
        printing.document({"schema": "repro-env-list/1", "environments": [asdict(row) for row in rows]})
    else:
        printing.environments(rows)


def env_make(name: str, python: str | None, json: bool) -> None:
    """`repro env make`."""
    from repro_assets.verbs import environments as verb

    made, is_new = verb.make_environment(name, python, settings_module.load(), say)
    if json:
        printing.document(printing.made_document(made, is_new))
    else:
        say(f"{name}: {'made' if is_new else 'was made before'}, {made.packages} packages, {made.python}")


def env_check(name: str, python: str | None, json: bool) -> None:
    """`repro env check`."""
    from repro_assets.verbs import environments as verb

    checked = verb.check_environments(name, python, settings_module.load())
    if json:
        printing.document(printing.checked_document(name, checked))
    else:
        printing.checked(checked)
    verb.require_whole(checked)


def _in_environment(name: str, record: bool) -> None:
    """Go on in an environment of that name, where it is made and not the running one; `--record` means this one."""
    from repro_assets.verbs.other_environment import go_on_in

    if not record:
        go_on_in(name, sys.argv[1:], settings_module.load(), say)


def _tidy_instance(here: settings_module.Settings) -> dg.DagsterInstance:
    """The instance, after what killed processes left open was closed."""
    from repro_assets.verbs.reap import reap

    instance = open_instance(here)
    for line in reap(instance, here):
        say(line)
    return instance


def _opener(here: settings_module.Settings) -> Callable[[], SparkSession]:
    @functools.cache
    def open_spark() -> Any:
        from repro_assets.resources.spark_cluster import open_session

        say("starting Spark")
        return open_session(settings=here)

    return open_spark
