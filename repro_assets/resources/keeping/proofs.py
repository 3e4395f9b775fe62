"""Proves what is stored against what manifests say: raw versions, outputs, registered models, capsules, one item each.

An item is proved once, however many runs need it. Nothing here starts a JVM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput, Blocked, DataDamaged, Outside, ReproError
from repro_assets.pins.data import CommitPin, DataPin
from repro_assets.pins.data_files import FileList
from repro_assets.pins.marker import contradictions, is_of_another_run
from repro_assets.pins.output import Output
from repro_assets.pins.run_record import RunRecord, StageRecord
from repro_assets.resources import storage
from repro_assets.resources.code import capsule_store
from repro_assets.resources.outputs.lake import MARKER, Lake
from repro_assets.resources.raw.file_lists import known_list, other_files, wrong_bytes
from repro_assets.resources.raw.raw_rows import rows_without_spark
from repro_assets.resources.raw.table_files import RESTORE, file_uri
from repro_assets.resources.reproduction.original_outputs import stored_output, verify_models, verify_output

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from repro_assets.resources.raw.raw_tables import RawTables
    from repro_assets.settings import Settings

_NOT_HASHED = "no SHA-256 of its files was recorded when it was pinned"
_LOG_NOT_HASHED = (
    "no SHA-256 of its log was recorded when it was pinned: the files that it leads to are the pinned ones"
)


@dataclass(frozen=True)
class Proved:
    """What came of one item.

    Attributes:
        wrong: Everything that is not what was recorded; empty where all is.
        notes: What could not be looked at, a clause each.
    """

    wrong: tuple[ReproError, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """Something stored that a manifest speaks of: its name, and how it is proved."""

    name: str
    prove: Callable[[], Proved]


@dataclass(frozen=True)
class Stores:
    """Where everything is stored that manifests speak of."""

    settings: Settings
    tables: RawTables
    client: MlflowClient

    def items(self, record: RunRecord) -> Iterator[Item]:
        """Everything that one run recorded, in the order it was made."""
        for table, pin in record.data.items():
            yield Item(f"raw {table}@{pin.commit.version}", lambda pin=pin: raw_version(self.tables, pin))  # type: ignore[misc] # bound now, not when called
        lake = Lake(uri=self.settings.lake)
        for stage in record.stages.values():
            name = f"{stage.asset} {record.data_version} {stage.identity[:12]}"
            yield Item(name, lambda stage=stage: output(stage, record, lake))  # type: ignore[misc] # as above
            if any(part["kind"] in ("model", "spark_model") for part in stage.manifest["output"]["parts"]):
                yield Item(
                    f"MLflow models of {stage.mlflow_run_id}",
                    lambda stage=stage: registered_models(stage, self.client),  # type: ignore[misc] # as above
                )
        capsule = str(record.code["capsule"])
        yield Item(f"capsule {capsule[:12]}", lambda: self._capsule(capsule))

    def _capsule(self, sha256: str) -> Proved:
        path = capsule_store.capsule_path(self.settings.capsules, sha256)
        try:
            return _caught(lambda: capsule_store.load(path, sha256))
        except Outside as error:
            return Proved((_unreadable(error, self.settings.capsules.as_uri(), str(path), sha256),))


def raw_version(tables: RawTables, pin: DataPin) -> Proved:
    """Prove a pinned version: its commit, its log, the SHA-256 of every file, and the rows where they can be read without Spark.

    Args:
        tables: The raw tables as they stand now.
        pin: As a manifest has it.

    Raises:
        Outside: The store does not answer; one file that can't be read is an entry of `wrong`.
    """
    try:
        tables.check(pin.commit)
        recorded = known_list(tables, pin.commit)
        if pin.files_sha256 is not None and (recorded is None or recorded.digest() != pin.files_sha256):
            raise DataDamaged(
                f"the list of the files of {pin.commit.table}@{pin.commit.version} is not the pinned one",
                where=tables.records,
                stored=recorded.digest() if recorded else "nothing",
                expected=pin.files_sha256,
                fix="Restore _files of the lake from a backup",
            )
        if recorded is None:
            tables.require_files(pin.commit)
            return _rows(tables, pin, (_NOT_HASHED,))
        wrong = _wrong_files(tables, pin.commit, recorded)
        return Proved(tuple(wrong)) if wrong else _rows(tables, pin, _log_note(recorded))
    except Outside as error:
        return Proved((_unreadable(error, tables.records),))
    except ReproError as error:
        return Proved((error,))


def pinned_version(tables: RawTables, key: str, table: str, version: int) -> Proved:
    """Prove a version that a person pinned and no run has used: its commit, and the SHA-256 of every file.

    Raises:
        Outside: The store does not answer; one file that can't be read is an entry of `wrong`.
    """
    try:
        commit = tables.pin_of_key(key, table, version)
        recorded = known_list(tables, commit)
        if recorded is None:
            tables.require_files(commit)
            return Proved(notes=(_NOT_HASHED,))
        return Proved(tuple(_wrong_files(tables, commit, recorded)), _log_note(recorded))
    except Outside as error:
        return Proved((_unreadable(error, tables.records),))
    except ReproError as error:
        return Proved((error,))


def _wrong_files(tables: RawTables, commit: CommitPin, recorded: FileList) -> list[ReproError]:
    wrong: list[ReproError] = []
    each = [(file, replace(recorded, log=(file,), files=())) for file in recorded.log or ()]
    each += [(file, replace(recorded, log=(), files=(file,))) for file in recorded.files]
    for file, alone in each:
        with _reading(tables.records, file_uri(tables.uri(commit.table), file.path), file.sha256, wrong):
            wrong.extend(wrong_bytes(tables, commit, alone))
    # What a damaged log leads to says nothing more.
    return wrong or list(other_files(tables, commit, recorded))


def _log_note(recorded: FileList) -> tuple[str, ...]:
    return (_LOG_NOT_HASHED,) if recorded.log is None else ()


def output(stage: StageRecord, record: RunRecord, lake: Lake) -> Proved:
    """Prove an output: its marker against the manifests, the SHA-256 of every file, then rows and fitted state against the manifest.

    Raises:
        Outside: The store does not answer; one file that can't be read is an entry of `wrong`.
    """
    data_version = record.data_version
    notes: tuple[str, ...] = ()
    try:
        stored = stored_output(stage, data_version, lake)
        if stored is None:
            return Proved((_output_gone(stage, data_version, lake),))
        folder = lake.folder(stored.asset, stored.data_version, stored.identity)
        wrong = _wrong_marker(stored, stage, record, folder)
        if is_of_another_run(stored, stage):
            notes = (f"its marker names run {stored.mlflow_run_id} as the one that made it",)
        for part in stored.parts:
            for file in part.files:
                alone = replace(stored, parts=(replace(part, files=(file,)),))
                with _reading(lake.root, storage.join(folder, file.path), file.sha256, wrong):
                    wrong.extend(lake.wrong_files(alone))
        if not wrong:
            verify_output(stage, data_version, lake)
    except Outside as error:
        return Proved((_unreadable(error, lake.root),))
    except ReproError as error:
        return Proved((error,))
    return Proved(tuple(wrong), notes)


def _wrong_marker(stored: Output, stage: StageRecord, record: RunRecord, folder: str) -> list[ReproError]:
    return [
        DataDamaged(
            f"the marker of {stage.asset} has another {name} than its manifest",
            where=storage.join(folder, MARKER),
            stored=str(found)[:300],
            expected=str(expected)[:300],
            fix=RESTORE,
        )
        for name, (found, expected) in contradictions(stored, stage, record).items()
    ]


def registered_models(stage: StageRecord, client: MlflowClient) -> Proved:
    """Prove what MLflow has of a run's models; the lake's own copy is proved with the output.

    Raises:
        Outside: The store does not answer.
    """
    notes: list[str] = []

    def look() -> None:
        if not verify_models(stage, client, may_be_gone=False):
            notes.append("no version of it is registered in MLflow any more: somebody deleted it")

    found = _caught(look)
    return Proved(found.wrong, tuple(notes))


@contextmanager
def _reading(store: str, where: str, sha256: str, wrong: list[ReproError]) -> Iterator[None]:
    """Count a file that can't be read, in a store that answers, as damage and go on to the next one."""
    try:
        yield
    except Outside as error:
        wrong.append(_unreadable(error, store, where, sha256))


def _unreadable(error: Outside, store: str, where: str | None = None, sha256: str | None = None) -> DataDamaged:
    """The damage that a failed read is in a store that answers otherwise.

    Raises:
        Outside: The store itself does not answer.
    """
    storage.names(store)
    return DataDamaged(
        "a file can't be read",
        where=where or error.where,
        stored=error.stored,
        expected=sha256,
        fix="Look at its permissions and at the disk; restore it from a backup",
    )


def _rows(tables: RawTables, pin: DataPin, notes: tuple[str, ...]) -> Proved:
    found = rows_without_spark(tables, pin.commit, pin.rows)
    if isinstance(found, str):
        return Proved(notes=(*notes, f"rows not read without Spark: {found}"))
    if found == pin.rows:
        return Proved(notes=notes)
    damage = DataDamaged(
        f"the rows of {pin.commit.table}@{pin.commit.version} are not those of the pin",
        where=tables.uri(pin.commit.table),
        stored=found.fingerprint,
        expected=pin.rows.fingerprint,
        fix="Restore the table's data files",
    )
    return Proved((damage,), notes)


def _output_gone(stage: StageRecord, data_version: str, lake: Lake) -> DataDamaged:
    standing = lake.find(stage.asset, data_version, stage.identity)
    return DataDamaged(
        f"the output of {stage.asset} is gone"
        if standing is None
        else f"another result of the same identity stands in the place of {stage.asset}",
        where=lake.folder(stage.asset, data_version, stage.identity),
        stored=standing.digest if standing else "nothing",
        expected=stage.output_digest,
        fix=f"Restore it from a backup, or make it again by `repro run {data_version}`",
    )


def _caught(look: Callable[[], object]) -> Proved:
    try:
        look()
    except (Blocked, DataDamaged, BadInput) as error:
        return Proved((error,))
    return Proved()
