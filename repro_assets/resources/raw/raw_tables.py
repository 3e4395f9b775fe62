"""Raw Delta tables: their history without a JVM, and reads that check the pin first."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from repro_assets import settings as settings_module
from repro_assets.errors import DataDamaged, NoSuchVersion, PinChanged, TableReplaced, VersionExpired
from repro_assets.pins.canonical import canonical_json, digest
from repro_assets.pins.data import Commit, CommitPin, DataPin, RowsPin
from repro_assets.resources import storage
from repro_assets.resources.raw import delta_log, file_lists
from repro_assets.resources.raw.expiry import what_cleaned
from repro_assets.resources.raw.given_up import take_back
from repro_assets.resources.raw.read_errors import first_line, reading
from repro_assets.resources.raw.table_files import RESTORE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PINS = "_pins"
KEPT_MARK = "_kept.json"


class RawTables(dg.ConfigurableResource["RawTables"]):
    """The raw tables below one lake.

    Attributes:
        lake: URI of the lake; empty for the ones of the settings: raw tables may stand in another lake than the
            outputs, and what is found out about them is kept with the outputs, so that reading leaves no trace.
    """

    lake: str = ""
    _commits: dict[tuple[str, int], Commit] = PrivateAttr(default_factory=dict)
    _proved: set[CommitPin] = PrivateAttr(default_factory=set)

    @property
    def root(self) -> str:
        """URI of the lake that the tables stand in."""
        return self.lake or settings_module.load().raw

    @property
    def records(self) -> str:
        """URI of the lake that keeps what was pinned and what the rows were found to be."""
        return self.lake or settings_module.load().lake

    def uri(self, table: str) -> str:
        """Where a raw table stands."""
        return raw_table_uri(self.root, table)

    def versions(self, table: str) -> list[int]:
        """Numbers of the commits that are in the log, ascending; empty where there is no table."""
        return delta_log.versions(self.uri(table))

    def history(self, table: str) -> list[Commit]:
        """All commits of a table, ascending.

        Raises:
            DataDamaged: A commit file is empty or garbage.
        """
        return [self.commit(table, version) for version in self.versions(table)]

    def histories(self, tables: Iterable[str]) -> dict[str, list[Commit]]:
        """`history` of several tables, in the order given."""
        return {table: self.history(table) for table in tables}

    def commit(self, table: str, version: int) -> Commit:
        """Read one commit; a commit file never changes, so it is read once."""
        if (table, version) not in self._commits:
            self._commits[table, version] = delta_log.read_commit(self.uri(table), version)
        return self._commits[table, version]

    def pin(self, table: str, version: int) -> CommitPin:
        """Pin a version as it stands now.

        Raises:
            NoSuchVersion: It is out of the table's range (checked first: delta-rs hangs on far ones).
            VersionExpired: Its commit file is gone.
        """
        self._require_in_range(table, version)
        commit = self.commit(table, version)
        return CommitPin(
            table, self.uri(table), self._table_id(table, version), version, commit.sha256, commit.timestamp
        )

    def check(self, pin: CommitPin) -> None:
        """Check that the pinned commit is still the one in the table.

        Raises:
            NoSuchVersion, VersionExpired: The version is not there.
            TableReplaced: Another table stands at the location.
            PinChanged: The commit was rewritten.
        """
        found = self.pin(pin.table, pin.version)
        if found.table_id != pin.table_id:
            raise TableReplaced(
                "another table stands at this location",
                where=found.uri,
                stored=found.table_id,
                expected=pin.table_id,
                fix="Restore the table that was pinned",
            )
        if found.commit_sha256 != pin.commit_sha256:
            raise PinChanged(
                f"version {pin.version} is not the commit that was pinned",
                where=found.uri,
                stored=found.commit_sha256,
                expected=pin.commit_sha256,
                fix="Restore the table's log",
            )

    def require_files(self, pin: CommitPin) -> None:
        """Check the log, and that every file of a version is there, without a JVM and without reading one.

        Raises:
            VersionExpired: A file is gone, or nothing leads to the version.
            DataDamaged: A file has another size than its commit says, or the log is not the one that was pinned.
        """
        for error in file_lists.wrong_version(self, pin):
            raise error

    def read(self, spark: SparkSession, pin: CommitPin) -> DataFrame:
        """Read the rows of a pin through Spark, after `check`, where the table stands now: a lake may have moved.

        Spark reads the log here and the rows later: whoever asks the frame for some does so in `reading`.

        Raises:
            NoSuchVersion, VersionExpired, TableReplaced, PinChanged, DataDamaged: As `read_errors.reading`.
        """
        self.check(pin)
        with self.reading(pin):
            return spark.read.format("delta").option("versionAsOf", pin.version).load(self.uri(pin.table))

    def pin_of_key(self, key: str, table: str, version: int) -> CommitPin:
        """The pin of a table under a data version key: as first recorded, checked against what stands now.

        A key means the tables that stood there when it was first used; a table made anew at the same place is another.

        Raises:
            NoSuchVersion, VersionExpired, TableReplaced, PinChanged: As `check`.
        """
        found = self.pin(table, version)
        where = storage.join(self.records, PINS, key, f"{table}.json")
        if not storage.write_if_absent(where, canonical_json(asdict(found))):
            try:
                first = CommitPin(**json.loads(storage.read_bytes(where)))
            except (ValueError, TypeError) as error:
                raise DataDamaged("the record of a key can't be read", where=where, stored=str(error)) from error
            self.check(replace(found, table_id=first.table_id, commit_sha256=first.commit_sha256))
        return found

    def keep(self, key: str) -> None:
        """Mark a data version as pinned by a person, so that nothing removes what it needs; takes giving it up back."""
        storage.write_if_absent(storage.join(self.records, PINS, key, KEPT_MARK), canonical_json({"key": key}))
        take_back(self.records, key)

    def let_go(self, key: str) -> None:
        """Take a person's mark off a data version."""
        storage.remove(storage.join(self.records, PINS, key, KEPT_MARK))

    def read_verified(self, spark: SparkSession, pin: DataPin) -> DataFrame:
        """Read the rows of a pin after proving that they are the pinned ones, once per process.

        Raises:
            DataDamaged: The rows are not those of the pin.
        """
        frame = self.read(spark, pin.commit)
        if pin.commit not in self._proved:
            self._require_rows(pin, self.data_pin(pin.commit, spark).rows)
        return frame

    def known_rows(self, pin: CommitPin) -> RowsPin | None:
        """What this commit's rows were found to be before, or None."""
        try:
            document = json.loads(storage.read_bytes(self._memo(pin)))
            return RowsPin(
                document["fingerprint"], document["rows"], tuple((name, kind) for name, kind in document["schema"])
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise DataDamaged(
                "a remembered fingerprint can't be read",
                where=self._memo(pin),
                stored=str(error),
                fix="Remove the file",
            ) from error

    def remember_rows(self, pin: CommitPin, rows: RowsPin) -> RowsPin:
        """Remember what a commit's rows are.

        Raises:
            DataDamaged: Something else was remembered: the files under the commit changed.
        """
        storage.write_if_absent(self._memo(pin), canonical_json(asdict(rows)))
        known = self.known_rows(pin)
        if known != rows:
            raise DataDamaged(
                f"the rows of version {pin.version} are not what they were",
                where=pin.uri,
                stored=rows.fingerprint,
                expected=known.fingerprint if known else None,
                fix="Restore the table's data files",
            )
        return rows

    def reading(self, *pins: CommitPin) -> AbstractContextManager[None]:
        """Say in one line what of these versions can't be read, whatever is done with their rows inside.

        Raises:
            NoSuchVersion, VersionExpired, TableReplaced, PinChanged, DataDamaged: As `read_errors.reading`.
        """
        return reading(self, *pins)

    def data_pin(self, pin: CommitPin, spark: SparkSession) -> DataPin:
        """Pin commit and rows, fingerprinting the rows now."""
        from repro_assets.resources.spark.spark_fingerprint import fingerprint_frame

        with self.reading(pin):
            found = fingerprint_frame(self.read(spark, pin))
        rows = self.remember_rows(pin, RowsPin(found.digest, found.rows, found.schema))
        self._proved.add(pin)
        return DataPin(pin, rows)

    def with_files(self, pin: DataPin) -> DataPin:
        """The same pin with the digest of the list of its files; the list is recorded beside the pins on first use.

        Where a file is gone the pin stays as it is: rows that are known need no file, and reading others says so.

        Raises:
            DataDamaged: A file has another size than its commit says.
        """
        try:
            return replace(pin, files_sha256=file_lists.record_list(self, pin.commit).digest())
        except VersionExpired:
            return pin

    def _memo(self, pin: CommitPin) -> str:
        name = digest({"table_id": pin.table_id, "version": pin.version, "commit_sha256": pin.commit_sha256})
        return storage.join(self.records, "_fingerprints", f"{name}.json")

    def _require_in_range(self, table: str, version: int) -> None:
        versions = self.versions(table)
        if not versions:
            raise NoSuchVersion(
                "there is no such raw table",
                where=self.uri(table),
                fix=f"`repro ingest {table} FILE…`, or any Delta writer, makes it",
            )
        if not 0 <= version <= versions[-1]:
            raise NoSuchVersion(
                f"{table} has no version {version}", where=self.uri(table), expected=f"{versions[0]} to {versions[-1]}"
            )
        if version not in versions:
            raise VersionExpired(
                f"version {version} of {table} is gone from the log",
                where=self.uri(table),
                expected=f"{versions[0]} to {versions[-1]}",
                fix=f"{what_cleaned(self, table, version)}. Restore it from a backup",
            )

    def _table_id(self, table: str, version: int) -> str:
        """The newest `metaData.id` up to a version; from the log's commits, else from its checkpoint by delta-rs."""
        for number in reversed([number for number in self.versions(table) if number <= version]):
            found = self.commit(table, number).table_id
            if found is not None:
                return found
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            return str(DeltaTable(self.uri(table), version=version).metadata().id)
        except DeltaError as error:
            if not delta_log.missing_for(self.uri(table), version):
                raise DataDamaged(
                    f"the log of {table} does not say which table it is",
                    where=self.uri(table),
                    stored=first_line(error),
                    fix=RESTORE,
                ) from error
            raise VersionExpired(
                f"nothing leads to version {version} of {table} any more",
                where=self.uri(table),
                stored=first_line(error),
                fix=f"{what_cleaned(self, table, version)}. {RESTORE}",
            ) from error

    def _require_rows(self, pin: DataPin, found: RowsPin) -> None:
        if found != pin.rows:
            raise DataDamaged(
                f"the rows of version {pin.commit.version} are not those of the pin",
                where=pin.commit.uri,
                stored=found.fingerprint,
                expected=pin.rows.fingerprint,
                fix="Restore the table's data files",
            )


def raw_table_uri(lake: str, table: str) -> str:
    """Where a raw table stands below a lake."""
    return storage.join(lake, "raw", table)
