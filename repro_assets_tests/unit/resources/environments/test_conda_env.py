"""Environments are found by name, checked against what runs, and refused with every difference at once."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from repro_assets.errors import BadInput, EditedUnderOldName, EnvironmentMismatch
from repro_assets.pins.environment import LockedPackage
from repro_assets.pins.version_file import register
from repro_assets.resources.environments import conda_env
from repro_assets.resources.environments.conda_env import check_running, java_major, load_environment

PROJECT = Path(__file__).parents[4]

LOCK = f"pytest==0.0.1 --hash=sha256:{'a' * 64}\nno-such-package==1.0 --hash=sha256:{'a' * 64}\n"
YAML = "name: tiny\ndependencies:\n  - python >=3.11,<3.13\n  - openjdk >=17,<22\n"


@pytest.fixture
def envs(state, tmp_path):
    """Settings whose `envs` holds one registered environment, `tiny`."""
    write(tmp_path / "envs/conda", "tiny", YAML, LOCK)
    register(tmp_path / "envs")
    return dataclasses.replace(state, envs=tmp_path / "envs")


@pytest.fixture
def java(tmp_path, monkeypatch):
    """A folder that looks like a Java home of version 17."""
    home = make_java(tmp_path / "jdk", 'JAVA_VERSION="17.0.15"\n')
    monkeypatch.setenv("JAVA_HOME", str(home))
    return home


def write(folder: Path, name: str, yaml_text: str, lock: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml_text)
    (folder / f"{name}.lock").write_text(lock)


def make_java(home: Path, release: str | None, script: str = "exit 9") -> Path:
    program = home / "bin/java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    if release is not None:
        (home / "release").write_text(release)
    return home


def test_an_environment_is_loaded_with_texts_digests_and_entries(envs):
    env = load_environment("tiny", envs)

    assert (env.yaml, env.lock) == (YAML, LOCK)
    assert [one.name for one in env.packages] == ["pytest", "no-such-package"]
    assert (len(env.yaml_sha256), len(env.lock_sha256)) == (64, 64)


@pytest.mark.parametrize("name", ["other", "", "../conda/tiny", "Tiny", "tiny.yaml", "tiny\n"])
def test_an_unknown_name_is_refused_with_the_known_ones(envs, name):
    with pytest.raises(BadInput, match="one of tiny"):
        load_environment(name, envs)


def test_a_file_whose_name_is_not_plain_is_no_environment(envs):
    write(envs.envs / "conda", "Ti_ny", YAML, LOCK)
    register(envs.envs)

    with pytest.raises(BadInput, match="one of tiny"):
        load_environment("Ti_ny", envs)


@pytest.mark.parametrize("suffix", ["yaml", "lock"])
def test_an_environment_edited_under_its_name_is_refused(envs, suffix):
    path = envs.envs / f"conda/tiny.{suffix}"
    path.write_text(path.read_text() + "# a comment\n")

    with pytest.raises(EditedUnderOldName, match=f"tiny.{suffix}"):
        load_environment("tiny", envs)


@pytest.mark.parametrize(
    "text",
    ["a: [", "- a list", "dependencies: python", YAML.replace("openjdk", "java"), YAML.replace(">=17", "=>17")],
    ids=["not YAML", "no mapping", "no list", "no openjdk", "no such operator"],
)
def test_an_environment_file_without_interpreters_is_refused(envs, text):
    write(envs.envs / "conda", "broken", text, LOCK)
    register(envs.envs)

    with pytest.raises(BadInput, match=r"broken\.yaml"):
        load_environment("broken", envs)


@pytest.mark.usefixtures("java")
def test_enforce_refuses_with_every_mismatch_in_one_line(envs):
    with pytest.raises(EnvironmentMismatch) as refused:
        check_running(load_environment("tiny", envs), "enforce", envs)

    message = str(refused.value)
    assert "no-such-package missing, expected 1.0" in message
    assert f"pytest {pytest.__version__}, expected 0.0.1" in message
    assert "\n" not in message


@pytest.mark.usefixtures("java")
def test_record_goes_on_and_writes_the_mismatches_down(envs):
    receipt = check_running(load_environment("tiny", envs), "record", envs)

    assert {(one.package, one.kind) for one in receipt.mismatches} == {
        ("pytest", "version"),
        ("no-such-package", "missing"),
    }
    assert receipt.mode == "record"


@pytest.mark.usefixtures("java")
def test_the_receipt_names_what_runs_and_what_the_lock_does_not_name(envs):
    receipt = check_running(load_environment("tiny", envs), "record", envs)

    assert receipt.python == ".".join(map(str, sys.version_info[:3]))
    assert (receipt.pin.python_minor, receipt.pin.java_major) == (f"3.{sys.version_info[1]}", 17)
    assert "numpy" in receipt.extra_packages
    assert not {"pytest", "repro-assets"} & set(receipt.extra_packages)


@pytest.mark.usefixtures("java")
def test_an_environment_without_mismatch_passes_enforce(envs):
    lock = (LockedPackage("pytest", pytest.__version__, (), None),)
    env = dataclasses.replace(load_environment("tiny", envs), packages=lock)

    assert check_running(env, "enforce", envs).mismatches == ()


@pytest.mark.usefixtures("java")
@pytest.mark.parametrize(("field", "name"), [("python", "python"), ("java", "java")])
def test_another_python_or_java_than_the_environment_is_made_for_is_a_mismatch(envs, field, name):
    env = dataclasses.replace(load_environment("tiny", envs), packages=(), **{field: "<2"})

    with pytest.raises(EnvironmentMismatch, match=f"{name} .*expected <2"):
        check_running(env, "enforce", envs)


def test_another_mode_is_refused(envs):
    with pytest.raises(BadInput, match="enforce or record"):
        check_running(load_environment("tiny", envs), "ignore", envs)


@pytest.mark.parametrize(
    ("release", "major"),
    [
        ('IMPLEMENTOR="X"\nJAVA_VERSION="17.0.15"\n', 17),
        ('JAVA_VERSION="21"\n', 21),
        ('JAVA_RUNTIME_VERSION="22"\nJAVA_VERSION="11.0.2-ea"\n', 11),
        ('JAVA_VERSION="1.8.0_392"\n', 8),
    ],
    ids=["17", "21", "11", "8"],
)
def test_the_version_of_java_is_read_without_starting_it(tmp_path, release, major):
    home = make_java(tmp_path / "jdk", release, script=f"touch {tmp_path}/started")

    assert java_major({"JAVA_HOME": str(home)}) == major
    assert not (tmp_path / "started").exists()


def test_a_link_on_path_leads_to_the_java_home(tmp_path):
    home = make_java(tmp_path / "jdk", 'JAVA_VERSION="21.0.1"\n')
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").symlink_to(home / "bin/java")

    assert java_major({"PATH": str(tmp_path / "bin")}) == 21


def test_java_home_goes_before_path(tmp_path):
    other = make_java(tmp_path / "other", 'JAVA_VERSION="11"\n')
    home = make_java(tmp_path / "jdk", 'JAVA_VERSION="17"\n')

    assert java_major({"JAVA_HOME": str(home), "PATH": str(other / "bin")}) == 17


def test_a_java_without_release_file_is_asked(tmp_path):
    home = make_java(tmp_path / "jdk", None, script="echo 'openjdk version \"17.0.9\" 2023' >&2")

    assert java_major({"JAVA_HOME": str(home)}) == 17


@pytest.mark.parametrize("script", ["echo nothing", "exit 1"])
def test_a_java_that_does_not_say_its_version_is_refused(tmp_path, script):
    home = make_java(tmp_path / "jdk", None, script=script)

    with pytest.raises(EnvironmentMismatch, match="version"):
        java_major({"JAVA_HOME": str(home)})


@pytest.mark.parametrize("variable", ["JAVA_HOME", "PATH"])
def test_a_missing_java_is_refused_with_where_it_was_looked_for(tmp_path, variable):
    with pytest.raises(EnvironmentMismatch, match=variable):
        java_major({variable: str(tmp_path)})


def test_the_default_environment_is_readable_by_conda_and_installs_the_lock():
    document = yaml.safe_load((PROJECT / "envs/conda/ml-v1.yaml").read_text())

    assert document["name"] == "ml-v1"
    assert document["channels"] == ["conda-forge"]
    assert document["dependencies"][-1] == {"pip": ["-r ml-v1.lock"]}


def test_the_environment_module_loads_nothing_heavy():
    program = f"import sys, {conda_env.__name__}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert not {"pyspark", "mlflow", "sklearn", "pandas", "dagster"} & set(done.stdout.split())
