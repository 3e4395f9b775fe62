"""Locks are read strictly, compared completely, and the committed ones agree with `pyproject.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from repro_assets.errors import BadInput
from repro_assets.pins.environment import (
    ChangedFile,
    EnvironmentPin,
    LockedPackage,
    applicable,
    compare,
    extra,
    marker_values,
    parse_lock,
)
from repro_assets.settings import DEFAULT_ENVIRONMENT

PROJECT = Path(__file__).parents[3]
ML_LOCK = PROJECT / f"envs/conda/{DEFAULT_ENVIRONMENT}.lock"
FIRST_LOCK = PROJECT / "envs/conda/ml-v1.lock"
SECOND_LOCK = PROJECT / "envs/conda/ml-v2.lock"
DEV_LOCK = PROJECT / "envs/dev.lock"

ONE = "a" * 64
TWO = "b" * 64


def locked(name: str, version: str, marker: str | None = None) -> LockedPackage:
    return LockedPackage(name, version, (f"sha256:{ONE}",), marker)


REQUIRED = {"alpha": locked("alpha", "1.0"), "beta": locked("beta", "2.0")}


def test_an_entry_is_read_with_its_hashes_and_marker():
    text = f"""\
# comment
Alpha_Beta==1.0 ; python_full_version < '3.12' \\
    --hash=sha256:{ONE} \\
    --hash=sha256:{TWO}
    # via something
gamma==2.0.post1 --hash=sha256:{TWO}
"""

    assert parse_lock(text) == (
        LockedPackage("alpha-beta", "1.0", (f"sha256:{ONE}", f"sha256:{TWO}"), 'python_full_version < "3.12"'),
        LockedPackage("gamma", "2.0.post1", (f"sha256:{TWO}",), None),
    )


@pytest.mark.parametrize(
    "line",
    [
        "alpha==1.0",
        f"alpha --hash=sha256:{ONE}",
        f"alpha>=1.0 --hash=sha256:{ONE}",
        f"alpha==1.* --hash=sha256:{ONE}",
        f"alpha==1.0,!=1.1 --hash=sha256:{ONE}",
        f"alpha @ https://example.org/alpha.whl --hash=sha256:{ONE}",
        f"-e . --hash=sha256:{ONE}",
        "-r other.lock",
        "--index-url https://example.org",
        f"alpha==1.0 --hash=md5:{ONE[:32]}",
        f"alpha==1.0 --hash=sha256:{ONE[:-1]}",
        f"=1 --hash=sha256:{ONE}",
    ],
)
def test_an_entry_that_does_not_name_exact_files_is_refused_with_its_line(line):
    with pytest.raises(BadInput, match="line 2"):
        parse_lock(f"# first\n{line}\n")


def test_a_lock_that_ends_in_an_entry_is_refused():
    with pytest.raises(BadInput, match="line 1"):
        parse_lock("alpha==1.0 \\\n")


def test_only_entries_whose_marker_holds_apply():
    packages = [
        locked("alpha", "1.0", 'python_full_version < "3.12"'),
        locked("alpha", "2.0", 'python_full_version >= "3.12"'),
        locked("only-windows", "1.0", 'sys_platform == "win32"'),
        locked("everywhere", "1.0"),
    ]

    found = applicable(packages, {"python_full_version": "3.12.4", "sys_platform": "linux"})

    assert {name: one.version for name, one in found.items()} == {"alpha": "2.0", "everywhere": "1.0"}


def test_two_versions_of_a_package_that_apply_at_once_are_refused():
    with pytest.raises(BadInput, match=r"1\.0 and 2\.0"):
        applicable([locked("alpha", "1.0"), locked("alpha", "2.0")])


def test_what_is_installed_as_locked_has_no_mismatch():
    assert compare(REQUIRED, {"alpha": "1.0", "beta": "2.0"}) == []


def test_all_mismatches_are_reported_at_once_with_stored_expected_and_fix():
    changed = [ChangedFile("gamma", "gamma/core.py", ONE, TWO)]

    found = compare({**REQUIRED, "gamma": locked("gamma", "3.0")}, {"beta": "2.1", "gamma": "3.0"}, changed)

    assert [(one.package, one.kind) for one in found] == [
        ("alpha", "missing"),
        ("beta", "version"),
        ("gamma", "changed"),
    ]
    assert (found[1].stored, found[1].expected) == ("2.1", "2.0")
    assert "gamma/core.py" in found[2].stored
    assert all(one.fix for one in found)


def test_packages_beyond_the_lock_are_listed_and_are_no_mismatch():
    stored = {"alpha": "1.0", "beta": "2.0", "more": "9"}

    assert compare(REQUIRED, stored) == []
    assert extra(REQUIRED, stored) == {"more": "9"}


def test_a_changed_file_of_a_package_beyond_the_lock_is_no_mismatch():
    assert compare(REQUIRED, {"alpha": "1.0", "beta": "2.0"}, [ChangedFile("more", "x.py", ONE, TWO)]) == []


PIN = {"name": "ml-v1", "lock_sha256": ONE, "yaml_sha256": ONE, "python_minor": "3.11", "java_major": 17}


@pytest.mark.parametrize("change", [{"lock_sha256": TWO}, {"python_minor": "3.12"}, {"java_major": 21}], ids=str)
def test_lock_python_and_java_are_in_the_digest(change):
    assert EnvironmentPin(**{**PIN, **change}).digest != EnvironmentPin(**PIN).digest


@pytest.mark.parametrize("change", [{"name": "ml-v9"}, {"yaml_sha256": TWO}], ids=str)
def test_name_and_conda_file_are_not_in_the_digest(change):
    assert EnvironmentPin(**{**PIN, **change}).digest == EnvironmentPin(**PIN).digest


def test_a_pin_is_read_from_what_a_manifest_declares():
    pin = EnvironmentPin(**PIN)

    assert EnvironmentPin.from_document(asdict(pin)) == pin


@pytest.mark.parametrize(
    "change",
    [{"digest": TWO}, {"lock_sha256": TWO}, {"java_major": "17"}, {"java_major": True}, {"name": None}],
    ids=str,
)
def test_a_damaged_pin_of_a_manifest_is_refused(change):
    with pytest.raises(BadInput, match="environment pin"):
        EnvironmentPin.from_document({**asdict(EnvironmentPin(**PIN)), **change})


def test_entries_are_chosen_for_another_interpreter_by_its_version():
    packages = [
        locked("alpha", "1.0", 'python_full_version < "3.12"'),
        locked("beta", "1.0", 'python_version == "3.12"'),
    ]

    assert list(applicable(packages, marker_values("3.11.9"))) == ["alpha"]
    assert list(applicable(packages, marker_values("3.12.1"))) == ["beta"]


def test_the_second_lock_moves_scikit_learn_by_a_minor_version_and_nothing_that_does_not_have_to():
    first, second = (
        {(one.name, one.marker): one.version for one in parse_lock(path.read_text())}
        for path in (FIRST_LOCK, SECOND_LOCK)
    )
    differing = {name: (first.get((name, marker)), second.get((name, marker))) for name, marker in first | second}
    differing = {name: versions for name, versions in differing.items() if versions[0] != versions[1]}

    # narwhals is needed by scikit-learn from 1.9 on, and by nothing else in the lock.
    assert differing == {"scikit-learn": ("1.9.1", "1.8.0"), "narwhals": ("2.29.0", None)}


def test_files_of_packages_that_both_locks_have_are_the_same():
    first, second = (set(parse_lock(path.read_text())) for path in (FIRST_LOCK, SECOND_LOCK))

    assert {one.name for one in second - first} == {"scikit-learn"}


def test_every_direct_dependency_stands_in_the_lock_with_the_pinned_version():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    direct = {one.name: str(one.specifier) for one in map(Requirement, project["dependencies"])}
    resolved = {name: f"=={one.version}" for name, one in applicable(parse_lock(ML_LOCK.read_text())).items()}

    assert {name: resolved.get(name) for name in direct} == direct


def test_every_package_of_the_lock_stands_in_the_development_lock_as_it_is():
    development = set(parse_lock(DEV_LOCK.read_text()))

    assert [one for one in parse_lock(ML_LOCK.read_text()) if one not in development] == []


@pytest.mark.parametrize("python", ["3.11.0", "3.11.14", "3.12.0", "3.12.12"])
@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_the_lock_is_unambiguous_on_every_supported_platform(python, system):
    values = {"python_full_version": python, "python_version": python[:4], "sys_platform": system}

    assert "numpy" in applicable(parse_lock(ML_LOCK.read_text()), values)


def test_this_project_is_not_in_its_own_lock():
    assert "repro-assets" not in {one.name for one in parse_lock(ML_LOCK.read_text())}
