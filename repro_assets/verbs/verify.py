"""`repro verify`: hash everything again that manifests speak of, and say what is not what was recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, Blocked, DataDamaged, ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.data_version import decode
from repro_assets.pins.retention import Holder, named_versions
from repro_assets.resources.keeping.belonging import HoldersStore, all_experiments
from repro_assets.resources.keeping.holders import KEY_TAG, manifest_runs, of_aliases, of_manifests, of_people
from repro_assets.resources.keeping.proofs import Proved, Stores, pinned_version
from repro_assets.resources.progress import PROGRESS
from repro_assets.resources.tracking.run_lookup import REPRODUCES_TAG
from repro_assets.resources.tracking.run_records import load_record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from repro_assets.resources.raw.raw_tables import RawTables
    from repro_assets.settings import Settings

SCHEMA = "repro-verify/1"


@dataclass(frozen=True)
class Damage:
    """One thing that is not what was recorded; values are digests where there are any."""

    what: str
    error: str
    where: str
    expected: str | None
    found: str | None
    message: str


@dataclass(frozen=True)
class Report:
    """What was looked at.

    Attributes:
        checked: Items that were proved or found damaged.
        damaged: What is wrong, one entry per file.
        not_checked: What could not be looked at, a sentence each.
    """

    checked: tuple[str, ...]
    damaged: tuple[Damage, ...]
    not_checked: tuple[str, ...]

    def as_document(self) -> dict[str, Any]:
        """The `verify` document."""
        return {
            "schema": SCHEMA,
            "checked": list(self.checked),
            "damaged": [asdict(damage) for damage in self.damaged],
            "not_checked": list(self.not_checked),
        }


def pinned_keys(lake: str, key: str | None, aliases: Iterable[Holder] = ()) -> list[str]:
    """The data versions that a person pinned or that an alias is of: all, or the one if it is.

    Args:
        lake: URI of the lake that keeps the pins.
        key: One data version, or None for all.
        aliases: As `holders.of_aliases` gives them: they may outlive their runs.
    """
    return sorted({holder.key for holder in (*of_people(lake), *aliases) if key in (None, holder.key)})


def elsewhere(client: MlflowClient, experiment: str, key: str | None) -> list[str]:
    """What runs of the store's other experiments keep and nobody proves from here, a sentence each."""
    others = [one for one in all_experiments(client) if one != experiment]
    holders = of_manifests(run for one in others for run in manifest_runs(client, one))
    return [
        f"{holder.who}: of another experiment; its data version {holder.key} is kept"
        for holder in holders
        if key in (None, holder.key)
    ]


def runs_of(client: MlflowClient, experiment: str, key: str | None, pinned: Collection[str] = ()) -> list[Run]:
    """The runs that computed something, of one data version or of all, oldest first.

    Args:
        client: Bound to the store.
        experiment: Its id.
        key: One data version, or None for all.
        pinned: Data versions that a person pinned or an alias is of.

    Raises:
        BadInput: The key is none, or no run of it recorded anything and nobody pinned it.
    """
    runs = [
        run
        for run in manifest_runs(client, experiment)
        if not {"mlflow.parentRunId", REPRODUCES_TAG} & set(run.data.tags)
        and (key is None or run.data.tags.get(KEY_TAG) == key)
    ]
    _require_known(key, runs, pinned)
    return runs


def _require_known(key: str | None, runs: Sequence[Run], pinned: Collection[str]) -> None:
    if key is None:
        return
    decode(key, EXPERIMENT.table_names)
    if not runs and key not in pinned:
        raise BadInput(
            "no run of this data version recorded anything", where=key, fix="`repro versions` lists the runs"
        )


def verify_store(
    key: str | None, settings: Settings, tables: RawTables, store: HoldersStore | None, given_up: Collection[str]
) -> Report:
    """Prove everything that a store recorded of one data version or of all, and what a person pinned.

    Args:
        key: One data version, or None for all.
        settings: Where things are stored.
        tables: The raw tables as they stand now.
        store: As `belonging.open_records` gives it: None where no run was ever recorded.
        given_up: Data versions that were given up.

    Raises:
        BadInput: The key is none, or no run of it recorded anything and nobody pinned it.
        Outside: A store does not answer.
    """
    if store is None:
        pinned = pinned_keys(tables.records, key)
        _require_known(key, (), pinned)
        checked = _pinned_only(pinned, tables, {})
        return report(checked.items(), [f"{settings.var}: no run was recorded in this installation yet"])
    aliases = [one for one in of_aliases(store.client) if one.champion or one.key not in given_up]
    pinned = pinned_keys(tables.records, key, aliases)
    runs = runs_of(store.client, store.own, key, pinned)
    others = elsewhere(store.client, store.own, key)
    return verify(runs, Stores(settings, tables, store.client), given_up, pinned, others)


def verify(
    runs: Sequence[Run],
    stores: Stores,
    given_up: Collection[str],
    pinned: Collection[str] = (),
    skipped: Sequence[str] = (),
) -> Report:
    """Prove everything that these runs recorded, each item once; a line of progress per item.

    Args:
        runs: As `runs_of` gives them.
        stores: Where things are stored.
        given_up: Data versions that were given up: what is gone of them is no damage.
        pinned: Data versions that a person pinned or an alias is of: their raw versions are proved where no run has
            them.
        skipped: What is known not to be checked.

    Raises:
        Outside: A store does not answer.
    """
    checked: dict[str, Proved] = {}
    skipped = list(skipped)
    for run in runs:
        name = f"manifests of run {run.info.run_id}"
        if run.data.tags.get(KEY_TAG) in given_up:
            skipped.append(f"run {run.info.run_id}: {run.data.tags[KEY_TAG]} was given up")
            continue
        try:
            record = load_record(stores.client, run)
        except (Blocked, DataDamaged, BadInput) as error:
            checked[name] = _said(name, Proved((error,)))
            continue
        checked[name] = Proved()
        for item in stores.items(record):
            if item.name not in checked:
                checked[item.name] = _said(item.name, item.prove())
    return report(_pinned_only(pinned, stores.tables, checked).items(), skipped)


def _pinned_only(pinned: Iterable[str], tables: RawTables, checked: Mapping[str, Proved]) -> dict[str, Proved]:
    """What was checked, and the raw versions that a person or an alias keeps alone."""
    found = dict(checked)
    for key in pinned:
        for table, version in named_versions(key):
            name = f"raw {table}@{version}"
            if name not in found and table in EXPERIMENT.table_names:
                found[name] = _said(name, pinned_version(tables, key, table, version))
    return found


def report(proved: Iterable[tuple[str, Proved]], skipped: Sequence[str] = ()) -> Report:
    """Put what was found together."""
    found = list(proved)
    return Report(
        checked=tuple(name for name, _ in found),
        damaged=tuple(_damage(name, error) for name, one in found for error in one.wrong),
        not_checked=(*skipped, *(f"{name}: {note}" for name, one in found for note in one.notes)),
    )


def require_whole(found: Report) -> None:
    """Turn damage into an exit code, after everything was printed.

    Raises:
        DataDamaged: Something is not what was recorded.
    """
    if found.damaged:
        first = found.damaged[0]
        raise DataDamaged(
            f"{len(found.damaged)} things are not what was recorded, of {len(found.checked)} checked",
            where=first.where,
            stored=first.found,
            expected=first.expected,
            fix="All are listed above",
        )


def _said(name: str, proved: Proved) -> Proved:
    PROGRESS.info("%-8s %s", "damaged" if proved.wrong else "ok", name)
    return proved


def _damage(name: str, error: ReproError) -> Damage:
    return Damage(
        what=name,
        error=type(error).__name__,
        where=str(error.where),
        expected=None if error.expected is None else str(error.expected),
        found=None if error.stored is None else str(error.stored),
        message=str(error),
    )
