"""What can not be kept whole, readable and harmless is refused by name, and a moving tree is read again."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from repro_assets.errors import CapsuleRefused, DataDamaged
from repro_assets.resources.code import source_tree
from repro_assets.resources.code.capsule_store import capsule_path, unpack
from repro_assets.resources.code.source_tree import capture
from repro_assets_tests.unit.resources.code.trees import FILES, captured, commit, git, sha256, write

pytestmark = pytest.mark.usefixtures("no_settings_of_this_machine")


def test_a_tree_over_the_limit_is_refused_with_its_largest_files_and_the_rule(repository, store):
    write(repository, {"data/[large].csv": "x" * 5000, "data/second.csv": "x" * 3000})

    with pytest.raises(CapsuleRefused) as refused:
        capture(repository, store, limit_bytes=6000)

    message = str(refused.value)
    assert message.index("large].csv (5,000 bytes)") < message.index("second.csv (3,000 bytes)")
    assert r"`/data/\[large].csv`" in message
    assert "git rm" not in message
    assert not store.exists()


def test_of_a_tracked_file_over_the_limit_it_is_said_how_to_untrack_it(repository, store):
    write(repository, {"large.csv": "x" * 5000})
    commit(repository)

    with pytest.raises(CapsuleRefused, match="git rm --cached"):
        capture(repository, store, limit_bytes=4000)


def test_a_tree_of_exactly_the_limit_is_captured(plain, store):
    assert capture(plain, store, limit_bytes=sum(map(len, FILES.values()))).files == 4


KINDS = {
    "private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "AWS access key": "AKIA" + "Q3EGRIFZ2ABCDEFG",
    "GitHub token": "ghp_" + "aB3d" * 9,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", ["no git", "untracked", "staged", "committed", "changed"])
def test_a_secret_stops_the_capture_with_name_and_line_and_nothing_is_stored(plain, store, state, kind):
    if state == "changed":
        write(plain, {"p/keys.py": "x = 1\n"})
    if state != "no git":
        git(plain, "init", "-q")
    if state == "changed":
        commit(plain)
    write(plain, {"p/keys.py": f"x = 1\nkey = '{KINDS[kind]}'\n"})
    if state in ("staged", "committed"):
        git(plain, "add", "-A")
    if state == "committed":
        commit(plain)

    with pytest.raises(CapsuleRefused, match=rf"p/keys\.py:2.*{kind}") as refused:
        capture(plain, store)
    assert KINDS[kind] not in str(refused.value)
    assert not store.exists()


def test_a_password_in_a_source_stops_the_capture_with_name_and_line(plain, store):
    write(plain, {"p/keys.py": "x = 1\nDB_PASSWORD = 'kR7v" + "Q2mm'\n"})

    with pytest.raises(CapsuleRefused, match=r"p/keys\.py:2.*a name that says secret.*repro: no secret") as refused:
        capture(plain, store)
    assert "kR7v" not in str(refused.value)
    assert not store.exists()


@pytest.mark.parametrize("line", ["DB_PASSWORD = 'changeme1'", "DB_PASSWORD = 'kR7v" + "Q2mm'  # repro: no secret"])
def test_a_line_that_opens_nothing_stops_no_capture(plain, store, line):
    write(plain, {"p/keys.py": f"{line}\n"})

    assert capture(plain, store).files == 5


@pytest.mark.parametrize("what", ["branch", "remote's address"])
def test_a_branch_or_remote_that_holds_a_secret_stops_the_capture(repository, store, what):
    token = KINDS["GitHub token"]
    if what == "branch":
        git(repository, "checkout", "-q", "-b", f"fix/{token}")
    else:
        git(repository, "remote", "add", "origin", f"https://git.example.org/{token}/p.git")

    with pytest.raises(
        CapsuleRefused, match=rf"the git {what} holds what looks like a secret.*\(redacted\)"
    ) as refused:
        capture(repository, store)
    assert token not in str(refused.value)
    assert not store.exists()


@pytest.mark.parametrize("way", ["a file", "a folder", "the target of a link"])
def test_a_name_that_looks_like_a_secret_stops_the_capture(plain, store, way):
    token = KINDS["GitHub token"]
    if way == "the target of a link":
        (plain / "p/alias").symlink_to(token)
    else:
        write(plain, {f"p/{token}.txt" if way == "a file" else f"p/{token}/b.txt": "x"})

    with pytest.raises(CapsuleRefused, match=r"a name in the source tree.*GitHub token") as refused:
        capture(plain, store)
    assert token not in str(refused.value)
    assert not store.exists()


def test_a_tree_of_too_many_files_is_refused_with_the_folder_that_holds_most(plain, store, monkeypatch):
    monkeypatch.setattr(source_tree, "MOST_FILES", 3)

    with pytest.raises(CapsuleRefused, match=r"p \(2 files\).*4 files.*at most 3"):
        capture(plain, store)


def test_a_secret_in_an_ignored_file_does_not_matter(repository, store):
    write(repository, {"x.log": "-----BEGIN " + "RSA PRIVATE KEY-----"})

    assert capture(repository, store).files == 4


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(("make", "name"), [(make_fifo, "FIFO"), (make_socket, "socket")], ids=["FIFO", "socket"])
def test_what_is_neither_file_nor_link_is_refused(plain, store, make, name, monkeypatch):
    # The path of a socket may be no longer than about 100 bytes.
    monkeypatch.chdir(plain)
    make(Path("odd"))

    with pytest.raises(CapsuleRefused, match=f"odd.*{name}"):
        capture(plain, store)


def test_a_tracked_file_that_became_a_fifo_is_refused(repository, store):
    (repository / "p/a.py").unlink()
    os.mkfifo(repository / "p/a.py")

    with pytest.raises(CapsuleRefused, match="FIFO"):
        capture(repository, store)


@pytest.mark.parametrize("target", ["/etc/hosts", "../outside", "p/../../outside"])
def test_a_link_that_leads_outside_is_refused_with_its_name(repository, store, target):
    (repository / "leaving").symlink_to(target)

    with pytest.raises(CapsuleRefused, match="leaving"):
        capture(repository, store)


@pytest.mark.parametrize("with_git", [True, False], ids=["git", "no git"])
def test_a_link_to_a_folder_inside_is_kept_as_a_link(plain, store, tmp_path, with_git):
    (plain / "alias").symlink_to("p")
    if with_git:
        git(plain, "init", "-q")

    pin = capture(plain, store)
    unpack(capsule_path(store, pin.capsule), pin.capsule, tmp_path / "target")

    assert os.readlink(tmp_path / "target/alias") == "p"
    assert pin.files == 5


def test_tracked_files_behind_a_folder_that_became_a_link_are_gone(repository, store):
    shutil.move(repository / "p", repository / "q")
    (repository / "p").symlink_to("q")

    assert set(captured(repository, store)) == {".gitignore", "p", "pyproject.toml", "q/a.py", "q/b.py"}


def test_a_file_that_cannot_be_read_is_refused_with_its_name(plain, store, monkeypatch):
    real = os.open

    def forbidding(path, flags, *more, **named):
        if os.fsencode(path).endswith(b"b.py"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, *more, **named)

    monkeypatch.setattr(source_tree.os, "open", forbidding)

    with pytest.raises(CapsuleRefused, match=r"p/b\.py.*Permission denied"):
        capture(plain, store)


def disturb(monkeypatch, change, times: int) -> None:
    """Change the tree right after a file was read, the first `times` times."""
    real, done = source_tree._read, []

    def reading(where: bytes, size: int) -> bytes:
        content = real(where, size)
        if where.endswith(b"a.py") and len(done) < times:
            done.append(where)
            change(len(done))
        return content

    monkeypatch.setattr(source_tree, "_read", reading)


CHANGES = {
    "edited": lambda folder, count: (folder / "p/a.py").write_text(f"a = {count + 1}\n"),
    "another one edited": lambda folder, count: (folder / "p/b.py").write_text("longer\n" * count),
    "one made": lambda folder, count: (folder / f"p/new{count}.py").write_text(""),
    "one removed": lambda folder, count: (folder / "p/b.py").unlink(missing_ok=True),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_tree_that_changes_while_it_is_read_is_read_again(repository, store, monkeypatch, change):
    disturb(monkeypatch, lambda count: change(repository, count), times=1)

    found = captured(repository, store)

    on_disk = [path for path in repository.rglob("*") if path.is_file() and ".git" not in path.parts]
    expected = {str(path.relative_to(repository)): sha256(path.read_text()) for path in on_disk}
    assert found == expected


def test_a_tree_that_never_stops_changing_is_refused_with_the_file(repository, store, monkeypatch):
    disturb(monkeypatch, lambda count: CHANGES["another one edited"](repository, count), times=99)

    with pytest.raises(CapsuleRefused, match=r"keeps changing.*p/b\.py"):
        capture(repository, store)


def test_a_damaged_capsule_in_the_store_is_found_at_the_next_capture(repository, store):
    pin = capture(repository, store)
    capsule_path(store, pin.capsule).write_bytes(b"damaged")

    with pytest.raises(DataDamaged, match=pin.capsule):
        capture(repository, store)
