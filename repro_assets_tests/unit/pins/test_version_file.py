"""A versioned file is what was registered under its name, or it is refused."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets.errors import BadInput, EditedUnderOldName
from repro_assets.pins.version_file import DIGESTS, read_digests, register, verified_bytes, verify_file

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def envs(tmp_path):
    for name in ("conda/ml-v1.yaml", "conda/ml-v1.lock", "clusters/local-v1.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"content of {name}")
    (tmp_path / "dev.lock").write_text("not versioned")
    (tmp_path / "conda/notes.txt").write_text("not versioned")
    register(tmp_path)
    return tmp_path


def test_every_environment_and_cluster_file_is_registered_once(envs):
    assert list(read_digests(envs)) == ["clusters/local-v1.json", "conda/ml-v1.lock", "conda/ml-v1.yaml"]


def test_a_registered_file_is_returned_as_it_was_checked(envs):
    path = envs / "conda/ml-v1.yaml"

    assert verified_bytes(path) == path.read_bytes()
    assert verify_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_edited_file_is_refused_with_both_digests_and_what_to_do(envs):
    path = envs / "conda/ml-v1.lock"
    before = verify_file(path)
    path.write_text("edited")

    with pytest.raises(EditedUnderOldName) as refused:
        verify_file(path)

    assert refused.value.where == path
    assert before in str(refused.value.expected)
    assert hashlib.sha256(b"edited").hexdigest() in str(refused.value.stored)
    assert "new version" in str(refused.value)


def test_a_file_that_nobody_registered_is_refused(envs):
    (envs / "conda/ml-v2.lock").write_text("new")

    with pytest.raises(BadInput, match="envs-digest"):
        verify_file(envs / "conda/ml-v2.lock")


def test_a_file_that_is_gone_is_refused(envs):
    (envs / "conda/ml-v1.lock").unlink()

    with pytest.raises(BadInput, match=r"ml-v1\.lock"):
        verify_file(envs / "conda/ml-v1.lock")


def test_registering_appends_new_files_and_leaves_the_lines_before(envs):
    before = (envs / DIGESTS).read_text()
    (envs / "clusters/a-new-one.json").write_text("{}")

    assert register(envs) == ["clusters/a-new-one.json"]
    assert (envs / DIGESTS).read_text().startswith(before)


def test_registering_again_adds_nothing(envs):
    assert register(envs) == []


def test_registering_refuses_an_edited_file_and_writes_nothing(envs):
    before = (envs / DIGESTS).read_text()
    (envs / "conda/ml-v1.yaml").write_text("edited")
    (envs / "conda/ml-v2.yaml").write_text("new")

    with pytest.raises(EditedUnderOldName):
        register(envs)

    assert (envs / DIGESTS).read_text() == before


def test_registering_refuses_when_a_registered_file_was_removed(envs):
    (envs / "conda/ml-v1.yaml").unlink()

    with pytest.raises(BadInput, match="gone"):
        register(envs)


@pytest.mark.parametrize(
    "line", ["", "abc  conda/x.yaml", f"{'a' * 64} conda/x.yaml", f"{'a' * 64}  ../x", f"{'a' * 64}  conda/ml-v1.yaml"]
)
def test_a_damaged_list_is_refused_with_its_line(envs, line):
    with open(envs / DIGESTS, "a") as sink:
        sink.write(f"{line}\n")

    with pytest.raises(BadInput, match=r"digests\.lock:4"):
        read_digests(envs)


def run_command(envs: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "REPRO_ENVS": str(envs)}
    command = [sys.executable, "-m", "scripts.envs_digest"]
    return subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, check=False)


def test_the_command_says_what_it_registered(envs):
    (envs / "conda/ml-v2.yaml").write_text("new")

    done = run_command(envs)

    assert (done.returncode, done.stdout) == (0, "registered conda/ml-v2.yaml\n")


def test_the_command_refuses_an_edited_file_in_one_line_with_exit_code_2(envs):
    (envs / "conda/ml-v1.yaml").write_text("edited")

    done = run_command(envs)

    assert (done.returncode, done.stdout) == (2, "")
    assert "ml-v1.yaml" in done.stderr
    assert done.stderr.count("\n") == 1


def test_every_committed_file_is_what_was_registered():
    for relative in read_digests(PROJECT / "envs"):
        assert verify_file(PROJECT / "envs" / relative)
    assert "conda/ml-v1.lock" in read_digests(PROJECT / "envs")


TOKEN = "ghp_" + "aB3d" * 9


def test_a_new_file_with_a_secret_is_not_registered(envs):
    (envs / "conda/ml-v3.yaml").write_text(f"channels:\n  - https://host/{TOKEN}/x\n")

    with pytest.raises(
        BadInput, match=r"looks like a secret \[.*conda/ml-v3\.yaml:2\]: stored a GitHub token"
    ) as refused:
        register(envs)

    assert TOKEN not in str(refused.value)
    assert "conda/ml-v3.yaml" not in read_digests(envs)


def test_a_registered_file_with_a_secret_is_refused_too(envs):
    path = envs / "conda/ml-v3.lock"
    path.write_text("--extra-index-url https://me:" + "hunter2@host/simple\n")
    with open(envs / DIGESTS, "a") as digests:
        digests.write(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  conda/ml-v3.lock\n")

    with pytest.raises(BadInput, match=r"ml-v3\.lock:1\]: stored a password in an address"):
        verified_bytes(path)
