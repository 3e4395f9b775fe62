"""The tolerance files of `envs/tolerances/`: read with their digests checked, and written once."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from repro_assets.errors import BadInput, Outside
from repro_assets.pins.manifest import ASSUMED_TOLERANCE
from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.tolerance import (
    FOLDER,
    Trial,
    covers,
    family_of,
    files_of,
    lock_of,
    newest,
    next_name,
    parse_tolerance,
    stated,
    tolerance_document,
    unmeasurable,
    uses_champion,
)
from repro_assets.pins.version_file import add_file, settle, verified_bytes
from repro_assets.resources.tracking.records import as_readable_json
from repro_assets.settings import Settings

_PATIENCE_SECONDS = 60.0


def tolerance_of(
    settings: Settings, parameters: Mapping[str, Mapping[str, Any]], lock: Mapping[str, str], *, enforced: bool
) -> dict[str, Any]:
    """What a manifest states: measured for the family and the lock where that was done, else the assumed one.

    Assumed as well where the lock is only written down, or the champion predicts: neither is what was measured.

    Args:
        settings: Where `envs` is.
        parameters: By asset.
        lock: `name` and `sha256` of the environment's lock.
        enforced: Whether what computes is that lock.

    Raises:
        BadInput: The file is not registered, can't be read, or speaks of another family or lock than its name.
        EditedUnderOldName: It is not the one that `envs/digests.lock` names.
    """
    family = family_of(parameters)
    if family is None or not enforced or uses_champion(parameters):
        return dict(ASSUMED_TOLERANCE)
    file = newest(_names(settings), family, lock["name"])
    if file is None:
        return dict(ASSUMED_TOLERANCE)
    return stated(_read(settings, file, family, lock), file)


def write_tolerance(
    settings: Settings, record: RunRecord, trials: Sequence[Trial], *, date: str
) -> tuple[str, dict[str, Any], bool]:
    """Write what trials without an obstacle say, unless the files until now say it already.

    Args:
        settings: Where `envs` is.
        record: The run that was repeated.
        trials: What came of it.
        date: Of the measurement, `YYYY-MM-DD`.

    Returns:
        The file's name, its document, and whether it is new.

    Raises:
        BadInput: Nothing can be measured with the run, or an earlier file can't be read.
        EditedUnderOldName: A file of `envs` was edited.
        Outside: There is no room, or no right to write.
    """
    with _alone(settings):
        settle(settings.envs)
        family, lock, before = require_measurable(settings, record)
        files = files_of(_names(settings), family, lock["name"])
        if covers(before, trials):
            return files[-1], before[-1], False
        name = next_name(_names(settings), family, lock["name"])
        document = tolerance_document(record, trials, date=date, before=before, previous=files[-1] if files else None)
        try:
            add_file(settings.envs, f"{FOLDER}/{name}", as_readable_json(document).encode())
        except OSError as error:
            where, why = _folder(settings) / name, error.strerror or error
            raise Outside("a tolerance file can't be written", where=where, stored=why) from error
    return name, document, True


def require_measurable(settings: Settings, record: RunRecord) -> tuple[str, dict[str, str], list[dict[str, Any]]]:
    """Check that a tolerance can follow from a run, before hours are spent on it.

    Returns:
        Family, lock (`name`, `sha256`), and the documents of the files until now, the newest last.

    Raises:
        BadInput: Nothing can be measured with the run, or an earlier file can't be read or is of another lock.
        EditedUnderOldName: A file of `envs` was edited.
    """
    against = unmeasurable(record)
    if against is not None:
        raise BadInput(f"no tolerance can be measured: {against}", where=record.mlflow_run_id)
    family, lock = str(family_of(record.parameters)), lock_of(record)
    files = files_of(_names(settings), family, lock["name"])
    return family, lock, [_read(settings, file, family, lock) for file in files]


@contextmanager
def _alone(settings: Settings) -> Generator[None, None, None]:
    """Two probes that end at once write one after the other."""
    import filelock

    path = settings.var / "locks" / "tolerances.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(path, timeout=_PATIENCE_SECONDS):
            yield
    except filelock.Timeout as error:
        raise Outside("another process writes tolerance files", where=path) from error


def _names(settings: Settings) -> list[str]:
    return sorted(path.name for path in _folder(settings).glob("*.json"))


def _read(settings: Settings, file: str, family: str, lock: Mapping[str, str]) -> dict[str, Any]:
    path = _folder(settings) / file
    document = parse_tolerance(verified_bytes(path), str(path))
    found, expected = (document.get("family"), document.get("lock")), (family, dict(lock))
    if found != expected:
        raise BadInput("a tolerance file is of another family or lock", where=path, stored=found, expected=expected)
    return document


def _folder(settings: Settings) -> Path:
    return settings.envs / FOLDER
