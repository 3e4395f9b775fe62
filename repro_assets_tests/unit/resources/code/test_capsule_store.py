"""A capsule is stored once, proved whenever it is touched, and unpacked whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile

import pytest

from repro_assets.errors import BadInput, Blocked, CapsuleRefused, DataDamaged, Outside
from repro_assets.pins.capsule import Entry, pack
from repro_assets.resources.code.capsule_store import capsule_path, keep, load, read_files, unpack

ENTRIES = (
    Entry("pyproject.toml", b"[project]\n"),
    Entry("bin/run.sh", b"#!/bin/sh\n", executable=True),
    Entry("a/b/link", b"", link="../../bin/run.sh"),
)
TAR = pack(ENTRIES)
SHA256 = hashlib.sha256(TAR).hexdigest()


@pytest.fixture
def store(tmp_path):
    return tmp_path / "capsules"


@pytest.fixture
def capsule(store):
    keep(TAR, store)
    return capsule_path(store, SHA256)


def planted(store, content: bytes):
    """A capsule whose digest is right, made by somebody else."""
    store.mkdir(exist_ok=True)
    sha256 = hashlib.sha256(content).hexdigest()
    path = capsule_path(store, sha256)
    path.write_bytes(gzip.compress(content))
    return path, sha256


def test_a_capsule_lies_under_the_digest_of_its_uncompressed_tar(store):
    assert keep(TAR, store) == SHA256
    assert gzip.decompress((store / f"{SHA256}.tar.gz").read_bytes()) == TAR


def test_the_compressed_file_carries_no_time(capsule):
    # RFC 1952: bytes 4 to 7 are the time.
    assert capsule.read_bytes()[4:8] == b"\0\0\0\0"


def test_a_capsule_that_is_there_is_not_written_again(store, capsule):
    before = capsule.stat()

    keep(TAR, store)

    assert (capsule.stat().st_ino, capsule.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_nothing_else_is_left_in_the_store(store, capsule):
    assert list(store.iterdir()) == [capsule]


def test_others_can_read_a_capsule_whatever_the_umask(store):
    old = os.umask(0o077)
    try:
        keep(TAR, store)
    finally:
        os.umask(old)

    assert stat.S_IMODE(capsule_path(store, SHA256).stat().st_mode) == 0o644


DAMAGE = {
    "cut": lambda content: content[:-20],
    "empty": lambda content: b"",
    "no gzip": lambda content: b"x" * len(content),
    "other content": lambda content: gzip.compress(b"other"),
    "longer": lambda content: gzip.compress(TAR + b"more"),
    "a flipped bit": lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_capsule_is_never_taken_for_the_one_that_was_stored(store, capsule, tmp_path, damage):
    capsule.write_bytes(damage(capsule.read_bytes()))

    with pytest.raises(DataDamaged, match=SHA256):
        keep(TAR, store)
    with pytest.raises(DataDamaged):
        read_files(capsule, SHA256)
    with pytest.raises(DataDamaged):
        unpack(capsule, SHA256, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_capsule_that_is_gone_blocks(store):
    with pytest.raises(Blocked, match=SHA256):
        load(capsule_path(store, SHA256), SHA256)


def test_a_store_that_cannot_be_written_is_an_error_with_its_place(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(Outside, match="REPRO_CAPSULES"):
        keep(TAR, tmp_path / "file/capsules")


def test_a_failed_write_leaves_nothing_behind(store, monkeypatch):
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("repro_assets.resources.code.capsule_store.os.replace", full)

    with pytest.raises(Outside, match="No space left"):
        keep(TAR, store)
    assert list(store.iterdir()) == []


@pytest.mark.parametrize("digest", ["", "../x", "A" * 64, "a" * 63, "a" * 63 + "/"])
def test_a_digest_that_is_none_never_becomes_a_path(store, digest):
    with pytest.raises(BadInput):
        capsule_path(store, digest)


def test_the_files_of_a_capsule_are_listed_with_their_digests(capsule):
    assert read_files(capsule, SHA256) == {
        "a/b/link": hashlib.sha256(b"../../bin/run.sh").hexdigest(),
        "bin/run.sh": hashlib.sha256(b"#!/bin/sh\n").hexdigest(),
        "pyproject.toml": hashlib.sha256(b"[project]\n").hexdigest(),
    }


def test_unpacked_files_have_their_contents_modes_and_links_whatever_the_umask(capsule, tmp_path):
    target = tmp_path / "deep/target"
    old = os.umask(0o077)
    try:
        unpack(capsule, SHA256, target)
    finally:
        os.umask(old)

    assert (target / "pyproject.toml").read_bytes() == b"[project]\n"
    assert os.readlink(target / "a/b/link") == "../../bin/run.sh"
    modes = {
        path: stat.S_IMODE((target / path).stat().st_mode) for path in (".", "a/b", "pyproject.toml", "bin/run.sh")
    }
    assert modes == {".": 0o755, "a/b": 0o755, "pyproject.toml": 0o644, "bin/run.sh": 0o755}


def test_an_empty_folder_may_be_unpacked_into(capsule, tmp_path):
    (tmp_path / "target").mkdir()

    unpack(capsule, SHA256, tmp_path / "target")

    assert (tmp_path / "target/pyproject.toml").is_file()


@pytest.mark.parametrize("kind", ["full folder", "file", "link"])
def test_nothing_that_exists_is_unpacked_over(capsule, tmp_path, kind):
    target = tmp_path / "target"
    if kind == "file":
        target.write_text("mine")
    elif kind == "link":
        (tmp_path / "elsewhere").mkdir()
        target.symlink_to(tmp_path / "elsewhere")
    else:
        target.mkdir()
        (target / "mine").write_text("mine")

    with pytest.raises(BadInput, match="new folder"):
        unpack(capsule, SHA256, target)


def test_too_many_files_are_refused(capsule, tmp_path):
    with pytest.raises(CapsuleRefused, match="too many files"):
        unpack(capsule, SHA256, tmp_path / "target", most_files=2)


def test_too_many_bytes_are_refused_before_they_are_all_uncompressed(store, tmp_path):
    path, sha256 = planted(store, b"\0" * 10_000_000)

    with pytest.raises(DataDamaged, match="more than 1000 bytes"):
        unpack(path, sha256, tmp_path / "target", most_bytes=1000)


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("../escaped", tarfile.REGTYPE, ""),
        ("/escaped", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "../escaped"),
        ("link", tarfile.SYMTYPE, "/etc"),
        ("device", tarfile.CHRTYPE, ""),
        ("hard", tarfile.LNKTYPE, "pyproject.toml"),
    ],
    ids=["dots", "absolute", "link up", "absolute link", "device", "hard link"],
)
def test_a_hostile_capsule_writes_nothing(store, tmp_path, name, kind, target):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("pyproject.toml"))
        header = tarfile.TarInfo(name)
        header.type, header.linkname = kind, target
        tar.addfile(header)
    path, sha256 = planted(store, buffer.getvalue())

    with pytest.raises(CapsuleRefused):
        unpack(path, sha256, tmp_path / "inside/target")
    assert not (tmp_path / "inside").exists()


def tar_of(*names: str, size: int | None = None) -> bytes:
    """A tar that somebody else wrote: whatever names, and a size that its content may not have."""
    buffer = io.BytesIO()
    for name in names:
        header = tarfile.TarInfo(name)
        header.size = size or 0
        buffer.write(header.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
    return buffer.getvalue() + bytes(1024)


HOSTILE_TARS = {
    "a way up": tar_of("../evil"),
    "a way up inside": tar_of("a/../../evil"),
    "an absolute path": tar_of("/tmp/evil"),
    "one name twice": tar_of("a", "a"),
    "one name twice, spelled in two ways": tar_of("a", "./a"),
    "a file where a folder is needed": tar_of("a", "a/b"),
    "a name of 300 bytes": tar_of("x" * 300),
    "a path of 5,000 bytes": tar_of("/".join(["x" * 99] * 50)),
    "a size of 8 TB": tar_of("a", size=8 * 1024**4),
    "more files than anybody has": tar_of(*(f"{number}" for number in range(20_001))),
}


@pytest.mark.parametrize("content", HOSTILE_TARS.values(), ids=list(HOSTILE_TARS))
def test_a_hostile_capsule_is_refused_and_nothing_is_written(tmp_path, content) -> None:
    sha256 = keep(content, tmp_path / "store")

    with pytest.raises((CapsuleRefused, DataDamaged)) as refused:
        unpack(capsule_path(tmp_path / "store", sha256), sha256, tmp_path / "below" / "tree")

    assert str(refused.value).isprintable()
    assert not (tmp_path / "below").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_names_that_differ_in_case_come_back_as_they_were(tmp_path) -> None:
    sha256 = keep(pack([Entry("Readme", b"1"), Entry("readme", b"2"), Entry("README", b"3")]), tmp_path / "store")

    unpack(capsule_path(tmp_path / "store", sha256), sha256, tmp_path / "tree")

    found = {path.name: path.read_bytes() for path in (tmp_path / "tree").iterdir()}
    assert {name: found[name] for name in ("Readme", "readme", "README")} == {
        "Readme": b"1",
        "readme": b"2",
        "README": b"3",
    }
