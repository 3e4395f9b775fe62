"""Outputs in the lake: written once to `ASSET/DATA_VERSION/IDENTITY/`, complete only with their marker.

The marker is written last and only if absent. Every attempt writes into a folder of its own, so nothing half-written
is ever read and two attempts never mix; the one whose marker stands is the output.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import dagster as dg

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, DataDamaged
from repro_assets.pins.output import Output, Part, StoredFile, is_inside
from repro_assets.resources import storage

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

MARKER = "_COMPLETE.json"
_MODEL_FILE = "model.skops"


class Lake(dg.ConfigurableResource["Lake"]):
    """Stored outputs below one URI.

    Attributes:
        uri: URI of the lake; empty for the one of the settings.
    """

    uri: str = ""

    @property
    def root(self) -> str:
        """URI of the lake."""
        return self.uri or settings_module.load().lake

    def folder(self, asset: str, data_version: str, identity: str) -> str:
        """URI of one output's folder.

        Raises:
            BadInput: One of the names would lead elsewhere.
        """
        wrong = [name for name in (asset, data_version, identity) if not is_inside(name)]
        if wrong:
            raise BadInput("not the name of an output", stored=repr(wrong[0])[:80], expected="a name without `..`")
        return storage.join(self.root, asset, data_version, identity)

    def find(self, asset: str, data_version: str, identity: str) -> Output | None:
        """The complete output of an identity, or None.

        Raises:
            DataDamaged: Its marker can't be read or speaks of another output.
        """
        marker = storage.join(self.folder(asset, data_version, identity), MARKER)
        try:
            output = Output.from_json(storage.read_bytes(marker), marker)
        except FileNotFoundError:
            return None
        if (output.asset, output.data_version, output.identity) != (asset, data_version, identity):
            raise DataDamaged(
                "a marker speaks of another output", where=marker, stored=output.identity, expected=identity
            )
        return output

    def verify(self, output: Output) -> None:
        """Hash every file of an output against its marker.

        Raises:
            DataDamaged: The first file that is gone or other.
        """
        for part in output.parts:
            for file in part.files:
                self._checked(output, file)

    def wrong_files(self, output: Output) -> Iterator[DataDamaged]:
        """Hash every file of an output: an error for each that is gone or other than its marker says."""
        for part in output.parts:
            for file in part.files:
                try:
                    self._checked(output, file)
                except DataDamaged as damage:
                    yield damage

    def complete(self, output: Output) -> Output:
        """Write the marker if none stands; returns the output whose marker stands."""
        folder = self.folder(output.asset, output.data_version, output.identity)
        if storage.write_if_absent(storage.join(folder, MARKER), output.to_json()):
            return output
        standing = self.find(output.asset, output.data_version, output.identity)
        if standing is None:
            raise DataDamaged("a marker vanished while it was read", where=folder)
        return standing

    def replace(self, output: Output) -> Output:
        """Put an output's marker in the place of one whose files are damaged."""
        folder = self.folder(output.asset, output.data_version, output.identity)
        storage.write_bytes(storage.join(folder, MARKER), output.to_json())
        return output

    def keep_beside(self, output: Output) -> str:
        """Keep an output that differs from the standing one of its identity; returns where its record is."""
        folder = self.folder(output.asset, output.data_version, output.identity)
        record = storage.join(folder, f"_CONFLICT-{output.digest[:16]}-{uuid.uuid4().hex[:8]}.json")
        storage.write_bytes(record, output.to_json())
        return record

    def discard(self, output: Output) -> None:
        """Remove the files of an attempt that is not needed."""
        folder = self.folder(output.asset, output.data_version, output.identity)
        for attempt in {file.path.split("/", 1)[0] for part in output.parts for file in part.files}:
            storage.remove(storage.join(folder, attempt))

    def write_table(self, folder: str, name: str, frame: DataFrame) -> Part:
        """Write a Spark frame as Parquet below an attempt's folder and fingerprint what was written.

        Args:
            folder: URI of the attempt: `…/IDENTITY/ATTEMPT`.
            name: Name of the part.
            frame: Rows; their order does not matter.
        """
        from repro_assets.resources.spark.spark_fingerprint import fingerprint_frame

        uri = storage.join(folder, name)
        frame.write.mode("error").parquet(uri)
        found = fingerprint_frame(frame.sparkSession.read.parquet(uri))
        return Part(name, "table", found.digest, found.rows, _stored_files(folder, name, ".parquet"))

    def write_arrow(self, folder: str, name: str, table: pa.Table) -> Part:
        """Write an Arrow table as one Parquet file; otherwise as `write_table`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from repro_assets.pins.fingerprint import fingerprint

        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, write_page_checksum=True, coerce_timestamps="us")
        storage.write_bytes(storage.join(folder, name, "part-0.parquet"), buffer.getvalue().to_pybytes())
        found = fingerprint(table)
        return Part(name, "table", found.digest, found.rows, _stored_files(folder, name, ".parquet"))

    def write_model(self, folder: str, name: str, content: bytes, state_digest: str) -> Part:
        """Write a serialized model; `state_digest` is the digest of its fitted state."""
        storage.write_bytes(storage.join(folder, name, _MODEL_FILE), content)
        return Part(name, "model", state_digest, None, _stored_files(folder, name, _MODEL_FILE))

    def model_folder(self, folder: str, name: str, files: Mapping[str, bytes], state_digest: str) -> Part:
        """A model of several files that was written to `folder/name`; their bytes by path below that."""
        attempt = folder.rsplit("/", 1)[-1]
        stored = tuple(
            StoredFile(f"{attempt}/{name}/{path}", len(content), hashlib.sha256(content).hexdigest())
            for path, content in sorted(files.items())
        )
        return Part(name, "spark_model", state_digest, None, stored)

    def read_table(self, output: Output, name: str) -> pa.Table:
        """Read a part without Spark; every file's SHA-256 is checked on the bytes that are read.

        Raises:
            DataDamaged: A file is gone or other.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = [pq.read_table(pa.BufferReader(self._checked(output, file))) for file in output.part(name).files]
        return pa.concat_tables(tables)

    def read_frame(self, spark: SparkSession, output: Output, name: str) -> DataFrame:
        """Read a part through Spark, exactly the files of the marker, after each one's SHA-256 was checked."""
        files = output.part(name).files
        for file in files:
            self._checked(output, file)
        return spark.read.parquet(*[self._location(output, file) for file in files])

    def read_model(self, output: Output, name: str) -> tuple[bytes, StoredFile, str]:
        """The bytes of a model with their record and location; the loader checks the SHA-256 again."""
        (file,) = output.part(name).files
        return self._checked(output, file), file, self._location(output, file)

    def locate_model_folder(self, output: Output, name: str) -> tuple[str, dict[str, str]]:
        """URI of a model of several files, and the recorded SHA-256 by path below it; the loader checks them."""
        files = output.part(name).files
        folder = "/".join(files[0].path.split("/")[:2])  # ATTEMPT/NAME
        recorded = {file.path.removeprefix(f"{folder}/"): file.sha256 for file in files}
        return storage.join(self.folder(output.asset, output.data_version, output.identity), folder), recorded

    def _location(self, output: Output, file: StoredFile) -> str:
        return storage.join(self.folder(output.asset, output.data_version, output.identity), file.path)

    def _checked(self, output: Output, file: StoredFile) -> bytes:
        where = self._location(output, file)
        try:
            content = storage.read_bytes(where)
        except FileNotFoundError as error:
            raise DataDamaged(
                f"a file of {output.asset} is gone", where=where, expected=file.sha256, fix=_RECOMPUTE
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != file.sha256:
            raise DataDamaged(
                f"a file of {output.asset} is damaged", where=where, stored=found, expected=file.sha256, fix=_RECOMPUTE
            )
        if len(content) != file.bytes:
            raise DataDamaged(
                f"the marker of {output.asset} has another size than its file",
                where=where,
                stored=f"{file.bytes:,} bytes",
                expected=f"{len(content):,} bytes",
                fix=_RECOMPUTE,
            )
        return content


_RECOMPUTE = "Restore it, or remove the output's folder and run the data version again"


def new_attempt(output_folder: str) -> str:
    """URI of a fresh attempt below an output's folder."""
    return storage.join(output_folder, f"attempt-{uuid.uuid4().hex}")


def _stored_files(folder: str, name: str, suffix: str) -> tuple[StoredFile, ...]:
    attempt = folder.rsplit("/", 1)[-1]
    part = storage.join(folder, name)
    found = [path for path in storage.files_below(part) if path.endswith(suffix)]
    contents = [(path, storage.read_bytes(storage.join(part, path))) for path in found]
    return tuple(
        StoredFile(f"{attempt}/{name}/{path}", len(content), hashlib.sha256(content).hexdigest())
        for path, content in contents
    )
