"""What `repro run`, `backfill`, `sql` and `demo` do with their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput
from repro_assets.resources.dagster_home import open_instance
from repro_assets.resources.progress import show_progress
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.settings import Settings
from repro_assets.verbs import printing
from repro_assets.verbs.opened import in_environment, say, spark_opener, tidy_instance


def run(
    key: str, assignments: Sequence[str], force: bool, environment: str, cluster: str, record: bool, json: bool
) -> None:
    """`repro run`."""
    from repro_assets.verbs import run as verb
    from repro_assets.verbs.versions import register_key

    here = settings_module.load()
    wanted = verb.plan(key, assignments, force=force, environment=environment, cluster=cluster, record=record)
    in_environment(environment, record)
    raw_tables = RawTables()
    verb.require_readable(key, raw_tables)
    instance = tidy_instance(here)
    register_key(key, raw_tables, instance)
    _say_given_up([key], here)
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
    in_environment(environment, record)
    here = settings_module.load()
    instance = tidy_instance(here)
    verb.register_keys(wanted.keys, RawTables(), instance)
    _say_given_up(wanted.keys, here)
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


def _say_given_up(keys: Sequence[str], here: Settings) -> None:
    from repro_assets.resources.raw.given_up import given_up

    found = given_up(here.lake)
    for key in keys:
        if key in found:
            say(f"{found[key].words}. What is computed of it is kept by nobody: `repro pin` takes that back")


def sql(query: str, limit: int, json: bool, csv: bool) -> None:
    """`repro sql`."""
    from repro_assets.verbs import sql as verb
    from repro_assets.verbs import sql_printing

    if json and csv:
        raise BadInput("--json and --csv are two forms of one answer", fix="Give one of them")
    here = settings_module.load()
    answer = verb.sql(verb.plan(query, limit), open_instance(here), spark_opener(here))
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
    instance = tidy_instance(here)
    reports = verb.demo(wanted, here, instance, spark_opener(here), say)
    answer = verb.reproduce_oldest(reports, instance, say)
    if json:
        printing.document({**printing.run_document(reports), "reproduction": answer.as_document()})
    else:
        printing.demo(reports, here)
        verdict_printing.verdict(answer)
    again.require_passing(answer)
