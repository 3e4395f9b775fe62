"""Whatever state a source tree is in, the capsule holds exactly the files as they stand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from repro_assets.errors import CapsuleRefused
from repro_assets.resources.code.capsule_store import capsule_path, read_files, unpack
from repro_assets.resources.code.source_tree import IGNORED_AT_TOP, IGNORED_NAMES, capture
from repro_assets_tests.unit.resources.code.trees import (
    FILES,
    captured,
    commit,
    git,
    install,
    sha256,
    write,
)

PROJECT = Path(__file__).parents[4]


pytestmark = pytest.mark.usefixtures("no_settings_of_this_machine")


def test_a_clean_repository_is_pinned_with_commit_branch_and_capsule(repository, store):
    pin = capture(repository, store)

    assert (pin.commit, pin.branch, pin.remote) == (git(repository, "rev-parse", "HEAD"), "main", None)
    assert not pin.dirty
    assert (pin.files, pin.bytes) == (4, sum(map(len, FILES.values())))
    assert read_files(capsule_path(store, pin.capsule), pin.capsule) == {p: sha256(t) for p, t in FILES.items()}


def test_the_same_files_give_the_same_capsule_with_and_without_git(repository, plain, store):
    assert capture(repository, store).capsule == capture(plain, store).capsule


def test_time_and_umask_of_the_files_do_not_matter(repository, store):
    before = capture(repository, store).capsule
    os.utime(repository / "p/a.py", (1, 1))
    (repository / "p/b.py").chmod(0o600)

    assert capture(repository, store).capsule == before


def test_modified_and_untracked_files_are_in_it_and_ignored_ones_are_not(repository, store):
    write(repository, {"p/a.py": "a = 2\n", "p/new.py": "", "x.log": "", "var/lake": ""})

    found = captured(repository, store)

    assert found["p/a.py"] == sha256("a = 2\n")
    assert set(found) == {*FILES, "p/new.py"}
    assert capture(repository, store).dirty


def test_of_a_file_staged_and_then_edited_the_text_on_disk_counts(repository, store):
    write(repository, {"p/a.py": "staged\n"})
    git(repository, "add", "p/a.py")
    write(repository, {"p/a.py": "edited\n"})

    assert captured(repository, store)["p/a.py"] == sha256("edited\n")


def test_a_deleted_file_is_left_out(repository, store):
    (repository / "p/b.py").unlink()

    pin = capture(repository, store)

    assert "p/b.py" not in read_files(capsule_path(store, pin.capsule), pin.capsule)
    assert pin.dirty


def test_an_edit_that_git_was_told_to_overlook_is_in_the_capsule(repository, store):
    git(repository, "update-index", "--assume-unchanged", "p/a.py")
    write(repository, {"p/a.py": "edited\n"})

    assert captured(repository, store)["p/a.py"] == sha256("edited\n")


def test_a_detached_head_has_a_commit_and_no_branch(repository, store):
    git(repository, "checkout", "-q", "--detach")

    pin = capture(repository, store)

    assert (pin.commit, pin.branch) == (git(repository, "rev-parse", "HEAD"), None)


def test_a_repository_without_commits_has_no_commit(plain, store):
    git(plain, "init", "-q", "-b", "main")

    pin = capture(plain, store)

    assert (pin.commit, pin.branch, pin.dirty, pin.files) == (None, "main", True, 4)


def test_a_linked_worktree_is_captured_like_the_repository(repository, store, tmp_path):
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))

    pin, original = capture(tmp_path / "linked", store), capture(repository, store)

    assert (pin.commit, pin.branch, pin.capsule) == (original.commit, "other", original.capsule)


def test_files_of_submodules_are_in_it_changed_and_untracked_ones_too(repository, store, tmp_path):
    library = write(tmp_path / "library", {"lib.py": "1\n", "kept.py": "1\n"})
    git(library, "init", "-q")
    commit(library)
    git(repository, "submodule", "add", "-q", str(library), "vendor/library")
    commit(repository)
    write(repository / "vendor/library", {"lib.py": "2\n", "new.py": ""})

    pin = capture(repository, store)
    found = read_files(capsule_path(store, pin.capsule), pin.capsule)

    assert found["vendor/library/lib.py"] == sha256("2\n")
    assert {"vendor/library/kept.py", "vendor/library/new.py", ".gitmodules"} <= set(found)
    assert not [path for path in found if ".git/" in path or path.endswith("/.git")]
    assert pin.dirty


def a_clone_with_a_submodule_not_checked_out(repository: Path, tmp_path: Path) -> Path:
    library = write(tmp_path / "library", {"lib.py": "1\n"})
    git(library, "init", "-q")
    commit(library)
    git(repository, "submodule", "add", "-q", str(library), "vendor/library")
    commit(repository)
    git(tmp_path, "clone", "-q", str(repository), "clone")
    return tmp_path / "clone"


@pytest.mark.parametrize("folder", ["empty", "gone"])
def test_a_submodule_that_is_not_checked_out_is_named_in_the_pin(repository, store, tmp_path, folder):
    clone = a_clone_with_a_submodule_not_checked_out(repository, tmp_path)
    if folder == "gone":
        (clone / "vendor/library").rmdir()

    pin = capture(clone, store)

    assert pin.absent_submodules == ("vendor/library",)
    assert capture(repository, store).absent_submodules == ()


def test_a_submodules_folder_with_files_and_no_repository_is_refused(repository, store, tmp_path):
    clone = a_clone_with_a_submodule_not_checked_out(repository, tmp_path)
    write(clone / "vendor/library", {"lib.py": "copied\n"})

    with pytest.raises(CapsuleRefused, match=r"vendor/library.*git submodule update --init"):
        capture(clone, store)


def test_a_submodule_in_a_submodule_is_captured_or_named(repository, store, tmp_path):
    inner = write(tmp_path / "inner", {"inner.py": "1\n"})
    git(inner, "init", "-q")
    commit(inner)
    library = write(tmp_path / "outer", {"lib.py": "1\n"})
    git(library, "init", "-q")
    git(library, "submodule", "add", "-q", str(inner), "inner")
    commit(library)
    git(repository, "submodule", "add", "-q", str(library), "outer")
    commit(repository)
    assert capture(repository, store).absent_submodules == ("outer/inner",)

    git(repository, "submodule", "update", "-q", "--init", "--recursive")
    pin = capture(repository, store)

    assert (pin.absent_submodules, pin.dirty) == ((), False)
    assert "outer/inner/inner.py" in read_files(capsule_path(store, pin.capsule), pin.capsule)


def test_of_a_tracked_file_that_became_a_folder_the_files_in_it_are_captured(repository, store):
    (repository / "p/a.py").unlink()
    write(repository, {"p/a.py/inside.py": "1\n"})

    assert "p/a.py/inside.py" in captured(repository, store)


def test_a_repository_inside_that_git_does_not_track_is_captured_too(repository, store):
    inner = write(repository / "inner", {"a.py": "1\n"})
    git(inner, "init", "-q")

    assert captured(repository, store)["inner/a.py"] == sha256("1\n")


def test_of_a_project_in_a_folder_of_a_repository_only_that_folder_is_captured(tmp_path, store):
    whole = write(tmp_path / "whole", {"elsewhere.py": "1\n", "project/pyproject.toml": "", "project/a.py": "2\n"})
    git(whole, "init", "-q", "-b", "main")
    commit(whole)
    write(whole, {"elsewhere.py": "edited\n"})

    pin = capture(whole / "project", store)

    assert set(read_files(capsule_path(store, pin.capsule), pin.capsule)) == {"pyproject.toml", "a.py"}
    assert not pin.dirty


def test_a_project_that_the_repository_around_it_ignores_has_no_history(repository, store):
    unpacked = write(repository / "var/scratch", {"pyproject.toml": "", "a.py": ""})

    pin = capture(unpacked, store)

    assert (pin.commit, pin.branch, pin.dirty, pin.files) == (None, None, False, 2)


def test_variables_that_git_sets_in_a_hook_do_not_redirect_the_capture(repository, store, tmp_path, monkeypatch):
    other = write(tmp_path / "other", {"x": ""})
    git(other, "init", "-q")
    expected = capture(repository, store)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))

    assert capture(repository, store) == expected


ODD_NAMES = [
    "new\nline.py",
    "tab\tand 'quotes' \"both\".py",
    "-leading-dash",
    " spaces ",
    "größe.py",
    "🚀🌍.py",
    "back\\slash",
    "*[?]",
    "very-" + "long-" * 40,
    "caf\udce9 in latin-1",
]


@pytest.mark.parametrize("state", ["no git", "untracked", "committed", "committed and changed"])
def test_files_of_odd_names_are_captured_and_come_back(plain, store, tmp_path, state):
    for name in ODD_NAMES:
        (plain / "odd").mkdir(exist_ok=True)
        (plain / "odd" / name).write_text("changed later" if state == "committed and changed" else ascii(name))
    if state != "no git":
        git(plain, "init", "-q")
    if state.startswith("committed"):
        commit(plain)
        for name in ODD_NAMES:
            (plain / "odd" / name).write_text(ascii(name))

    pin = capture(plain, store)
    unpack(capsule_path(store, pin.capsule), pin.capsule, tmp_path / "target")

    found = {name: (tmp_path / "target/odd" / name).read_text() for name in os.listdir(tmp_path / "target/odd")}
    assert found == {name: ascii(name) for name in ODD_NAMES}


def test_a_file_that_may_be_executed_still_may_after_unpacking(plain, store, tmp_path):
    (plain / "p/a.py").chmod(0o700)
    pin = capture(plain, store)

    unpack(capsule_path(store, pin.capsule), pin.capsule, tmp_path / "target")

    assert os.access(tmp_path / "target/p/a.py", os.X_OK)
    assert not (tmp_path / "target/p/b.py").stat().st_mode & 0o111


def test_the_remote_is_pinned_without_credentials(repository, store):
    git(repository, "remote", "add", "other", "https://elsewhere.example.org/x.git")
    git(repository, "remote", "add", "origin", "https://user:password@example.org/x.git?token=abc")

    assert capture(repository, store).remote == "https://example.org/x.git"


def test_without_git_installed_the_tree_is_captured_without_history(repository, store, monkeypatch):
    with_git = capture(repository, store).capsule
    monkeypatch.setenv("PATH", "")

    pin = capture(repository, store)

    assert (pin.commit, pin.capsule) == (None, with_git)


def test_a_repository_that_git_refuses_to_read_is_refused_with_its_words(repository, store):
    (repository / ".git/config").write_text("[core\n")

    with pytest.raises(CapsuleRefused, match="bad config"):
        capture(repository, store)


def test_without_git_what_a_project_makes_by_itself_is_left_out(plain, store):
    write(plain, {"var/x": "", ".venv/x": "", "p/__pycache__/a.pyc": "", ".env": "", "p/var/kept.py": ""})

    assert set(captured(plain, store)) == {*FILES, "p/var/kept.py"}


def test_without_git_everything_is_left_out_that_this_project_ignores():
    rules = [line for line in (PROJECT / ".gitignore").read_text().splitlines() if line and not line.startswith("#")]

    at_top = {rule.strip("/") for rule in rules if rule.startswith("/")}
    anywhere = {rule.strip("/") for rule in rules if not rule.startswith("/")}
    assert at_top <= IGNORED_AT_TOP
    assert anywhere <= IGNORED_NAMES


@pytest.mark.parametrize("with_git", [True, False], ids=["git", "no git"])
def test_a_store_inside_the_project_is_not_part_of_it(plain, with_git):
    if with_git:
        git(plain, "init", "-q")

    first = capture(plain, plain / "kept/capsules")

    assert capture(plain, plain / "kept/capsules") == first


@pytest.fixture
def site(tmp_path):
    """A folder of packages that holds this project's wheel and another package."""
    folder = tmp_path / "lib/python/site-packages"
    info = "repro_assets-1.0.dist-info"
    files = {"repro_assets/a.py": b"1", "../../../bin/repro": b"#!x", f"{info}/INSTALLER": b"pip"}
    install(folder, "repro_assets", files)
    install(folder, "other", {"other/b.py": b"2"})
    return folder


def test_from_an_installed_wheel_its_recorded_files_are_captured(site, store):
    pin = capture(site, store)

    assert set(read_files(capsule_path(store, pin.capsule), pin.capsule)) == {"repro_assets/a.py"}
    assert (pin.commit, pin.branch, pin.remote, pin.dirty) == (None, None, None, False)


@pytest.mark.parametrize("change", ["edited", "removed"])
def test_a_wheel_changed_after_it_was_installed_is_dirty(site, store, change):
    path = site / "repro_assets/a.py"
    path.unlink() if change == "removed" else path.write_text("edited")

    assert capture(site, store).dirty


def test_a_folder_that_is_no_project_is_refused(tmp_path, store):
    with pytest.raises(CapsuleRefused, match=r"pyproject\.toml"):
        capture(tmp_path, store)
