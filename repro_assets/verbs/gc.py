"""`repro gc`: remove outputs that no manifest or alias needs, what dead runs left, capsules nobody names; show disk use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.pins.leftovers import SAFE_AGE, Garbage, is_old, needed_outputs, plan_capsules, plan_outputs
from repro_assets.resources import leftovers, storage
from repro_assets.resources.capsule_process import abandoned, remove_abandoned
from repro_assets.resources.holders import all_runs, of_runs
from repro_assets.resources.lake import Lake
from repro_assets.resources.tracking_store import speaking_of

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
    """

    outputs: tuple[Garbage, ...]
    capsules: tuple[Garbage, ...]
    workspaces: tuple[Garbage, ...]
    busy: tuple[str, ...]
    disk: Mapping[str, int]

    @property
    def everything(self) -> tuple[Garbage, ...]:
        """All that goes."""
        return (*self.outputs, *self.capsules, *self.workspaces)


def plan(
    settings: Settings,
    client: MlflowClient,
    experiment: str,
    instance: dg.DagsterInstance,
    given_up: Sequence[str],
    *,
    safe_age: timedelta = SAFE_AGE,
) -> GcPlan:
    """Look at everything that is stored; nothing is removed.

    Args:
        settings: Where things are stored.
        client: Bound to the MLflow store.
        experiment: The experiment's id.
        instance: Dagster's history; call the reaper first, or runs whose process is gone count as under way.
        given_up: Data versions that were given up.
        safe_age: How old a leftover has to be.

    Raises:
        DataDamaged: A marker can't be read: then nothing is removed.
        Outside: A store does not answer: likewise.
    """
    lake, now = Lake(uri=settings.lake), datetime.now(UTC)
    with speaking_of(client.tracking_uri):
        runs = list(all_runs(client, experiment))
    under_way = of_runs(instance)
    standing = leftovers.standing_outputs(lake)
    named = leftovers.named_outputs(runs) | leftovers.aliased_outputs(client)
    needed = needed_outputs(standing, named, given_up, leftovers.champions_used(runs, given_up))
    keys = {output.name.key for output in standing}
    busy = {holder.key for holder in under_way} | {key for key in keys if leftovers.is_held(key, settings)}
    staged = [file for file in leftovers.staged_files(lake) if is_old(file.written, now - safe_age)]
    capsules = leftovers.capsule_files(settings.capsules)
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
    )


def gc(wanted: GcPlan, settings: Settings) -> None:
    """Remove it; an output's marker goes first, so that nobody reads the rest.

    Raises:
        Outside: Something can't be removed.
    """
    for one in wanted.outputs:
        storage.remove(storage.join(one.uri, _MARKER))
        storage.remove(one.uri)
    for one in wanted.capsules:
        Path(one.uri).unlink(missing_ok=True)
    remove_abandoned(settings.var / "reproductions")


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
