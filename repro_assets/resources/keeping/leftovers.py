"""What stands in lake and capsule store, who names it, and how much room everything takes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.leftovers import Folder, OutputName, StandingOutput
from repro_assets.pins.output import Output
from repro_assets.resources import storage
from repro_assets.resources.keeping.holders import KEY_TAG, MANIFEST_TAG, registered_models
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.tracking.store import speaking_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from repro_assets.settings import Settings

# The assets that write outputs; folders of other names are not looked at.
ASSETS = (*EXPERIMENT.table_names, "train_test_snapshot", "features", "model", "predictions")
_RAW = "raw"
_MARKER = "_COMPLETE.json"
_KEY = re.compile(r"[a-z][a-z0-9_]*-v[0-9]{6,18}(--[a-z][a-z0-9_]*-v[0-9]{6,18})*", re.ASCII)
_IDENTITY = re.compile(r"[0-9a-f]{64}")
_ATTEMPT = re.compile(r"attempt-[0-9a-f]{32}")
_STAGED = re.compile(r".*\.[0-9a-f]{32}\.part")
_CONFLICT = "_CONFLICT-"
_CAPSULE_FILE = re.compile(r"[0-9a-f]{64}(\.[0-9a-f]+\.patch|\.tar\.gz)")


def standing_outputs(lake: Lake) -> list[StandingOutput]:
    """Every output folder of the lake, complete or not.

    Raises:
        DataDamaged: A marker can't be read: then nobody knows what it needs.
    """
    found = ((name, storage.stats_below(lake.folder(name.asset, name.key, name.identity))) for name in _names(lake))
    return [_standing(lake, name, below) for name, below in found if _is_output(below)]


def complete_outputs(lake: Lake) -> set[OutputName]:
    """Outputs whose marker stands; markers are not read."""
    return {
        name
        for name in _names(lake)
        if storage.exists(storage.join(lake.folder(name.asset, name.key, name.identity), _MARKER))
    }


def staged_files(lake: Lake) -> list[Folder]:
    """Files that a killed process was about to write."""
    found = storage.stats_below(lake.root).items()
    return [
        Folder(storage.join(lake.root, path), size, written)
        for path, (size, written) in found
        if _STAGED.fullmatch(path.rsplit("/", 1)[-1]) and not path.startswith(f"{_RAW}/")
    ]


def named_outputs(runs: Iterable[Run]) -> set[OutputName]:
    """Outputs that the manifests of these runs name."""
    return {name for run in runs if MANIFEST_TAG in run.data.tags and (name := _name(run.data.tags)) is not None}


def aliased_outputs(client: MlflowClient, *, only: str | None = None) -> set[OutputName]:
    """Outputs that an alias of a registered model leads to; any alias, or one."""
    found = set()
    with speaking_of(client.tracking_uri):
        for model in registered_models(client):
            for number in (number for alias, number in model.aliases.items() if only in (None, alias)):
                name = _name({"repro.asset": "model", **client.get_model_version(model.name, str(number)).tags})
                if name is not None:
                    found.add(name)
    return found


def champions_used(runs: Iterable[Run], given_up: Iterable[str]) -> set[OutputName]:
    """Outputs of the champions that kept predictions were made with."""
    known = list(runs)
    by_id = {run.info.run_id: run for run in known}
    dropped = set(given_up)
    used = {run.data.tags.get("repro.champion") for run in known if run.data.tags.get(KEY_TAG) not in dropped}
    return {name for one in used if one in by_id and (name := _name(by_id[one].data.tags)) is not None}


def capsules_named(runs: Iterable[Run]) -> set[str]:
    """Digests of the capsules that runs name."""
    return {run.data.tags["repro.code.capsule"] for run in runs if "repro.code.capsule" in run.data.tags}


def capsule_files(store: Path) -> dict[str, Folder]:
    """Capsules and patches by file name; what else lies in the folder is somebody else's."""
    if not store.is_dir():
        return {}
    files = [path for path in store.iterdir() if _CAPSULE_FILE.fullmatch(path.name)]
    return {path.name: Folder(str(path), path.stat().st_size, _time(path.stat().st_mtime)) for path in files}


def disk_use(settings: Settings, lake: Lake) -> dict[str, int]:
    """Bytes by what they are for, in the order that a person looks for them."""
    found: dict[str, int] = {}
    for path, size in storage.sizes_below(lake.root).items():
        first, _, rest = path.partition("/")
        name = f"raw {rest.split('/', 1)[0]}" if first == _RAW else "records" if first.startswith("_") else first
        found[name] = found.get(name, 0) + size
    folders = {
        "capsules": settings.capsules,
        "MLflow": settings.var / "mlflow",
        "Dagster": settings.dagster_home,
        "environments": settings.var / "envs",
        "reproductions": settings.var / "reproductions",
        "logs": settings.var / "logs",
    }
    return {**dict(sorted(found.items())), **{name: _size(path) for name, path in folders.items() if path.is_dir()}}


def is_held(key: str, settings: Settings) -> bool:
    """Whether a run of this installation holds a data version's lock."""
    import filelock

    path = settings.var / "locks" / f"key-{key}.lock"
    if not path.exists():
        return False
    try:
        with filelock.FileLock(path, timeout=0):
            return False
    except filelock.Timeout:
        return True


def is_output_path(path: str) -> bool:
    """Whether a file of the lake, relative to it, lies in a folder that is named as an output's."""
    parts = path.split("/")
    is_deep = len(parts) > 3  # ASSET/KEY/IDENTITY/…
    return is_deep and parts[0] in ASSETS and bool(_KEY.fullmatch(parts[1]) and _IDENTITY.fullmatch(parts[2]))


def _names(lake: Lake) -> Iterator[OutputName]:
    """Folders that are named as outputs are; whatever else lies in the lake is somebody else's."""
    for asset in ASSETS:
        for key in storage.names(storage.join(lake.root, asset)):
            if _KEY.fullmatch(key):
                for identity in storage.names(storage.join(lake.root, asset, key)):
                    if _IDENTITY.fullmatch(identity):
                        yield OutputName(asset, key, identity)


def _is_output(below: Iterable[str]) -> bool:
    first = {path.split("/", 1)[0] for path in below}
    return _MARKER in first or any(_ATTEMPT.fullmatch(name) for name in first)


def _standing(lake: Lake, name: OutputName, below: dict[str, tuple[int, datetime | None]]) -> StandingOutput:
    uri = lake.folder(name.asset, name.key, name.identity)
    marker = lake.find(name.asset, name.key, name.identity)
    used = {path.split("/", 1)[0] for output in _recorded(uri, marker, below) for path in _paths(output)}
    attempts = sorted({path.split("/", 1)[0] for path in below} - used)
    return StandingOutput(
        name=name,
        folder=_folder(uri, below),
        made_of=tuple(
            OutputName(asset, name.key, str(made["identity"])) for asset, made in sorted(marker.lineage.items())
        )
        if marker
        else (),
        idle=tuple(
            _folder(
                storage.join(uri, attempt), {path: one for path, one in below.items() if path.startswith(f"{attempt}/")}
            )
            for attempt in attempts
            if _ATTEMPT.fullmatch(attempt)
        ),
    )


def _recorded(uri: str, marker: Output | None, below: Iterable[str]) -> Iterator[Output]:
    """The output that stands, and those that differed from it."""
    if marker is not None:
        yield marker
    for path in below:
        if path.startswith(_CONFLICT) and path.endswith(".json"):
            where = storage.join(uri, path)
            yield Output.from_json(storage.read_bytes(where), where)


def _paths(output: Output) -> Iterator[str]:
    return (file.path for part in output.parts for file in part.files)


def _folder(uri: str, below: dict[str, tuple[int, datetime | None]]) -> Folder:
    times = [written for _, written in below.values() if written is not None]
    return Folder(uri, sum(size for size, _ in below.values()), max(times, default=None))


def _name(tags: dict[str, str]) -> OutputName | None:
    found = [tags.get(tag) for tag in ("repro.asset", KEY_TAG, "repro.identity")]
    return OutputName(*map(str, found)) if all(found) else None


def _size(folder: Path) -> int:
    total = 0
    for path, _, files in os.walk(folder):  # links are not followed: what is shared is not ours
        for name in files:
            file = Path(path) / name
            try:
                total += 0 if file.is_symlink() else file.stat().st_size
            except FileNotFoundError:
                continue  # a database's journal comes and goes
    return total


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
