"""A capsule's bytes depend on the files alone, and nothing in one can be written outside of its folder."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_assets.errors import CapsuleRefused, DataDamaged
from repro_assets.pins.capsule import Entry, entries_of, pack, shown, stays_inside

FILES = (
    Entry("b.txt", b"two"),
    Entry("a/run.sh", b"#!/bin/sh\n", executable=True),
    Entry("a/link", b"", link="../b.txt"),
    Entry("a.txt", b""),
)

NAMES = st.binary(min_size=1, max_size=120).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
PLAIN_NAMES = NAMES.filter(lambda name: "\0" not in name and "/" not in name and name not in (".", ".."))


def hostile(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for header, content in members:
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type = kind
    header.linkname = target
    return header


def test_the_order_in_which_files_are_listed_does_not_matter():
    assert pack(FILES) == pack(reversed(FILES))


def test_what_was_packed_comes_back_in_bytewise_order():
    found = entries_of(pack(FILES))

    assert [entry.path for entry in found] == ["a.txt", "a/link", "a/run.sh", "b.txt"]
    assert set(found) == set(FILES)


def test_members_stand_in_the_order_of_their_bytes():
    names = ["B", "a", "a-b", "ab/c", "é", "\udcff", "\U0001f600"]

    found = entries_of(pack([Entry(name, b"") for name in names[::-1]]))

    assert [entry.path for entry in found] == sorted(names, key=os.fsencode)


def test_members_carry_no_time_owner_or_odd_mode():
    with tarfile.open(fileobj=io.BytesIO(pack(FILES))) as tar:
        headers = tar.getmembers()

    assert {(one.mtime, one.uid, one.gid, one.uname, one.gname) for one in headers} == {(0, 0, 0, "", "")}
    assert {one.name: one.mode for one in headers if one.isfile()} == {
        "a.txt": 0o644,
        "a/run.sh": 0o755,
        "b.txt": 0o644,
    }


def test_the_bytes_are_the_same_in_every_version_of_python():
    long_name = Entry("deep/" + "x" * 150 + ".py", b"pass\n")
    digest = hashlib.sha256(pack([*FILES, long_name])).hexdigest()

    assert digest == "d4ffb264e0446306cf051893f86cd2c96b3ac38a1deb30bd3f82f30695b94f6d"


@pytest.mark.parametrize(
    "changed",
    [
        Entry("b.txt", b"Two"),
        Entry("b.txt", b"two", executable=True),
        Entry("c.txt", b"two"),
        Entry("b.txt", b"", link="a.txt"),
    ],
    ids=["content", "mode", "name", "kind"],
)
def test_a_change_of_any_file_changes_the_bytes(changed):
    assert pack([changed, *FILES[1:]]) != pack(FILES)


@given(st.dictionaries(PLAIN_NAMES, st.binary(max_size=50), max_size=5))
def test_files_of_any_name_and_content_come_back_unchanged(files):
    entries = [Entry(name, content) for name, content in files.items()]

    assert {entry.path: entry.content for entry in entries_of(pack(entries))} == files


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "a//x", "./x", "a/", "", "a/..", "x\0y"])
def test_an_unsafe_path_is_never_packed(path):
    with pytest.raises(CapsuleRefused):
        pack([Entry(path, b"")])


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "./x"])
def test_an_unsafe_path_in_a_capsule_is_refused(path):
    with pytest.raises(CapsuleRefused, match="path"):
        entries_of(hostile((member(path), b"1")))


@pytest.mark.parametrize(
    "kind",
    [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE],
    ids=["hard link", "character device", "block device", "FIFO", "folder"],
)
def test_a_member_that_is_neither_file_nor_link_is_refused(kind):
    with pytest.raises(CapsuleRefused, match="something else"):
        entries_of(hostile((member("x", kind, "y"), b"")))


def test_a_path_that_occurs_twice_is_refused():
    with pytest.raises(CapsuleRefused, match="twice"):
        entries_of(hostile((member("x"), b"1"), (member("x"), b"2")))


def test_a_file_below_a_link_is_refused():
    with pytest.raises(CapsuleRefused, match="needs a folder"):
        entries_of(hostile((member("a", tarfile.SYMTYPE, "b"), b""), (member("a/x"), b"1")))


LEAVING = {
    "absolute": {"a": "/etc/passwd"},
    "up": {"a": "../x"},
    "up from a folder": {"d/a": "../../x"},
    "through a link to its own folder": {"a": "b/../..", "b": "."},
    "through a link further down": {"d/e/up": "../..", "a": "d/e/up/.."},
    "by way of another link": {"a": "b", "b": "../x"},
}


@pytest.mark.parametrize("links", LEAVING.values(), ids=LEAVING.keys())
def test_a_link_that_leads_outside_is_refused(links):
    with pytest.raises(CapsuleRefused, match="leads out"):
        pack([Entry(path, b"", link=target) for path, target in links.items()])


STAYING = {
    "beside": {"a": "x"},
    "up and down": {"d/a": "../x"},
    "the top itself": {"d/a": ".."},
    "dangling": {"a": "nowhere/at/all"},
    "circle": {"a": "b", "b": "a"},
    "down first": {"a": "d/../x"},
}


@pytest.mark.parametrize("links", STAYING.values(), ids=STAYING.keys())
def test_a_link_that_stays_inside_is_kept(links):
    assert all(stays_inside(path, links) for path in links)
    assert {one.path: one.link for one in entries_of(pack([Entry(p, b"", link=t) for p, t in links.items()]))} == links


@pytest.mark.parametrize("cut", [100, 700, 1500], ids=["in a header", "in a file", "later"])
def test_a_tar_that_ends_too_early_is_damaged(cut):
    whole = pack([Entry("a", b"x" * 1000), Entry("b", b"y" * 1000)])

    with pytest.raises(DataDamaged):
        entries_of(whole[:cut])


def test_bytes_that_are_no_tar_are_damaged():
    with pytest.raises(DataDamaged):
        entries_of(b"not a tar at all" * 100)


@pytest.mark.parametrize("path", ["new\nline", "\x1b[31mred", " space ", "\udcff"])
def test_a_path_that_would_spoil_a_message_is_shown_escaped(path):
    assert shown(path).isprintable()
    assert shown(path) != path


def test_an_ordinary_path_is_shown_as_it_is():
    assert shown("src/größe und mehr.py") == "src/größe und mehr.py"
