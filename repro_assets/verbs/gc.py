"""`repro gc`: remove outputs that no manifest or alias needs, what dead runs left, capsules nobody names; show disk use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.pins.leftovers import SAFE_AGE, Garbage, is_old, needed_outputs, plan_capsules, plan_outputs
from repro_assets.resources import storage
from repro_assets.resources.keeping import leftovers
from repro_assets.resources.keeping.holders import KEY_TAG, MANIFEST_TAG, all_runs, of_runs, of_unfinished
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.reproduction.workspaces import abandoned, remove_abandoned
from repro_assets.resources.tracking.champions import CHAMPION
from repro_assets.resources.tracking.store import speaking_of

if TYPE_CHECKING:
    import dagster as dg
    from mlflow import MlflowClient

    from repro_assets.settings import Settings

SCHEMA = "repro-gc/1"
_MARKER = "_COMPLETE.json"


@dataclass(frozen=True)
class GcPlan:
    """What goes, and how much room everything takes now.

    Attributes:
        outputs: Outputs, attempts and staged files in the lake.
        capsules: Files of the capsule store.
        workspaces: Folders of reproductions whose process is gone.
        busy: Data versions of which a run is under way: left alone.
        disk: Bytes by what they are for, before.
        runs: Ids of the runs whose manifests were looked at.
    """

    outputs: tuple[Garbage, ...]
    capsules: tuple[Garbage, ...]
    workspaces: tuple[Garbage, ...]
    busy: tuple[str, ...]
    disk: Mapping[str, int]
    runs: frozenset[str] = frozenset()

    @property
    def everything(self) -> tuple[Garbage, ...]:
        """All that goes."""
        return (*self.outputs, *self.capsules, *self.workspaces)


def plan(
    settings: Settings,
    client: MlflowClient,
    experiments: Sequence[str],
    instance: dg.DagsterInstance,
    given_up: Sequence[str],
    *,
    safe_age: timedelta = SAFE_AGE,
) -> GcPlan:
    """Look at everything that is stored; nothing is removed.

    Args:
        settings: Where things are stored.
        client: Bound to the MLflow store.
        experiments: Ids of all experiments of the store.
        instance: Dagster's history; call the reaper first, or runs whose process is gone count as under way.
        given_up: Data versions that were given up.
        safe_age: How old a leftover has to be.

    Raises:
        DataDamaged: A marker can't be read: then nothing is removed.
        Outside: A store does not answer: likewise.
    """
    lake, now = Lake(uri=settings.lake), datetime.now(UTC)
    # What stands, then who is at work, then what is recorded: a run that ends in between is busy or has its manifest.
    standing = leftovers.standing_outputs(lake)
    keys = {output.name.key for output in standing}
    busy = {holder.key for holder in of_runs(instance)} | {key for key in keys if leftovers.is_held(key, settings)}
    staged = [file for file in leftovers.staged_files(lake) if is_old(file.written, now - safe_age)]
    capsules = leftovers.capsule_files(settings.capsules)
    with speaking_of(client.tracking_uri):
        runs = list(all_runs(client, experiments))
    busy |= {holder.key for holder in of_unfinished(runs)}
    named = leftovers.named_outputs(runs) | leftovers.aliased_outputs(client)
    champions = leftovers.champions_used(runs, given_up) | leftovers.aliased_outputs(client, only=CHAMPION)
    needed = needed_outputs(standing, named, given_up, champions)
    return GcPlan(
        outputs=(
            *plan_outputs(standing, needed, given_up, busy, now=now, safe_age=safe_age),
            *(Garbage(file.uri, file.bytes, "what a killed process was about to write") for file in staged),
        ),
        # A run that has begun has named its capsule nowhere yet.
        capsules=()
        if busy
        else tuple(plan_capsules(capsules, leftovers.capsules_named(runs), now=now, safe_age=safe_age)),
        workspaces=tuple(
            Garbage(str(folder), _size(folder), "its process is gone")
            for folder in abandoned(settings.var / "reproductions")
        ),
        busy=tuple(sorted(busy)),
        disk=leftovers.disk_use(settings, lake),
        runs=frozenset(run.info.run_id for run in runs if MANIFEST_TAG in run.data.tags),
    )


def of_keys(wanted: GcPlan, keys: Collection[str], settings: Settings) -> GcPlan:
    """What a plan has of some data versions' outputs, and nothing else of it."""
    outputs = tuple(one for one in wanted.outputs if _key_of(one.uri, settings.lake) in keys)
    return replace(wanted, outputs=outputs, capsules=(), workspaces=())


def recorded_now(client: MlflowClient, experiments: Sequence[str], key: str) -> set[str]:
    """Ids of the runs of a data version whose manifest is recorded, or that have not ended.

    Raises:
        Outside: The store failed.
    """
    with speaking_of(client.tracking_uri):
        runs = list(all_runs(client, experiments, where=f"tags.`{KEY_TAG}` = '{key}'"))
    return {run.info.run_id for run in runs if MANIFEST_TAG in run.data.tags or of_unfinished([run])}


def gc(wanted: GcPlan, settings: Settings, recorded: Callable[[str], Collection[str]]) -> list[str]:
    """Remove it; an output's marker goes first, so that nobody reads the rest.

    Args:
        wanted: As `plan` gives it.
        settings: Where things are stored.
        recorded: Ids of the runs that have a manifest of a data version, or are about to, now (`recorded_now`).

    Returns:
        Data versions that a run came to in between: nothing more of them was removed.

    Raises:
        Outside: Something can't be removed.
    """
    used = []
    by_key: dict[str | None, list[Garbage]] = {}
    for one in wanted.outputs:
        by_key.setdefault(_key_of(one.uri, settings.lake), []).append(one)
    for key, found in by_key.items():
        with _held(key, settings) as is_ours:
            if key is not None and not (is_ours and set(recorded(key)) <= wanted.runs):
                used.append(key)
                continue
            for one in found:
                storage.remove(storage.join(one.uri, _MARKER))
                storage.remove(one.uri)
    for one in wanted.capsules:
        Path(one.uri).unlink(missing_ok=True)
    if wanted.workspaces:
        remove_abandoned(settings.var / "reproductions")
    return used


def _key_of(uri: str, lake: str) -> str | None:
    """The data version of something in the lake; None for the lake's records."""
    parts = uri.removeprefix(lake).strip("/").split("/")
    return parts[1] if parts[0] in leftovers.ASSETS and len(parts) > 2 else None  # ASSET/KEY/…


@contextmanager
def _held(key: str | None, settings: Settings) -> Generator[bool]:
    """Hold a data version's lock; whether that succeeded at once: nobody waits for a run to end."""
    if key is None:
        yield True
        return
    import filelock

    path = settings.var / "locks" / f"key-{key}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def document(wanted: GcPlan, *, dry_run: bool) -> dict[str, Any]:
    """The `gc` document."""
    return {
        "schema": SCHEMA,
        "dry_run": dry_run,
        "removed": [asdict(one) for one in wanted.everything],
        "bytes": sum(one.bytes for one in wanted.everything),
        "busy": list(wanted.busy),
        "disk": dict(wanted.disk),
    }


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
