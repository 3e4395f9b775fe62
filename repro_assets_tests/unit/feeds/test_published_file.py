"""Bytes of published files: read, uncompressed within bounds, hashed."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
from pathlib import Path

import pytest

from repro_assets.errors import MalformedFeed
from repro_assets.feeds import published_file
from repro_assets.feeds.anomalies import AnomalyRefused
from repro_assets.feeds.published_file import open_published, read_file, uncompress

CONTENT = b"UID,1/22/20\n84001001,1\n"


def test_both_digests_of_a_packed_file_are_kept() -> None:
    packed = gzip.compress(CONTENT)
    publication = open_published("cases.csv.gz", packed, "2020-06-11").publication
    assert publication.sha256 == hashlib.sha256(packed).hexdigest()
    assert publication.content_sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_packed_and_a_plain_file_have_the_same_content() -> None:
    assert (
        open_published("a.csv.gz", gzip.compress(CONTENT), None).content
        == open_published("a.csv", CONTENT, None).content
    )


def test_all_members_of_a_gzip_file_are_read() -> None:
    assert uncompress(gzip.compress(CONTENT) + gzip.compress(CONTENT), "a.csv.gz") == CONTENT * 2


def test_zero_padding_after_a_gzip_file_is_allowed() -> None:
    assert uncompress(gzip.compress(CONTENT) + b"\0" * 512, "a.csv.gz") == CONTENT


def test_a_file_of_several_chunks_is_unpacked_whole() -> None:
    content = os.urandom(3 * 2**20)
    assert uncompress(gzip.compress(content, 1), "a.csv.gz") == content


@pytest.mark.parametrize(
    "left", [pytest.param(1, id="last byte"), pytest.param(8, id="trailer"), pytest.param(20, id="data")]
)
def test_a_truncated_gzip_file_is_refused(left: int) -> None:
    with pytest.raises(MalformedFeed, match=r"ends too early \[cases.csv.gz, row \d"):
        uncompress(gzip.compress(CONTENT)[:-left], "cases.csv.gz")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gzip.compress(CONTENT)[:-8] + b"\1" * 8, id="wrong checksum"),
        pytest.param(gzip.compress(CONTENT) + b"more", id="other bytes behind it"),
    ],
)
def test_a_damaged_gzip_file_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedFeed, match="damaged"):
        uncompress(data, "cases.csv.gz")


def test_a_decompression_bomb_is_refused() -> None:
    with pytest.raises(MalformedFeed, match="unpacks to far more"):
        uncompress(gzip.compress(b"0" * (32 * 2**20)), "cases.csv.gz")


def test_a_gzip_file_of_empty_members_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_file, "_LARGEST_MEMBERS", 3)
    assert uncompress(gzip.compress(b"") * 2 + gzip.compress(CONTENT), "cases.csv.gz") == CONTENT
    with pytest.raises(AnomalyRefused, match="gzip_bomb - the gzip file has too many members"):
        uncompress(gzip.compress(b"") * 4, "cases.csv.gz")


def test_a_refused_gzip_file_names_the_row_that_unpacking_had_come_to() -> None:
    packed = gzip.compress(CONTENT) + gzip.compress(CONTENT)[:-9]
    with pytest.raises(AnomalyRefused, match=r"gzip_truncated.*row 5"):
        uncompress(packed, "cases.csv.gz")


@pytest.mark.parametrize("size", [2**14 - 1, 2**14, 2**14 + 1, 5 * 2**20], ids=str)
def test_members_of_any_size_are_unpacked_whole(size: int) -> None:
    content = random.Random(size).randbytes(size)
    assert uncompress(gzip.compress(content, 0) + b"\0" * 7 + gzip.compress(content), "a.csv.gz") == content * 2


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20], ids=str)
@pytest.mark.parametrize("behind", [b"", b"\0" * 512, gzip.compress(CONTENT)], ids=["nothing", "padding", "a member"])
def test_a_member_that_shrinks_a_lot_is_unpacked_whole_whatever_is_behind_it(size: int, behind: bytes) -> None:
    content = (b"0," * size)[:size]
    expected = content + (CONTENT if behind.startswith(b"\x1f") else b"")
    assert uncompress(gzip.compress(content) + behind, "a.csv.gz") == expected


def test_a_small_file_may_shrink_a_lot() -> None:
    content = b"0,\n" * 2**20
    assert uncompress(gzip.compress(content), "cases.csv.gz") == content


def test_a_plain_file_under_a_gzip_name_is_refused() -> None:
    with pytest.raises(MalformedFeed, match="not a gzip file"):
        uncompress(CONTENT, "cases.csv.gz@0123abcd")


@pytest.mark.parametrize("data", [pytest.param(b"", id="plain"), pytest.param(gzip.compress(b""), id="packed")])
def test_an_empty_file_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedFeed, match="empty"):
        uncompress(data, "cases.csv")


def test_a_file_over_the_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_file, "LARGEST_BYTES", 10)
    (tmp_path / "cases.csv").write_bytes(CONTENT)
    with pytest.raises(MalformedFeed, match="too_large - the file is too large"):
        read_file(tmp_path / "cases.csv")


def test_a_missing_file_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(MalformedFeed, match=r"no such file \[.*/nowhere.csv\]"):
        read_file(tmp_path / "nowhere.csv")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedFeed, match="not a regular file"):
        read_file(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cases.csv")
    with pytest.raises(MalformedFeed, match="not a regular file"):
        read_file(tmp_path / "cases.csv")
