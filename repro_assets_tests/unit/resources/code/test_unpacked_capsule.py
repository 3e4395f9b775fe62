"""An unpacked capsule captured again is the same capsule: the proof that code which runs is the code of a pin."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro_assets.pins.capsule import CodePin
from repro_assets.resources.code.capsule_store import UNPACKED_LIST, capsule_path, read_files, unpack
from repro_assets.resources.code.source_tree import capture
from repro_assets_tests.unit.resources.code.trees import commit, git, install, make_repository, write

pytestmark = pytest.mark.usefixtures("no_settings_of_this_machine")


@pytest.fixture
def unpacked(repository, store, tmp_path):
    """A capsule of a tree that has a bit of everything, unpacked; with its pin."""
    write(repository, {"p/run.sh": "#!/bin/sh\n", "p/new\nline.py": "", ".idea/kept.xml": "<x/>", "dist/kept.js": "1"})
    (repository / "p/run.sh").chmod(0o755)
    (repository / "p/link").symlink_to("a.py")
    write(repository, {"kept.log": "tracked, though ignored"})
    git(repository, "add", "-f", "kept.log")
    commit(repository)
    pin = capture(repository, store)
    return pin, unpacked_at(tmp_path / "target", pin, store)


def unpacked_at(target: Path, pin: CodePin, store: Path) -> Path:
    unpack(capsule_path(store, pin.capsule), pin.capsule, target)
    return target


def test_it_gives_the_same_capsule_without_history(unpacked, store):
    pin, target = unpacked

    again = capture(target, store)

    assert (again.capsule, again.files, again.bytes) == (pin.capsule, pin.files, pin.bytes)
    assert (again.commit, again.branch, again.dirty) == (None, None, False)


@pytest.mark.parametrize("place", ["kept", "var/ignored"])
def test_it_gives_the_same_capsule_inside_another_repository(unpacked, store, tmp_path, place):
    pin, _ = unpacked
    around = make_repository(tmp_path / "around")

    again = capture(unpacked_at(around / place, pin, store), store)

    assert (again.capsule, again.commit) == (pin.capsule, None)


def test_what_running_it_leaves_behind_does_not_count(unpacked, store):
    pin, target = unpacked
    write(target, {"p/__pycache__/a.cpython-311.pyc": "", "var/lake/x": "", "spark-warehouse/x": ""})

    assert capture(target, store).capsule == pin.capsule


CHANGES = {
    "edited": lambda tree: (tree / "p/a.py").write_text("edited"),
    "removed": lambda tree: (tree / "p/b.py").unlink(),
    "added": lambda tree: (tree / "p/c.py").write_text(""),
    "removed, of a name that is usually ignored": lambda tree: (tree / ".idea/kept.xml").unlink(),
    "no longer executable": lambda tree: (tree / "p/run.sh").chmod(0o644),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_any_change_of_it_is_another_capsule_and_dirty(unpacked, store, change):
    pin, target = unpacked
    change(target)

    again = capture(target, store)

    assert again.capsule != pin.capsule
    assert again.dirty


def test_a_repository_made_of_it_is_captured_as_that_and_the_list_is_not_part_of_it(unpacked, store):
    _, target = unpacked
    git(target, "init", "-q", "-b", "main")
    sha = commit(target)

    again = capture(target, store)

    assert again.commit == sha
    assert UNPACKED_LIST not in read_files(capsule_path(store, again.capsule), again.capsule)


def test_the_capsule_of_a_wheel_gives_itself_though_it_has_no_project_file(tmp_path, store):
    site = tmp_path / "site-packages"
    info = "repro_assets-1.0.dist-info"
    install(site, "repro_assets", {"repro_assets/a.py": b"1", f"{info}/licenses/L": b"", f"{info}/INSTALLER": b"pip"})
    pin = capture(site, store)

    again = capture(unpacked_at(tmp_path / "target", pin, store), store)

    assert (again.capsule, again.dirty) == (pin.capsule, False)
