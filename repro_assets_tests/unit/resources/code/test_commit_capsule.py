"""A capsule of a commit is that of a clean working tree at it, whatever the tree looks like now."""

from __future__ import annotations

import pytest

from repro_assets.errors import BadInput, CapsuleRefused
from repro_assets.resources.code.commit_capsule import capture_commit
from repro_assets.resources.code.source_tree import capture
from repro_assets_tests.unit.resources.code.trees import commit, git, write

pytestmark = pytest.mark.usefixtures("no_settings_of_this_machine")


def test_a_commit_gives_the_capsule_of_a_clean_tree_at_it(repository, store):
    (repository / "p/run.sh").write_text("#!/bin/sh\n")
    (repository / "p/run.sh").chmod(0o755)
    (repository / "p/link").symlink_to("a.py")
    write(repository, {"p/empty": "", "p/line without end": "x"})
    commit(repository)
    clean = capture(repository, store)

    write(repository, {"p/a.py": "a = 'edited since'\n", "p/new.py": ""})

    assert not clean.dirty
    for revision in ("HEAD", "main", clean.commit, clean.commit[:8]):
        assert capture_commit(repository, revision, store) == clean.capsule


def test_an_older_commit_is_taken_from_history(repository, store):
    before = capture(repository, store).capsule
    write(repository, {"p/a.py": "a = 2\n"})
    commit(repository)

    assert capture_commit(repository, "HEAD~1", store) == before
    assert capture_commit(repository, "HEAD", store) == capture(repository, store).capsule != before


@pytest.mark.parametrize("revision", ["nosuch", "--help", "-x", "a b", "HEAD:p", "x\ny", "", "@{u}", "f" * 40])
def test_what_is_no_commit_is_refused(repository, store, revision):
    with pytest.raises(BadInput):
        capture_commit(repository, revision, store)


def test_outside_git_there_is_no_commit_to_take(plain, store):
    with pytest.raises(BadInput, match="no git history"):
        capture_commit(plain, "HEAD", store)


def test_a_commit_with_a_secret_is_refused_though_the_tree_has_none(repository, store):
    planted = "AKIA" + "IOSFODNN7EXAMPLF"
    write(repository, {"p/key.py": f'KEY = "{planted}"\n'})
    commit(repository)
    git(repository, "rm", "-q", "p/key.py")
    commit(repository)

    with pytest.raises(CapsuleRefused) as refused:
        capture_commit(repository, "HEAD~1", store)
    assert "p/key.py:1" in str(refused.value)
    assert planted not in str(refused.value)


def test_a_commit_without_this_project_is_refused(repository, store):
    git(repository, "rm", "-q", "pyproject.toml")
    commit(repository)

    write(repository, {"pyproject.toml": ""})
    git(repository, "add", "pyproject.toml")
    with pytest.raises(BadInput, match="doesn't hold this project"):
        capture_commit(repository, "HEAD", store)
