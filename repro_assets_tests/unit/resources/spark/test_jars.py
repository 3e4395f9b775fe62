"""Jars of a cluster file: used only with the bytes that the file names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from repro_assets.errors import BadInput, DataDamaged, Outside
from repro_assets.pins.compute import Jar
from repro_assets.resources.spark import jars
from repro_assets.resources.spark.jars import as_setting, fetch_missing, jar_paths

CONTENT = {"io.delta:delta-storage:4.4.0": b"storage", "io.delta:delta-spark_4.2_2.13:4.4.0": b"spark"}
STORAGE, SPARK = (Jar(coordinate, hashlib.sha256(content).hexdigest()) for coordinate, content in CONTENT.items())


class FakeResolver:
    """Puts each jar where Spark's resolver would, and remembers what it was asked for."""

    def __init__(self, **other_content: bytes) -> None:
        self.asked: list[str] = []
        self.content = {**CONTENT, **other_content}

    def __call__(self, wanted: Sequence[Jar], scratch: Path) -> None:
        (scratch / "jars").mkdir()
        for jar in wanted:
            self.asked.append(jar.coordinate)
            (scratch / "jars" / jar.file_name).write_bytes(self.content[jar.coordinate])


@pytest.fixture
def resolver(monkeypatch) -> FakeResolver:
    fake = FakeResolver()
    monkeypatch.setattr(jars, "_resolve", fake)
    return fake


def test_jars_that_are_there_are_given_in_the_order_of_the_file(tmp_path) -> None:
    for jar in (STORAGE, SPARK):
        (tmp_path / jar.file_name).write_bytes(CONTENT[jar.coordinate])

    assert jar_paths([SPARK, STORAGE], tmp_path) == [tmp_path / SPARK.file_name, tmp_path / STORAGE.file_name]


def test_a_missing_jar_is_refused_with_the_command_that_fetches_it(tmp_path) -> None:
    with pytest.raises(Outside, match="make setup") as refused:
        jar_paths([STORAGE], tmp_path)
    assert STORAGE.file_name in str(refused.value)


def test_a_jar_with_other_bytes_is_refused_with_both_digests(tmp_path) -> None:
    (tmp_path / STORAGE.file_name).write_bytes(b"other")

    with pytest.raises(DataDamaged, match=f"expected {STORAGE.sha256}") as refused:
        jar_paths([STORAGE], tmp_path)
    assert hashlib.sha256(b"other").hexdigest() in str(refused.value)


def test_nothing_is_fetched_where_all_is_there(tmp_path, resolver) -> None:
    (tmp_path / STORAGE.file_name).write_bytes(b"storage")

    assert fetch_missing([STORAGE], tmp_path) == []
    assert resolver.asked == []


def test_only_what_is_missing_is_fetched(tmp_path, resolver) -> None:
    (tmp_path / STORAGE.file_name).write_bytes(b"storage")

    assert fetch_missing([STORAGE, SPARK], tmp_path) == [SPARK.coordinate]
    assert resolver.asked == [SPARK.coordinate]
    assert (tmp_path / SPARK.file_name).read_bytes() == b"spark"


def test_a_folder_that_is_not_there_yet_is_made(tmp_path, resolver) -> None:
    fetch_missing([STORAGE], tmp_path / "var" / "jars")

    assert [path.name for path in (tmp_path / "var" / "jars").iterdir()] == [STORAGE.file_name]


def test_a_fetched_jar_with_other_bytes_is_refused_and_not_kept(tmp_path, resolver) -> None:
    resolver.content[STORAGE.coordinate] = b"somebody else's"

    with pytest.raises(DataDamaged):
        fetch_missing([STORAGE], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_jar_that_is_there_is_refused_and_not_fetched_over(tmp_path, resolver) -> None:
    (tmp_path / STORAGE.file_name).write_bytes(b"other")

    with pytest.raises(DataDamaged, match="Remove it and run `make setup`"):
        fetch_missing([STORAGE], tmp_path)
    assert resolver.asked == []


@pytest.mark.parametrize("name", ["a,b", "a#b", "a[1]", "{a}", "a*", "a?", "a\\b"])
def test_a_folder_whose_name_spark_takes_for_a_list_or_a_pattern_is_refused(name) -> None:
    with pytest.raises(BadInput, match=r"can't load a jar from below a folder of this name.*REPRO_VAR"):
        as_setting([Path("/") / name / "jars" / "a.jar"])


def test_blanks_and_percents_in_a_folder_s_name_will_do() -> None:
    paths = [Path("/a var/50%25/a.jar"), Path("/a var/50%25/b.jar")]

    assert as_setting(paths) == "/a var/50%25/a.jar,/a var/50%25/b.jar"
