"""Bytes at a URI: whole or not at all, in a folder as in an object store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from repro_assets.errors import Outside, ReproError
from repro_assets.resources import storage


@pytest.fixture(params=["file", "memory"])
def root(request, tmp_path: Path) -> Iterator[str]:
    """A fresh location, in a folder and in a store that is none."""
    if request.param == "file":
        yield tmp_path.as_uri()
        return
    uri = f"memory://{uuid.uuid4().hex}"
    yield uri
    storage.remove(uri)


def test_what_is_written_can_be_read(root) -> None:
    storage.write_bytes(f"{root}/a/b/c.bin", b"\0\xff")

    assert storage.read_bytes(f"{root}/a/b/c.bin") == b"\0\xff"


def test_a_write_replaces_what_stood_there(root) -> None:
    storage.write_bytes(f"{root}/a", b"long content")
    storage.write_bytes(f"{root}/a", b"short")

    assert storage.read_bytes(f"{root}/a") == b"short"


def test_what_is_not_there_is_a_missing_file(root) -> None:
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(f"{root}/nothing")


def test_existence_is_known_of_files_folders_and_nothing(root) -> None:
    storage.write_bytes(f"{root}/folder/file", b"")

    assert storage.exists(f"{root}/folder/file")
    assert storage.exists(f"{root}/folder")
    assert not storage.exists(f"{root}/folder/other")


def test_names_are_those_directly_below_and_sorted(root) -> None:
    for path in ("f/b.json", "f/a.json", "f/deeper/c.json", "g.json"):
        storage.write_bytes(f"{root}/{path}", b"")

    assert storage.names(f"{root}/f") == ["a.json", "b.json", "deeper"]
    assert storage.names(f"{root}/f/") == ["a.json", "b.json", "deeper"]


def test_a_folder_that_is_not_there_holds_no_names(root) -> None:
    assert storage.names(f"{root}/nothing") == []


def test_files_below_are_relative_and_sorted_at_every_depth(root) -> None:
    for path in ("f/b.json", "f/deeper/c.json", "f/a.json", "fa.json"):
        storage.write_bytes(f"{root}/{path}", b"")

    assert storage.files_below(f"{root}/f") == ["a.json", "b.json", "deeper/c.json"]


def test_a_folder_is_removed_with_all_below_and_twice_without_complaint(root) -> None:
    storage.write_bytes(f"{root}/f/deeper/c.json", b"")
    storage.write_bytes(f"{root}/g.json", b"")

    storage.remove(f"{root}/f")
    storage.remove(f"{root}/f")

    assert storage.files_below(root) == ["g.json"]


def test_the_first_writer_wins_and_the_second_is_told(root) -> None:
    assert storage.write_if_absent(f"{root}/made/marker", b"first") is True
    assert storage.write_if_absent(f"{root}/made/marker", b"second") is False

    assert storage.read_bytes(f"{root}/made/marker") == b"first"


def test_a_lost_race_leaves_nothing_behind(root) -> None:
    storage.write_if_absent(f"{root}/f/marker", b"first")
    storage.write_if_absent(f"{root}/f/marker", b"second")

    assert storage.names(f"{root}/f") == ["marker"]


def test_of_writers_at_once_exactly_one_wins_and_its_bytes_stand(tmp_path) -> None:
    uri = storage.join(tmp_path.as_uri(), "marker")
    together = threading.Barrier(8)
    won: list[bytes] = []

    def write(content: bytes) -> None:
        together.wait()
        if storage.write_if_absent(uri, content):
            won.append(content)

    threads = [threading.Thread(target=write, args=(bytes([number]) * 100_000,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [storage.read_bytes(uri)] == won


_KILLED_WRITER = """
import os, signal, sys
from repro_assets.resources import storage

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, sys.argv[1], die)
storage.write_if_absent(sys.argv[2], b"whole")
"""


@pytest.mark.parametrize("moment", ["fsync", "link"])
def test_a_writer_killed_half_way_leaves_no_visible_name(tmp_path, moment) -> None:
    uri = storage.join(tmp_path.as_uri(), "marker")

    killed = subprocess.run([sys.executable, "-c", _KILLED_WRITER, moment, uri], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert not storage.exists(uri)
    assert storage.write_if_absent(uri, b"next") is True


def test_a_writer_killed_after_the_name_appeared_left_the_whole_content(tmp_path) -> None:
    uri = storage.join(tmp_path.as_uri(), "marker")

    subprocess.run([sys.executable, "-c", _KILLED_WRITER, "unlink", uri], check=False)

    assert storage.read_bytes(uri) == b"whole"
    assert storage.write_if_absent(uri, b"next") is False


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param(("s3://bucket/lake", "raw", "t"), "s3://bucket/lake/raw/t", id="parts"),
        pytest.param(("s3://bucket/lake/", "raw"), "s3://bucket/lake/raw", id="a slash at the end"),
        pytest.param(("file:///lake",), "file:///lake", id="no part"),
    ],
)
def test_uris_are_joined_by_one_slash(parts, expected) -> None:
    assert storage.join(*parts) == expected


def test_a_location_that_can_t_be_read_fails_outside_of_this_project(tmp_path) -> None:
    with pytest.raises(Outside, match="can't be read"):
        storage.read_bytes(tmp_path.as_uri())


@pytest.mark.parametrize(
    "write",
    [storage.write_bytes, storage.write_if_absent],
    ids=["write_bytes", "write_if_absent"],
)
def test_a_location_that_can_t_be_written_fails_outside_of_this_project(tmp_path, write) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Outside, match="file/below"):
        write(storage.join(tmp_path.as_uri(), "file", "below", "marker"), b"")


@pytest.mark.parametrize("store", ["nosuchstore", "s3"], ids=["unknown", "known but not installed"])
def test_a_store_without_its_driver_is_refused_by_its_name(store) -> None:
    with pytest.raises(ReproError, match=store):
        storage.names(f"{store}://bucket/lake")


def test_files_of_a_writer_are_as_readable_as_its_umask_says(tmp_path) -> None:
    storage.write_if_absent(storage.join(tmp_path.as_uri(), "marker"), b"")
    (tmp_path / "other").write_bytes(b"")

    assert os.stat(tmp_path / "marker").st_mode == os.stat(tmp_path / "other").st_mode
