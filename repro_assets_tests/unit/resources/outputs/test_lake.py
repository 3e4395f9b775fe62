"""Stored outputs: complete with their marker or not there, and never read unchecked."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from repro_assets.errors import DataDamaged
from repro_assets.pins.fingerprint import fingerprint
from repro_assets.pins.output import Output, output_digest
from repro_assets.resources import storage
from repro_assets.resources.outputs.lake import Lake, new_attempt

KEY = "covid_cases-v000012--job_changes-v000001"
IDENTITY = "5" * 64
ROWS = pa.table({"uid": [84_000_001, 84_000_002], "cases": [1.5, None]})


@pytest.fixture(params=["file", "memory"])
def lake(request, tmp_path: Path) -> Iterator[Lake]:
    if request.param == "file":
        yield Lake(uri=tmp_path.as_uri())
        return
    uri = f"memory://{uuid.uuid4().hex}"
    yield Lake(uri=uri)
    storage.remove(uri)


def write(lake: Lake, rows: pa.Table = ROWS, *, run: str = "1") -> Output:
    """The files of one attempt, without its marker."""
    attempt = new_attempt(lake.folder("model", KEY, IDENTITY))
    model = b"model of " + run.encode()
    parts = (
        lake.write_arrow(attempt, "rows", rows),
        lake.write_model(attempt, "full", model, hashlib.sha256(model).hexdigest()),
    )
    return Output(
        asset="model",
        data_version=KEY,
        identity=IDENTITY,
        digest=output_digest({part.name: part.digest for part in parts}),
        parts=parts,
        data={},
        lineage={},
        mlflow_run_id=run,
        mlflow_parent_run_id=run,
        dagster_run_id=run,
        manifest_sha256="a" * 64,
    )


def location(lake: Lake, output: Output, name: str) -> str:
    (file,) = output.part(name).files
    return storage.join(lake.folder(output.asset, output.data_version, output.identity), file.path)


def test_an_output_without_its_marker_is_not_there(lake) -> None:
    write(lake)

    assert lake.find("model", KEY, IDENTITY) is None


def test_a_completed_output_is_found_as_it_was(lake) -> None:
    output = write(lake)

    assert lake.complete(output) == output
    assert lake.find("model", KEY, IDENTITY) == output


def test_the_marker_is_the_last_thing_that_is_written(lake) -> None:
    output = write(lake)
    before = storage.files_below(lake.folder("model", KEY, IDENTITY))

    lake.complete(output)

    after = storage.files_below(lake.folder("model", KEY, IDENTITY))
    assert set(after) - set(before) == {"_COMPLETE.json"}


@pytest.mark.parametrize(
    ("asset", "key", "identity"),
    [
        pytest.param("features", KEY, IDENTITY, id="another asset"),
        pytest.param("model", KEY.replace("12", "13"), IDENTITY, id="another data version"),
        pytest.param("model", KEY, "6" * 64, id="another identity"),
    ],
)
def test_an_output_is_found_by_nothing_else(lake, asset, key, identity) -> None:
    lake.complete(write(lake))

    assert lake.find(asset, key, identity) is None


def test_who_loses_a_race_gets_the_output_that_stands(lake) -> None:
    first, second = write(lake, run="1"), write(lake, run="2")

    lake.complete(first)

    assert lake.complete(second) == first
    assert lake.find("model", KEY, IDENTITY) == first


def test_attempts_of_one_identity_never_share_a_file(lake) -> None:
    first, second = write(lake), write(lake)

    assert location(lake, first, "rows") != location(lake, second, "rows")


def test_discarding_an_attempt_leaves_the_standing_output(lake) -> None:
    first, second = write(lake, run="1"), write(lake, run="2")
    lake.complete(first)

    lake.discard(second)

    lake.verify(first)
    assert not storage.exists(location(lake, second, "rows"))


def test_an_output_that_differs_is_kept_beside_the_one_that_stands(lake) -> None:
    first, second = write(lake, run="1"), write(lake, ROWS.slice(1), run="2")
    lake.complete(first)

    record = lake.keep_beside(second)

    assert Output.from_json(storage.read_bytes(record), record) == second
    assert record.startswith(lake.folder("model", KEY, IDENTITY))
    assert lake.find("model", KEY, IDENTITY) == first
    lake.verify(second)


def test_a_difference_that_comes_up_twice_is_recorded_twice(lake) -> None:
    lake.complete(write(lake, run="1"))
    other = write(lake, ROWS.slice(1), run="2")

    assert lake.keep_beside(other) != lake.keep_beside(other)


def test_a_marker_of_another_output_is_refused(lake) -> None:
    output = write(lake)
    marker = storage.join(lake.folder("model", KEY, IDENTITY), "_COMPLETE.json")
    storage.write_bytes(marker, dataclasses.replace(output, identity="6" * 64).to_json())

    with pytest.raises(DataDamaged, match="speaks of another output"):
        lake.find("model", KEY, IDENTITY)


def test_a_marker_that_can_t_be_read_is_refused_and_not_overwritten(lake) -> None:
    marker = storage.join(lake.folder("model", KEY, IDENTITY), "_COMPLETE.json")
    storage.write_bytes(marker, b"{")

    with pytest.raises(DataDamaged, match="marker can't be read"):
        lake.complete(write(lake))
    assert storage.read_bytes(marker) == b"{"


def test_an_untouched_output_is_verified(lake) -> None:
    lake.verify(write(lake))


@pytest.mark.parametrize("part", ["rows", "full"])
def test_a_file_that_is_gone_is_named(lake, part) -> None:
    output = write(lake)
    gone = location(lake, output, part)
    storage.remove(gone)

    with pytest.raises(DataDamaged, match="is gone") as refused:
        lake.verify(output)
    assert gone in str(refused.value)


@pytest.mark.parametrize("part", ["rows", "full"])
def test_a_flipped_bit_is_found(lake, part) -> None:
    output = write(lake)
    where = location(lake, output, part)
    content = bytearray(storage.read_bytes(where))
    content[len(content) // 2] ^= 1
    storage.write_bytes(where, bytes(content))

    with pytest.raises(DataDamaged, match="is damaged") as refused:
        lake.verify(output)
    assert hashlib.sha256(content).hexdigest() in str(refused.value)


def test_a_table_is_read_as_it_was_written(lake) -> None:
    output = write(lake)

    found = lake.read_table(output, "rows")

    assert fingerprint(found).digest == output.part("rows").digest == fingerprint(ROWS).digest
    assert output.part("rows").rows == 2


def test_a_table_without_rows_keeps_its_columns(lake) -> None:
    output = write(lake, ROWS.slice(0, 0))

    assert lake.read_table(output, "rows").schema.names == ["uid", "cases"]


def test_a_damaged_table_is_not_read(lake) -> None:
    output = write(lake)
    storage.write_bytes(location(lake, output, "rows"), b"PAR1")

    with pytest.raises(DataDamaged, match="is damaged"):
        lake.read_table(output, "rows")


def test_a_table_that_another_attempt_overwrote_is_not_read(lake) -> None:
    output, other = write(lake), write(lake, ROWS.slice(1))
    storage.write_bytes(location(lake, output, "rows"), storage.read_bytes(location(lake, other, "rows")))

    with pytest.raises(DataDamaged, match="is damaged"):
        lake.read_table(output, "rows")


def test_a_model_is_given_with_its_record_and_place(lake) -> None:
    output = write(lake, run="9")

    content, file, where = lake.read_model(output, "full")

    assert content == b"model of 9"
    assert file == output.part("full").files[0]
    assert where == location(lake, output, "full")


def test_a_damaged_model_is_not_read(lake) -> None:
    output = write(lake)
    storage.write_bytes(location(lake, output, "full"), b"another model")

    with pytest.raises(DataDamaged, match="is damaged"):
        lake.read_model(output, "full")


def test_two_lakes_know_nothing_of_each_other(tmp_path) -> None:
    one, other = Lake(uri=(tmp_path / "one").as_uri()), Lake(uri=(tmp_path / "other").as_uri())
    one.complete(write(one))

    assert other.find("model", KEY, IDENTITY) is None


def test_an_output_can_be_moved_to_another_lake(tmp_path) -> None:
    one, other = Lake(uri=(tmp_path / "one").as_uri()), Lake(uri=(tmp_path / "other").as_uri())
    output = one.complete(write(one))
    (tmp_path / "one").rename(tmp_path / "other")

    assert other.find("model", KEY, IDENTITY) == output
    other.verify(output)


def test_without_a_uri_the_lake_is_the_one_of_the_settings(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("REPRO_LAKE", str(tmp_path / "lake"))

    assert Lake().root == (tmp_path / "lake").as_uri()
