"""`repro vacuum` can die at any side effect: nothing that is kept is lost, and started again it ends. No JVM."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from repro_assets.errors import Outside, VersionExpired
from repro_assets.pins.retention import FoundFile, Holder
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.verbs import vacuum as verb
from repro_assets.verbs.versions import list_versions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TABLE, OTHER = "covid_cases", "job_changes"
KEPT, NEWEST = 1, 4
EXPIRED = (0, 2, 3)


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five versions, each in a file of its own."""
    monkeypatch.setenv("REPRO_LAKE", tmp_path.as_uri())
    for version in range(NEWEST + 1):
        write_deltalake(tmp_path / "raw" / TABLE, pa.table({"cases": [version]}), mode="overwrite")
    write_deltalake(tmp_path / "raw" / OTHER, pa.table({"city": ["a"]}))
    return tmp_path


def tables() -> RawTables:
    """As a process sees the lake that starts now."""
    return RawTables()


def key(version: int) -> str:
    return f"{TABLE}-v{version:06d}--{OTHER}-v000000"


def start() -> None:
    """The command, with a JVM that `remove_files` below stands in for."""
    wanted = verb.plan(TABLE, tables(), [Holder(key(KEPT), "run x")], ())
    verb.vacuum(wanted, tables(), lambda: cast("SparkSession", None))


def removing(monkeypatch: pytest.MonkeyPatch, *, killed_after: int | None) -> None:
    """Take files as Delta's VACUUM does, one after the other."""

    def remove(_: Any, uri: str, files: tuple[FoundFile, ...]) -> None:
        for number, file in enumerate(files):
            if number == killed_after:
                raise Killed
            (Path(uri.removeprefix("file://")) / file.path).unlink()
        if killed_after == len(files):
            raise Killed

    monkeypatch.setattr(verb, "remove_files", remove)


def states() -> dict[str, str]:
    with dg.DagsterInstance.ephemeral() as instance:
        return {row.key: row.state for row in list_versions(tables(), instance)}


def records(lake: Path) -> list[dict[str, Any]]:
    folder = lake / "_vacuums" / TABLE
    return [json.loads(path.read_bytes()) for path in sorted(folder.iterdir())] if folder.exists() else []


def readable(lake: Path) -> Iterator[int]:
    """The versions of which every file is there."""
    for version in range(NEWEST + 1):
        try:
            tables().require_files(tables().pin(TABLE, version))
        except VersionExpired:
            continue
        assert DeltaTable(lake / "raw" / TABLE, version=version).to_pyarrow_table()["cases"].to_pylist() == [version]
        yield version


def test_what_a_vacuum_took_is_expired_and_what_it_left_is_not(lake, monkeypatch) -> None:
    removing(monkeypatch, killed_after=None)
    assert set(states().values()) == {"registered"}

    start()

    assert list(readable(lake)) == [KEPT, NEWEST]
    assert states() == {key(n): "expired" if n in EXPIRED else "registered" for n in range(NEWEST + 1)}


def test_what_was_restored_from_a_backup_is_not_expired_any_more(lake, monkeypatch) -> None:
    removing(monkeypatch, killed_after=None)
    backup = {path: path.read_bytes() for path in (lake / "raw" / TABLE).glob("*.parquet")}
    start()

    for path, content in backup.items():
        path.write_bytes(content)

    assert set(states().values()) == {"registered"}


@pytest.mark.parametrize("killed_after", range(len(EXPIRED) + 1))
def test_killed_before_between_or_after_removals_it_loses_nothing_kept_and_started_again_it_ends(
    lake, monkeypatch, killed_after
) -> None:
    removing(monkeypatch, killed_after=killed_after)
    with pytest.raises(Killed):
        start()

    assert [record["expired"] for record in records(lake)] == [list(EXPIRED)]
    left = list(readable(lake))
    assert len(left) == NEWEST + 1 - killed_after
    # What is still whole is called so, whatever was about to go.
    assert {n for n in range(NEWEST + 1) if states()[key(n)] == "registered"} == set(left)
    for gone in set(range(NEWEST + 1)) - set(left):
        with pytest.raises(VersionExpired, match="`repro vacuum` by"):
            tables().require_files(tables().pin(TABLE, gone))

    removing(monkeypatch, killed_after=None)
    start()
    assert list(readable(lake)) == [KEPT, NEWEST]
    assert verb.plan(TABLE, tables(), [Holder(key(KEPT), "run x")], ()).remove == ()


def test_killed_before_its_note_it_has_removed_nothing(lake, monkeypatch) -> None:
    removing(monkeypatch, killed_after=None)

    def dying(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(verb, "record_vacuum", dying)
    with pytest.raises(Killed):
        start()
    assert (list(readable(lake)), records(lake)) == (list(range(NEWEST + 1)), [])


def test_where_spark_does_not_open_nothing_is_written_down_and_nothing_goes(lake, monkeypatch) -> None:
    removing(monkeypatch, killed_after=None)

    def unavailable() -> SparkSession:
        raise Outside("there is no Java")

    wanted = verb.plan(TABLE, tables(), [Holder(key(KEPT), "run x")], ())
    with pytest.raises(Outside, match="no Java"):
        verb.vacuum(wanted, tables(), unavailable)
    assert (list(readable(lake)), records(lake)) == (list(range(NEWEST + 1)), [])
