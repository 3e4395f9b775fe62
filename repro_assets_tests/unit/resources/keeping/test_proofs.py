"""Whatever bit changes in something stored, it is found, with file, expected and found; without a JVM."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from fsspec.implementations.local import LocalFileSystem
from sklearn.linear_model import LogisticRegression

from repro_assets.errors import DataDamaged, Outside
from repro_assets.pins.data import DataPin, RowsPin
from repro_assets.pins.fingerprint import fingerprint
from repro_assets.pins.manifest import manifest_digest
from repro_assets.pins.model_digest import model_digest
from repro_assets.pins.output import Output, Part, output_digest
from repro_assets.pins.run_record import RunRecord, StageRecord
from repro_assets.resources.keeping.proofs import Proved, output, raw_version
from repro_assets.resources.outputs.lake import Lake, new_attempt
from repro_assets.resources.outputs.model_file import dump_model
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets_tests.unit.pins.run_records import KEY, manifest

FLIPS = 60
TABLE = "covid_cases"


@dataclass(frozen=True)
class Stored:
    """Something stored: its files, and how it is proved."""

    files: list[Path]
    prove: Callable[[], Proved]


def rows(count: int) -> pa.Table:
    values = np.random.default_rng(0)
    return pa.table(
        {
            "uid": pa.array(range(count), pa.int64()),
            "cases": values.integers(0, 1_000_000, count),
            "name": [f"county {number % 17}" for number in range(count)],
        }
    )


def pinned(lake: Path) -> DataPin:
    """The newest version of the raw table, pinned with rows and files."""
    tables = RawTables(lake=lake.as_uri())
    commit = tables.pin(TABLE, tables.versions(TABLE)[-1])
    found = fingerprint(pa.concat_tables([rows(300), rows(200)]))
    return tables.with_files(DataPin(commit, RowsPin(found.digest, found.rows, found.schema)))


def raw(lake: Path) -> Stored:
    for count in (300, 200):
        write_deltalake(lake / "raw" / TABLE, rows(count), mode="append")
    pin = pinned(lake)
    return Stored(
        sorted((lake / "raw" / TABLE).glob("*.parquet")), lambda: raw_version(RawTables(lake=lake.as_uri()), pin)
    )


def stored_output(lake: Path, asset: str, write: Callable[[Lake, str], list[Part]]) -> Stored:
    store = Lake(uri=lake.as_uri())
    folder = store.folder(asset, KEY, f"identity of {asset}")
    parts = write(store, new_attempt(folder))
    digest = output_digest({part.name: part.digest for part in parts})
    said = [{"name": part.name, "kind": part.kind, "digest": part.digest, "rows": part.rows} for part in parts]
    made_of = {"identity": "identity of what it was made of", "digest": "its digest", "mlflow_run_id": "its run"}
    document = manifest(
        asset, inputs={"upstream": made_of}, output={"digest": digest, "location": folder, "parts": said}
    )
    stage = StageRecord(asset, "m", document)
    made = Output(
        asset,
        KEY,
        stage.identity,
        digest,
        tuple(parts),
        data=document["pins"]["data"],
        lineage={"upstream": {name: made_of[name] for name in ("identity", "digest")}},
        mlflow_run_id="m",
        mlflow_parent_run_id="p",
        dagster_run_id="d",
        manifest_sha256=manifest_digest(document),
        metrics=document["metrics"],
    )
    store.complete(made)
    files = [Path(folder.removeprefix("file://")) / file.path for part in parts for file in part.files]
    record = RunRecord("p", "d", KEY, {asset: stage})
    return Stored(files, lambda: output(stage, record, store))


def snapshot(lake: Path) -> Stored:
    return stored_output(
        lake,
        "train_test_snapshot",
        lambda store, folder: [
            store.write_arrow(folder, name, rows(count)) for name, count in (("test", 80), ("train", 200))
        ],
    )


def features(lake: Path) -> Stored:
    return stored_output(lake, "features", lambda store, folder: [store.write_arrow(folder, "features", rows(300))])


def model(lake: Path) -> Stored:
    table = rows(60)
    fitted = LogisticRegression().fit(np.c_[table["uid"], table["cases"]], np.arange(60) % 2)
    return stored_output(
        lake,
        "model",
        lambda store, folder: [store.write_model(folder, "full", dump_model(fitted), model_digest(fitted))],
    )


STORED = {"raw": raw, "snapshot": snapshot, "features": features, "model": model}


@pytest.mark.parametrize("make", STORED.values(), ids=STORED.keys())
def test_each_of_60_flipped_bits_is_found_with_its_file(tmp_path, make) -> None:
    stored = make(tmp_path)
    whole = {file: file.read_bytes() for file in stored.files}
    chance = random.Random(60)
    assert stored.prove() == Proved()

    found = 0
    for _ in range(FLIPS):
        file = chance.choice(stored.files)
        content = bytearray(whole[file])
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        (wrong,) = stored.prove().wrong
        assert file.name in str(wrong.where)
        assert wrong.expected == hashlib.sha256(whole[file]).hexdigest()
        assert wrong.stored == hashlib.sha256(content).hexdigest()
        found += 1
        file.write_bytes(whole[file])

    assert found == FLIPS
    assert stored.prove() == Proved()


@pytest.mark.parametrize("make", STORED.values(), ids=STORED.keys())
def test_every_damaged_file_is_named_not_only_the_first(tmp_path, make) -> None:
    stored = make(tmp_path)
    for number, file in enumerate(stored.files):
        content = file.read_bytes()
        file.write_bytes(content[:-1] + b"?" if number else content + b"?")

    wrong = stored.prove().wrong
    assert sorted(Path(str(error.where)).name for error in wrong) == sorted(file.name for file in stored.files)


@pytest.mark.parametrize("make", STORED.values(), ids=STORED.keys())
def test_a_file_that_is_gone_is_named(tmp_path, make) -> None:
    stored = make(tmp_path)
    expected = hashlib.sha256(stored.files[0].read_bytes()).hexdigest()
    stored.files[0].unlink()

    (wrong,) = stored.prove().wrong
    assert stored.files[0].name in str(wrong.where)
    assert wrong.expected == expected


@pytest.mark.parametrize("make", [snapshot, features, model], ids=["snapshot", "features", "model"])
def test_each_of_60_flipped_bits_of_a_marker_is_found_or_it_is_said_that_another_run_made_it(tmp_path, make) -> None:
    stored = make(tmp_path)
    (marker,) = tmp_path.rglob("_COMPLETE.json")
    whole, chance = marker.read_bytes(), random.Random(60)
    for _ in range(FLIPS):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        marker.write_bytes(content)
        proved = stored.prove()
        assert proved.wrong or proved.notes
    marker.write_bytes(whole)
    assert stored.prove() == Proved()


def test_an_output_that_is_gone_is_damage_with_what_was_expected(tmp_path) -> None:
    stored = features(tmp_path)
    shutil.rmtree(tmp_path / "features")

    (wrong,) = stored.prove().wrong
    assert (wrong.what, wrong.stored) == ("the output of features is gone", "nothing")
    assert wrong.expected is not None


def test_files_exchanged_together_with_their_list_are_still_not_those_of_the_pin(tmp_path) -> None:
    raw(tmp_path)
    pin = pinned(tmp_path)
    other = dataclasses.replace(pin, files_sha256="0" * 64)

    (wrong,) = raw_version(RawTables(lake=tmp_path.as_uri()), other).wrong
    assert "is not the pinned one" in wrong.what


def test_other_rows_in_files_that_nobody_hashed_are_found_by_their_fingerprint(tmp_path) -> None:
    raw(tmp_path)
    pin = pinned(tmp_path)
    shutil.rmtree(tmp_path / "_files")
    other = RowsPin("f" * 64, pin.rows.rows, pin.rows.schema)

    proved = raw_version(RawTables(lake=tmp_path.as_uri()), DataPin(pin.commit, other))
    assert proved.wrong[0].expected == "f" * 64
    assert proved.notes == ("no SHA-256 of its files was recorded when it was pinned",)


def test_a_flipped_bit_in_files_that_nobody_hashed_is_damage_and_no_traceback(tmp_path) -> None:
    stored = raw(tmp_path)
    pin = pinned(tmp_path)
    shutil.rmtree(tmp_path / "_files")
    old = DataPin(pin.commit, pin.rows)
    whole = {file: file.read_bytes() for file in stored.files}
    chance = random.Random(9)

    named = 0
    for _ in range(FLIPS):
        file = chance.choice(stored.files)
        content = bytearray(whole[file])
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        for wrong in raw_version(RawTables(lake=tmp_path.as_uri()), old).wrong:
            assert isinstance(wrong, DataDamaged)
            named += file.name in str(wrong.where)
        file.write_bytes(whole[file])

    # Some flips change no row, others only rows; the rest is a file that can't be read, and it is named.
    assert named > FLIPS // 5


def unreadable(monkeypatch: pytest.MonkeyPatch, is_hit: Callable[[str], bool], code: int) -> None:
    """Let the disk fail at some paths."""
    opened, listed = LocalFileSystem._open, LocalFileSystem.ls

    def fail(path: str) -> None:
        if is_hit(str(path)):
            raise OSError(code, "planted", path)

    monkeypatch.setattr(LocalFileSystem, "_open", lambda self, path, *a, **k: fail(path) or opened(self, path, *a, **k))
    monkeypatch.setattr(LocalFileSystem, "ls", lambda self, path, *a, **k: fail(path) or listed(self, path, *a, **k))


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES], ids=["EIO", "EACCES"])
@pytest.mark.parametrize("make", STORED.values(), ids=STORED.keys())
def test_a_file_that_can_t_be_read_is_named_and_the_others_are_still_looked_at(
    tmp_path, monkeypatch, make, code
) -> None:
    stored = make(tmp_path)
    first, *others = stored.files
    for file in others:
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    unreadable(monkeypatch, lambda path: path == str(first), code)

    wrong = stored.prove().wrong
    assert sorted(Path(str(error.where)).name for error in wrong) == sorted(file.name for file in stored.files)
    assert [error.what for error in wrong if str(error.where).endswith(str(first))] == ["a file can't be read"]


@pytest.mark.parametrize("make", STORED.values(), ids=STORED.keys())
def test_a_store_that_does_not_answer_is_no_damage(tmp_path, monkeypatch, make) -> None:
    stored = make(tmp_path)
    unreadable(monkeypatch, lambda _: True, errno.ENOTCONN)

    with pytest.raises(Outside, match="can't be read"):
        stored.prove()
