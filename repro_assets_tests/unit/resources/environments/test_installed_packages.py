"""An installed package is what its installer recorded, and what was proved once is only looked at again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from repro_assets.errors import Outside
from repro_assets.resources.environments import installed_packages as module
from repro_assets.resources.environments.installed_packages import changed_on_disk, installed_packages, read_record
from repro_assets_tests.unit.resources.code.trees import install


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "lib/python/site-packages"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def packages(site):
    return {
        "alpha": install(site, "alpha", {"alpha/a.py": b"1", "alpha/b, c.py": b"2", "../../../bin/alpha": b"#!x"}),
        "beta": install(site, "beta", {"beta/a.py": b"3", "beta/old.pyc": b"4"}),
    }


@pytest.fixture
def memo(tmp_path):
    return tmp_path / "var/envs/proved.json"


@pytest.fixture
def hashed(monkeypatch):
    """Paths whose content was read."""
    read = []
    real = module._sha256

    def noted(path: Path) -> str:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(module, "_sha256", noted)
    return read


def test_packages_as_installed_have_no_changed_file(packages, memo):
    assert changed_on_disk(packages, memo) == []


def test_a_changed_file_is_named_with_both_digests(packages, site, memo):
    (site / "alpha/a.py").write_bytes(b"9")

    (found,) = changed_on_disk(packages, memo)

    assert (found.package, found.path) == ("alpha", "alpha/a.py")
    assert (found.stored, found.expected) == (hashlib.sha256(b"9").hexdigest(), hashlib.sha256(b"1").hexdigest())


def test_all_changed_and_missing_files_of_all_packages_are_named(packages, site, memo):
    (site / "beta/a.py").unlink()
    (site / "alpha/b, c.py").write_bytes(b"9")

    found = changed_on_disk(packages, memo)

    assert [(one.package, one.path) for one in found] == [("alpha", "alpha/b, c.py"), ("beta", "beta/a.py")]
    assert found[1].stored == "gone"


@pytest.mark.parametrize("path", ["../../../bin/alpha", "beta/old.pyc", "alpha-1.0.dist-info/INSTALLER"])
def test_what_installers_and_interpreters_rewrite_is_not_compared(packages, site, memo, path):
    (site / path).write_bytes(b"rewritten")

    assert changed_on_disk(packages, memo) == []


def test_a_package_without_record_cannot_be_proved(site, memo):
    found = changed_on_disk({"gamma": install(site, "gamma", {"gamma.py": b"1"}, record=False)}, memo)

    assert [(one.package, one.path, one.expected) for one in found] == [("gamma", "RECORD", None)]


def test_a_second_time_no_file_is_read(packages, memo, hashed):
    changed_on_disk(packages, memo)
    hashed.clear()

    assert changed_on_disk(packages, memo) == []
    assert hashed == []


def test_only_the_package_with_a_changed_file_is_read_again(packages, site, memo, hashed):
    changed_on_disk(packages, memo)
    hashed.clear()
    (site / "beta/a.py").write_bytes(b"9")

    assert [one.path for one in changed_on_disk(packages, memo)] == ["beta/a.py"]
    assert hashed == ["a.py"]


def test_an_edit_of_the_same_size_with_its_old_time_put_back_is_found(packages, site, memo):
    changed_on_disk(packages, memo)
    path = site / "beta/a.py"
    before = path.stat()
    path.write_bytes(b"9")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert [one.path for one in changed_on_disk(packages, memo)] == ["beta/a.py"]


def test_a_package_that_failed_fails_again(packages, site, memo):
    (site / "beta/a.py").write_bytes(b"9")

    assert changed_on_disk(packages, memo) == changed_on_disk(packages, memo) != []


def test_a_changed_record_is_read_anew(packages, site, memo):
    changed_on_disk(packages, memo)
    record = site / "beta-1.0.dist-info/RECORD"
    record.write_text(record.read_text().replace("sha256=", "sha256=A", 1))

    assert [one.package for one in changed_on_disk(packages, memo)] == ["beta"]


@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"[]", b'{"schema": "repro-proved/1"}', b'{"schema": "repro-proved/0", "packages": {}}'],
)
def test_a_memo_that_cannot_be_read_is_forgotten(packages, site, memo, content):
    changed_on_disk(packages, memo)
    memo.write_bytes(content)
    (site / "beta/a.py").write_bytes(b"9")

    assert [one.path for one in changed_on_disk(packages, memo)] == ["beta/a.py"]


def test_a_memo_that_was_edited_proves_nothing(packages, site, memo, hashed):
    changed_on_disk(packages, memo)
    memo.write_text(memo.read_text().replace('"alpha": "', '"alpha": "0'))
    hashed.clear()

    changed_on_disk(packages, memo)

    assert "b, c.py" in hashed


def test_a_memo_that_cannot_be_written_is_an_error_with_its_place(packages, tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(Outside, match="remembered"):
        changed_on_disk(packages, tmp_path / "file/proved.json")


def test_a_record_gives_digests_as_hexadecimal_text(packages):
    by_path = {entry.path: entry for entry in read_record(packages["alpha"])}

    assert by_path["alpha/a.py"].sha256 == hashlib.sha256(b"1").hexdigest()
    assert by_path["alpha-1.0.dist-info/RECORD"].sha256 is None
    assert by_path["../../../bin/alpha"].is_script


def test_installed_packages_are_listed_by_normalized_name():
    found = installed_packages()

    assert found["pytest"] == pytest.__version__
    assert "scikit-learn" in found
    assert all(name == name.lower() and "_" not in name for name in found)
