"""What `repro vacuum`, `unpin`, `verify`, `gc` and `doctor` do with their arguments."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.resources.progress import show_progress
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.table_lock import hold_table
from repro_assets.verbs import keep_printing, printing
from repro_assets.verbs.opened import say, spark_opener, tidy_instance

if TYPE_CHECKING:
    from repro_assets.pins.retention import Holder, VacuumPlan
    from repro_assets.settings import Settings
    from repro_assets.verbs.forget import ForgetPlan
    from repro_assets.verbs.gc import GcPlan

_MOST_HOURS = 24 * 3650


def vacuum(table: str, dry_run: bool, safe_hours: float, json: bool) -> None:
    """`repro vacuum`."""
    from repro_assets.resources.keeping.belonging import claim
    from repro_assets.resources.raw.given_up import given_up
    from repro_assets.verbs import vacuum as verb

    here, raw_tables = settings_module.load(), RawTables()
    safe_age = _hours(safe_hours)

    def planned() -> VacuumPlan:
        return verb.plan(
            table,
            raw_tables,
            _holders(here, raw_tables),
            given_up(raw_tables.records),
            safe_age=safe_age,
        )

    verb.require_own(raw_tables)
    with hold_table(table, here, patience_seconds=0, report=say):
        wanted, open_spark = planned(), spark_opener(here)
        if not dry_run and wanted.remove:
            claim(here, lake=raw_tables.records)
            # Spark takes its time to start: who needs what is asked again when it stands.
            open_spark()
            wanted = planned()
            verb.vacuum(wanted, raw_tables, open_spark)
    if json:
        printing.document(verb.document(wanted, dry_run=dry_run))
    else:
        keep_printing.vacuum(wanted, dry_run=dry_run)


def unpin(key: str, why: str, json: bool) -> None:
    """`repro unpin`."""
    from repro_assets.verbs import unpin as verb

    here, raw_tables = settings_module.load(), RawTables()
    wanted = verb.plan(key, why, _holders(here, raw_tables), *verb.state(raw_tables))
    record = verb.unpin(wanted, raw_tables)
    if json:
        printing.document(verb.document(wanted, record))
        return
    say(record.words)
    if wanted.freed:
        say(f"`repro vacuum` may take {', '.join(wanted.freed)}, and `repro gc` its outputs")
    if wanted.still_kept:
        say(f"still kept by others: {', '.join(wanted.still_kept)}")
    for who in wanted.holders:
        say(f"can't count on it any more: {who}")


def verify(key: str | None, every: bool, json: bool) -> None:
    """`repro verify`."""
    from repro_assets.resources.keeping.belonging import open_records
    from repro_assets.resources.raw.given_up import given_up
    from repro_assets.verbs import verify as verb

    if every == (key is not None):
        raise BadInput("name one data version, or --all", fix="`repro verify KEY` or `repro verify --all`")
    here, raw_tables = settings_module.load(), RawTables()
    store = open_records(here, EXPERIMENT.name, lake=here.lake)
    show_progress()
    found = verb.verify_store(key, here, raw_tables, store, given_up(raw_tables.records))
    if json:
        printing.document(found.as_document())
    else:
        keep_printing.verification(found)
    verb.require_whole(found)


def gc(dry_run: bool, safe_hours: float, json: bool) -> None:
    """`repro gc`."""
    from repro_assets.verbs import gc as verb

    wanted = _collect(dry_run, _hours(safe_hours))
    if json:
        printing.document(verb.document(wanted, dry_run=dry_run))
    else:
        keep_printing.garbage(wanted, dry_run=dry_run)


def _collect(dry_run: bool, safe_age: timedelta, only: Collection[str] | None = None) -> GcPlan:
    """What goes, and went where it is no dry run: everything, or the outputs of some data versions only."""
    from repro_assets.resources.keeping.belonging import claim, open_holders
    from repro_assets.resources.raw.given_up import given_up
    from repro_assets.verbs import gc as verb

    here, raw_tables = settings_module.load(), RawTables()
    instance = tidy_instance(here)
    store = open_holders(here, EXPERIMENT.name, lake=here.lake)
    dropped = list(given_up(raw_tables.records))
    wanted = verb.plan(here, store.client, store.experiments, instance, dropped, safe_age=safe_age)
    if only is not None:
        wanted = verb.of_keys(wanted, only, here)
    if not dry_run:
        claim(here, lake=here.lake)
        for key in verb.gc(wanted, here, lambda key: verb.recorded_now(store.client, store.experiments, key)):
            say(f"left alone: a run came to {key} in between")
    return wanted


def doctor(json: bool) -> None:
    """`repro doctor`."""
    from repro_assets.verbs import doctor as verb

    found = verb.examine(settings_module.load(), RawTables())
    if json:
        printing.document(verb.document(found))
    else:
        keep_printing.diagnoses(found)
    verb.require_well(found)


def forget(table: str, person: str, why: str, dry_run: bool, safe_hours: float, json: bool) -> None:
    """`repro forget`."""
    from repro_assets.resources.keeping.belonging import claim
    from repro_assets.verbs import forget as verb
    from repro_assets.verbs.vacuum import require_own

    here, raw_tables, safe_age = settings_module.load(), RawTables(), _hours(safe_hours)
    verb.require_searchable(table, person, raw_tables)
    verb.require_discreet(why, person)
    require_own(raw_tables)

    def planned(tables: RawTables = raw_tables) -> ForgetPlan:
        return verb.plan(table, person, here, tables, _holders(here, tables))

    def collect(keys: Collection[str]) -> None:
        keep_printing.removed(_collect(dry_run=False, safe_age=timedelta(hours=24), only=keys))

    young: list[str] = []
    with hold_table(table, here, patience_seconds=0, report=say):
        left = wanted = planned()
        if not dry_run and verb.is_found(wanted):
            claim(here, lake=raw_tables.records)
            open_spark = spark_opener(here)
            if wanted.files:
                # Spark takes its time to start: who needs what is asked again when it stands.
                open_spark()
                wanted = planned()
            ways = verb.Ways(lambda: _holders(here, raw_tables), open_spark, collect, safe_age)
            young = verb.forget(wanted, person, why, raw_tables, ways)
            left = planned(RawTables())
    wanted = replace(wanted, by_hand=left.by_hand)
    if json:
        printing.document(verb.document(wanted, dry_run=dry_run))
    else:
        keep_printing.forgotten(wanted, dry_run=dry_run)
    verb.require_found(wanted)
    if not dry_run:
        verb.require_forgotten(left, young)


def _hours(count: float) -> timedelta:
    if not 0 <= count <= _MOST_HOURS:
        raise BadInput("not a number of hours", stored=count, expected=f"from 0 to {_MOST_HOURS}")
    return timedelta(hours=count)


def _holders(here: Settings, raw_tables: RawTables) -> list[Holder]:
    from repro_assets.resources.keeping.belonging import open_holders
    from repro_assets.resources.keeping.holders import all_holders
    from repro_assets.resources.reproduction.workspaces import of_reproductions

    store = open_holders(here, EXPERIMENT.name, lake=raw_tables.records)
    return [
        *all_holders(store.client, store.experiments, raw_tables.records, tidy_instance(here)),
        *of_reproductions(here.var / "reproductions"),
    ]
