"""A capsule is believed only after it was unpacked and every file came back."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro_assets.errors import DataDamaged, Outside
from repro_assets.pins.capsule import Entry
from repro_assets.resources.code import capsule_proof, capsule_store
from repro_assets.resources.code.capsule_proof import refuse_difference
from repro_assets.resources.code.source_tree import capture
from repro_assets_tests.unit.resources.code.trees import write

ENTRIES = (Entry("a.py", b"1"), Entry("p/run.sh", b"2", executable=True), Entry("link", b"", link="a.py"))


@pytest.fixture
def tree(tmp_path):
    folder = write(tmp_path / "tree", {"a.py": "1", "p/run.sh": "2"})
    (folder / "p/run.sh").chmod(0o755)
    (folder / "link").symlink_to("a.py")
    return folder


def relink(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("p")


CHANGES = {
    "content": (lambda tree: (tree / "a.py").write_text("2"), "a.py"),
    "mode": (lambda tree: (tree / "p/run.sh").chmod(0o644), "p/run.sh"),
    "target": (relink, "link"),
    "one missing": (lambda tree: (tree / "a.py").unlink(), "a.py"),
    "one more": (lambda tree: (tree / "p/z.py").write_text(""), "p/z.py"),
}


def test_a_tree_that_is_the_same_passes(tree):
    refuse_difference(ENTRIES, tree)


@pytest.mark.parametrize(("change", "path"), CHANGES.values(), ids=CHANGES.keys())
def test_whatever_came_back_different_is_named(tree, change, path):
    change(tree)

    with pytest.raises(DataDamaged, match=rf"\[{path}\]"):
        refuse_difference(ENTRIES, tree)


def test_a_capture_whose_unpacking_goes_wrong_gives_no_pin(plain, store, monkeypatch):
    real = capsule_store._write_all

    def forgetting(entries, folder):
        real(list(entries)[1:], folder)

    monkeypatch.setattr(capsule_store, "_write_all", forgetting)

    with pytest.raises(DataDamaged, match="not the tree it was made of"):
        capture(plain, store)


def test_no_room_to_unpack_is_an_error_that_names_the_setting(plain, store, monkeypatch):
    def full(**named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(capsule_proof.tempfile, "TemporaryDirectory", full)

    with pytest.raises(Outside, match=r"No space left.*TMPDIR"):
        capture(plain, store)


def test_nothing_of_the_proof_is_left_behind(repository, store, tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(capsule_proof.tempfile, "tempdir", str(tmp_path / "scratch"))

    capture(repository, store)

    assert list((tmp_path / "scratch").iterdir()) == []
