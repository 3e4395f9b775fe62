"""Every published version of a file in a git clone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from repro_assets.errors import BadInput, Outside
from repro_assets.feeds import git_history, published_file
from repro_assets.feeds.anomalies import AnomalyRefused
from repro_assets.feeds.git_history import GitVersion, published_versions, read_blob
from repro_assets.feeds.publication import Anomaly

PATH = "data/cases.csv"
START = 1591848000  # 2020-06-11T04:00:00Z


class Publisher:
    """A small repository whose clock is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = START
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        identity = {f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        dates = {"GIT_AUTHOR_DATE": "1500000000 +0000", "GIT_COMMITTER_DATE": f"{self.time} -0700"}
        variables = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(self.folder),
            **identity,
            **dates,
        }
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout.strip()

    def publish(self, content: str | None, path: str = PATH, seconds: int = 3600) -> str:
        file = self.folder / path
        if content is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return self.commit(seconds)

    def commit(self, seconds: int = 3600) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=publish")
        self.time += seconds
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "repo")


def contents(repo: Path, versions: list[GitVersion]) -> list[bytes | None]:
    return [None if version.blob is None else read_blob(repo, version.blob) for version in versions]


def test_versions_come_oldest_first_with_their_bytes(publisher: Publisher) -> None:
    for content in ("one\r\n", "two\n", "three"):
        publisher.publish(content)
    versions = published_versions(publisher.folder, PATH)
    assert contents(publisher.folder, versions) == [b"one\r\n", b"two\n", b"three"]


def test_a_version_is_published_when_it_was_committed_in_utc(publisher: Publisher) -> None:
    commit = publisher.publish("one")
    (version,) = published_versions(publisher.folder, PATH)
    assert (version.published, version.source) == ("2020-06-11T04:00:00Z", f"{PATH}@{commit}")


def test_commits_that_do_not_touch_the_file_are_left_out(publisher: Publisher) -> None:
    publisher.publish("one")
    publisher.publish("other", path="README.md")
    publisher.commit()
    assert len(published_versions(publisher.folder, PATH)) == 1


def test_a_content_that_comes_back_is_a_version_of_its_own(publisher: Publisher) -> None:
    for content in ("one", "two", "one"):
        publisher.publish(content)
    assert contents(publisher.folder, published_versions(publisher.folder, PATH)) == [b"one", b"two", b"one"]


def test_a_deletion_has_no_bytes(publisher: Publisher) -> None:
    for content in ("one", None, "two"):
        publisher.publish(content)
    assert contents(publisher.folder, published_versions(publisher.folder, PATH)) == [b"one", None, b"two"]


def test_a_bare_clone_gives_the_same_versions(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish("one")
    publisher.publish("two")
    publisher.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    assert published_versions(tmp_path / "bare.git", PATH) == published_versions(publisher.folder, PATH)


def test_a_folder_below_the_top_gives_the_same_versions(publisher: Publisher) -> None:
    publisher.publish("one")
    publisher.publish(None)
    assert published_versions(publisher.folder / ".git", PATH) == published_versions(publisher.folder, PATH)


def test_versions_since_a_revision_are_those_after_it(publisher: Publisher) -> None:
    commits = [publisher.publish(content) for content in ("one", "two", "three")]
    found = published_versions(publisher.folder, PATH, since=commits[0])
    assert [version.commit for version in found] == commits[1:]


def test_nothing_was_published_since_the_newest_version(publisher: Publisher) -> None:
    publisher.publish("one")
    assert published_versions(publisher.folder, PATH, since="main") == []


def test_a_clock_that_ran_backwards_is_named_and_put_right(publisher: Publisher) -> None:
    publisher.publish("one", seconds=-3600)
    publisher.publish("two", seconds=7200)
    publisher.publish("three")
    versions = published_versions(publisher.folder, PATH)
    assert [version.published[11:13] for version in versions] == ["04", "04", "05"]
    assert [version.anomalies for version in versions] == [(), (Anomaly("clock_skew"),), ()]


def test_versions_of_merged_branches_are_in_order_of_time(publisher: Publisher) -> None:
    publisher.publish("a\n\n\nz\n")
    publisher.git("checkout", "--quiet", "-b", "correction")
    early = publisher.publish("A\n\n\nz\n")
    publisher.git("checkout", "--quiet", "main")
    late = publisher.publish("a\n\n\nZ\n")
    publisher.git("merge", "--quiet", "--no-edit", "correction")
    merged = publisher.git("rev-parse", "HEAD")
    versions = published_versions(publisher.folder, PATH)
    assert [version.commit for version in versions][1:] == [early, late, merged]
    assert contents(publisher.folder, versions)[-1] == b"A\n\n\nZ\n"


def test_a_version_never_comes_before_what_it_builds_on(publisher: Publisher) -> None:
    """Whatever the clock of the branch said."""
    base = publisher.publish("a\n\n\nz\n", seconds=60)
    publisher.git("checkout", "--quiet", "-b", "correction")
    publisher.time -= 7200
    early = publisher.publish("A\n\n\nz\n")
    publisher.git("checkout", "--quiet", "main")
    publisher.time += 7200
    late = publisher.publish("a\n\n\nZ\n")
    publisher.git("merge", "--quiet", "--no-edit", "correction")
    versions = published_versions(publisher.folder, PATH)
    assert [version.commit for version in versions][:3] == [base, early, late]


def test_the_first_commit_of_a_shallow_clone_is_named(publisher: Publisher, tmp_path: Path) -> None:
    for content in ("one", "two", "three"):
        publisher.publish(content)
    publisher.git("clone", "--quiet", "--depth=2", publisher.folder.as_uri(), str(tmp_path / "shallow"))
    versions = published_versions(tmp_path / "shallow", PATH)
    assert [version.anomalies for version in versions] == [(Anomaly("shallow_clone"),), ()]


def test_a_path_with_wildcards_is_taken_literally(publisher: Publisher) -> None:
    publisher.publish("one")
    with pytest.raises(BadInput, match="no version of this file"):
        published_versions(publisher.folder, "data/*.csv")


@pytest.mark.parametrize("path", ["", "../cases.csv", "/etc/passwd", "--output=x", "a\nb"])
def test_a_path_that_is_not_inside_a_repository_is_refused(publisher: Publisher, path: str) -> None:
    with pytest.raises(BadInput, match="not a path inside"):
        published_versions(publisher.folder, path)


@pytest.mark.parametrize("revision", ["--all", "-n1", "main\n--all"])
def test_a_revision_that_looks_like_an_option_is_refused(publisher: Publisher, revision: str) -> None:
    publisher.publish("one")
    with pytest.raises(BadInput, match="not a git revision"):
        published_versions(publisher.folder, PATH, since=revision)


def test_an_unknown_revision_is_refused_by_its_name(publisher: Publisher) -> None:
    publisher.publish("one")
    with pytest.raises(BadInput, match=r"no such git revision.*'v9'"):
        published_versions(publisher.folder, PATH, since="v9")


def test_a_repository_without_commits_is_refused(publisher: Publisher) -> None:
    with pytest.raises(BadInput, match="'HEAD'"):
        published_versions(publisher.folder, PATH)


def test_a_folder_in_place_of_the_file_is_refused(publisher: Publisher) -> None:
    publisher.publish("one")
    with pytest.raises(BadInput, match=r"not a file.*stored tree"):
        published_versions(publisher.folder, "data")


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a git repository"):
        published_versions(tmp_path, PATH)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        published_versions(tmp_path / "nowhere", PATH)


def test_a_hook_s_environment_does_not_point_git_elsewhere(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.publish("one")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert len(published_versions(publisher.folder, PATH)) == 1


def test_a_machine_without_git_is_told_so(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_history, "_environment", lambda: {"PATH": ""})
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Outside, match="git is not installed"):
        published_versions(publisher.folder, PATH)


def test_a_content_that_the_clone_lacks_is_no_deletion(publisher: Publisher) -> None:
    publisher.publish("one")
    blob = publisher.git("rev-parse", f"HEAD:{PATH}")
    (publisher.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(Outside, match="lacks this file's content"):
        published_versions(publisher.folder, PATH)


def test_a_version_that_is_too_large_is_refused_before_it_is_read(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.publish("x" * 100)
    (version,) = published_versions(publisher.folder, PATH)
    assert version.blob is not None
    monkeypatch.setattr(published_file, "LARGEST_BYTES", 100)
    assert len(read_blob(publisher.folder, version.blob)) == 100

    monkeypatch.setattr(published_file, "LARGEST_BYTES", 99)
    with pytest.raises(AnomalyRefused, match="too_large - the file is too large"):
        read_blob(publisher.folder, version.blob)
