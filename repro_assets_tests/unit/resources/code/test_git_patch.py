"""Beside the capsule of a repository lies a patch against its commit, and what it says is what the tree became."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from repro_assets.resources.code.capsule_store import capsule_path, patch_path, unpack
from repro_assets.resources.code.source_tree import capture
from repro_assets_tests.unit.resources.code.trees import FILES, commit, git, write

pytestmark = pytest.mark.usefixtures("no_settings_of_this_machine")

EDITS = {"p/a.py": "a = 2\n", "p/new.py": "new = 1\n", "-leading": "1\n", "🚀 größe\n.py": "2\n"}
KEY = "-----BEGIN " + "RSA PRIVATE KEY-----\nMII\n"


def patch_of(project: Path, store: Path) -> bytes:
    pin = capture(project, store)
    assert pin.commit is not None
    return patch_path(store, pin.capsule, pin.commit).read_bytes()


def with_submodule(repository: Path, tmp_path: Path) -> Path:
    library = write(tmp_path / "library", {"lib.py": "1\n", "kept.py": "1\n"})
    git(library, "init", "-q")
    commit(library)
    git(repository, "submodule", "add", "-q", str(library), "vendor/library")
    commit(repository)
    return repository


def test_the_patch_of_a_clean_tree_is_empty(repository, store):
    assert patch_of(repository, store) == b""
    assert not capture(repository, store).dirty


def test_the_patch_names_the_commit_and_shows_changes_additions_and_deletions(repository, store):
    write(repository, {"p/a.py": "a = 2\n", "p/new.py": "new = 1\n"})
    (repository / "p/b.py").unlink()

    text = patch_of(repository, store).decode()

    assert text.startswith(f"# The source tree against commit {git(repository, 'rev-parse', 'HEAD')}.\n")
    assert "--- a/p/a.py\n+++ b/p/a.py\n@@ -1 +1 @@\n-a = 1\n+a = 2\n" in text
    assert "--- a/p/b.py\n+++ /dev/null\n" in text
    assert "--- /dev/null\n+++ b/p/new.py\n@@ -0,0 +1 @@\n+new = 1\n" in text


def test_the_patch_applied_to_the_commit_gives_the_captured_tree(repository, store, tmp_path):
    write(repository, EDITS)
    (repository / "p/b.py").unlink()
    (repository / "p/a.py").chmod(0o755)
    (repository / "link").symlink_to("p/a.py")
    pin = capture(repository, store)
    git(tmp_path, "clone", "-q", str(repository), "clone")

    git(tmp_path / "clone", "apply", str(patch_path(store, pin.capsule, pin.commit)))

    assert capture(tmp_path / "clone", store).capsule == pin.capsule


def test_a_file_that_is_no_text_is_named_and_not_dumped(repository, store):
    (repository / "picture.png").write_bytes(b"\x89PNG\0\1\2\3")

    text = patch_of(repository, store)

    assert b"Binary files /dev/null and b/picture.png differ" in text
    assert b"\1\2\3" not in text


@pytest.mark.parametrize(
    "told",
    [("update-index", "--assume-unchanged"), ("update-index", "--skip-worktree")],
    ids=["assume-unchanged", "skip-worktree"],
)
def test_an_edit_that_git_was_told_to_overlook_makes_the_tree_dirty_and_stands_in_the_patch(repository, store, told):
    git(repository, *told, "p/a.py")
    write(repository, {"p/a.py": "edited\n"})
    assert git(repository, "status", "--porcelain") == ""

    assert capture(repository, store).dirty
    assert b"+edited\n" in patch_of(repository, store)


def test_a_file_left_out_by_a_sparse_checkout_is_missing_in_the_tree(repository, store):
    write(repository, {"q/c.py": "c = 1\n"})
    commit(repository)
    git(repository, "sparse-checkout", "set", "p")
    assert git(repository, "status", "--porcelain") == ""

    assert capture(repository, store).dirty
    assert b"--- a/q/c.py\n+++ /dev/null\n" in patch_of(repository, store)


def test_an_edit_staged_and_taken_back_leaves_a_clean_tree(repository, store):
    write(repository, {"p/a.py": "staged\n"})
    git(repository, "add", "p/a.py")
    write(repository, {"p/a.py": FILES["p/a.py"]})

    assert not capture(repository, store).dirty


def test_of_a_file_staged_and_then_edited_the_text_on_disk_stands_in_the_patch(repository, store):
    write(repository, {"p/a.py": "staged\n"})
    git(repository, "add", "p/a.py")
    write(repository, {"p/a.py": "edited\n"})

    text = patch_of(repository, store)

    assert b"-a = 1\n+edited\n" in text
    assert b"staged" not in text


def test_line_endings_that_git_converts_are_no_difference(repository, store):
    write(repository, {".gitattributes": "*.py text eol=crlf\n"})
    commit(repository)
    (repository / "p/a.py").write_bytes(b"a = 1\r\n")

    assert not capture(repository, store).dirty


def test_a_change_below_another_folder_of_the_repository_does_not_count(tmp_path, store):
    whole = write(
        tmp_path / "whole", {"elsewhere.py": "1\n", "a b/project/pyproject.toml": "", "a b/project/a.py": "2\n"}
    )
    git(whole, "init", "-q", "-b", "main")
    commit(whole)
    write(whole, {"elsewhere.py": "edited\n"})
    assert patch_of(whole / "a b/project", store) == b""

    write(whole, {"a b/project/a.py": "3\n"})

    assert b"--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-2\n+3\n" in patch_of(whole / "a b/project", store)


def test_in_a_linked_worktree_the_patch_is_against_its_own_commit(repository, store, tmp_path):
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    write(tmp_path / "linked", {"p/a.py": "linked\n"})
    there = commit(tmp_path / "linked")
    write(tmp_path / "linked", {"p/a.py": "edited\n"})

    text = patch_of(tmp_path / "linked", store).decode()

    assert there in text
    assert "-linked\n+edited\n" in text


def test_changes_in_a_submodule_stand_in_the_patch_as_lines(repository, store, tmp_path):
    with_submodule(repository, tmp_path)
    assert patch_of(repository, store) == b""
    write(repository / "vendor/library", {"lib.py": "2\n", "new.py": "3\n"})

    text = patch_of(repository, store)

    assert b"--- a/vendor/library/lib.py\n+++ b/vendor/library/lib.py\n@@ -1 +1 @@\n-1\n+2\n" in text
    assert b"+++ b/vendor/library/new.py\n" in text
    assert b"kept.py" not in text


def test_a_submodule_at_another_commit_than_the_recorded_one_is_a_change(repository, store, tmp_path):
    with_submodule(repository, tmp_path)
    write(repository / "vendor/library", {"lib.py": "2\n"})
    commit(repository / "vendor/library")

    assert capture(repository, store).dirty
    assert b"-1\n+2\n" in patch_of(repository, store)


def test_a_file_called_like_a_secret_that_was_just_renamed_does_not_come_back_with_the_patch(repository, store):
    token = "ghp_" + "aB3d" * 9
    write(repository, {f"p/{token}.py": "b = 1\n"})
    commit(repository)
    (repository / f"p/{token}.py").rename(repository / "p/c.py")

    text = patch_of(repository, store).decode()

    assert "# p/(redacted).py differs and is not shown: it held a GitHub token\n" in text
    assert token not in text


def test_a_password_that_was_just_removed_does_not_come_back_with_the_patch(repository, store):
    write(repository, {"p/key.py": "DB_PASSWORD = 'kR7v" + "Q2mm'\n"})
    commit(repository)
    write(repository, {"p/key.py": "DB_PASSWORD = None\n"})

    assert b"Q2mm" not in patch_of(repository, store)


def test_a_secret_that_was_just_removed_from_the_tree_does_not_come_back_with_the_patch(repository, store):
    write(repository, {"p/key.py": KEY, "p/a.py": "a = 1\n"})
    commit(repository)
    write(repository, {"p/key.py": "key = None\n", "p/a.py": "a = 2\n"})

    text = patch_of(repository, store).decode()

    assert "# p/key.py differs and is not shown: it held a private key\n" in text
    assert "PRIVATE" not in text
    assert "-a = 1\n+a = 2\n" in text


def test_settings_of_a_person_do_not_change_the_patch(repository, store, tmp_path, monkeypatch):
    write(repository, EDITS)
    expected = patch_of(repository, store)
    (tmp_path / "config").write_text(
        "[diff]\n noprefix = true\n context = 9\n external = false\n algorithm = patience\n suppressBlankEmpty = true\n"
        "[color]\n ui = always\n[core]\n quotePath = false\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    monkeypatch.setenv("GIT_DIFF_OPTS", "--unified=0")

    assert patch_of(repository, tmp_path / "second") == expected


def test_the_repository_is_left_as_it_was(repository, store):
    write(repository, EDITS)

    def state() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (repository / ".git").rglob("*") if path.is_file()}

    before = state()
    capture(repository, store)

    assert state() == before


def test_the_same_files_at_two_commits_have_a_patch_each(repository, store):
    write(repository, {"p/a.py": "a = 2\n"})
    edited = capture(repository, store)
    commit(repository)
    clean = capture(repository, store)

    assert clean.capsule == edited.capsule
    assert patch_path(store, edited.capsule, edited.commit).read_bytes()
    assert patch_path(store, clean.capsule, clean.commit).read_bytes() == b""


def test_a_patch_is_written_once(repository, store):
    pin = capture(repository, store)
    path = patch_path(store, pin.capsule, pin.commit)
    before = path.stat()

    capture(repository, store)

    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("kind", ["no git", "no commit"])
def test_without_a_commit_there_is_no_patch(plain, store, kind):
    if kind == "no commit":
        git(plain, "init", "-q")

    pin = capture(plain, store)

    assert list(store.iterdir()) == [capsule_path(store, pin.capsule)]


def test_a_patch_of_files_that_only_look_ignored_is_complete(repository, store, tmp_path):
    write(repository, {"kept.log": "tracked, though *.log is ignored\n"})
    git(repository, "add", "-f", "kept.log")
    git(repository, "commit", "-q", "-m", "a log")
    assert patch_of(repository, store) == b""
    shutil.rmtree(store)
    write(repository, {"kept.log": "edited\n"})

    pin = capture(repository, store)
    unpack(capsule_path(store, pin.capsule), pin.capsule, tmp_path / "target")

    assert b"+edited\n" in patch_path(store, pin.capsule, pin.commit).read_bytes()
    assert sorted(os.listdir(tmp_path / "target")) == [
        ".capsule-files",
        ".gitignore",
        "kept.log",
        "p",
        "pyproject.toml",
    ]
