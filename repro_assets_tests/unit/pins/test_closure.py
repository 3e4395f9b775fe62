"""The closure holds whatever a module can run or read, and nothing is imported to find it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets.errors import BadInput
from repro_assets.pins.closure import closure, code_version

PACKAGE_FOLDER = Path(__file__).parents[3] / "repro_assets"


def make_package(folder: Path, **sources: str) -> Path:
    """Write a package `p`; keyword `steps__split` is the module `p.steps.split`."""
    root = folder / "p"
    files = {"__init__": "", **sources}
    for name, source in files.items():
        path = root / f"{name.replace('__', '/') if name != '__init__' else name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in (path.parent, *path.parent.parents):
            if parent.is_relative_to(root) and not (parent / "__init__.py").exists():
                (parent / "__init__.py").write_text("")
        path.write_text(source)
    return root


HELPER_IMPORTS = {
    "absolute": "import p.lib.helper",
    "absolute, renamed": "import p.lib.helper as h",
    "a name of the module": "from p.lib.helper import f",
    "the module as a name": "from p.lib import helper",
    "relative": "from .lib import helper",
    "relative, a name": "from .lib.helper import f",
    "relative, nothing but dots": "from . import lib\nfrom .lib import helper",
    "in a function": "def f():\n    from p.lib import helper",
    "in a method of a class": "class A:\n    def f(self):\n        import p.lib.helper",
    "in try": "try:\n    import p.lib.helper\nexcept ImportError:\n    pass",
    "in a branch": "if 1 > 2:\n    import p.lib.helper",
    "star of a package": "from p.lib import *",
    "by its name as text": "from importlib import import_module\nimport_module('p.lib.helper')",
    "where type checking is off": "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import p.lib.helper",
    "else of type checking": "import typing\nif typing.TYPE_CHECKING:\n    pass\nelse:\n    import p.lib.helper",
}


@pytest.mark.parametrize("source", HELPER_IMPORTS.values(), ids=HELPER_IMPORTS.keys())
def test_an_import_is_followed_however_it_is_written(tmp_path, source):
    root = make_package(tmp_path, main=source, lib__helper="def f(): ...", lib__deeper__other="", unrelated="")

    found = closure("p.main", root, "p")

    assert {"__init__.py", "main.py", "lib/__init__.py", "lib/helper.py"} <= set(found)
    assert "unrelated.py" not in found


def test_a_relative_import_with_two_dots_goes_one_package_up(tmp_path):
    root = make_package(tmp_path, steps__split="from ..lib import helper", lib__helper="")

    assert "lib/helper.py" in closure("p.steps.split", root, "p")


def test_a_relative_import_in_a_package_starts_at_that_package(tmp_path):
    root = make_package(tmp_path, main="import p.lib", lib__helper="")
    (root / "lib/__init__.py").write_text("from . import helper")

    assert "lib/helper.py" in closure("p.main", root, "p")


def test_imports_are_followed_transitively_and_in_circles(tmp_path):
    root = make_package(tmp_path, a="import p.b", b="import p.c", c="import p.a")

    assert closure("p.a", root, "p") == ("__init__.py", "a.py", "b.py", "c.py")


def test_the_init_files_of_all_parents_are_part_of_it_with_what_they_import(tmp_path):
    root = make_package(tmp_path, a__b__main="", helper="")
    (root / "a/__init__.py").write_text("import p.helper")

    found = closure("p.a.b.main", root, "p")

    assert found == ("__init__.py", "a/__init__.py", "a/b/__init__.py", "a/b/main.py", "helper.py")


@pytest.mark.parametrize("guard", ["TYPE_CHECKING", "typing.TYPE_CHECKING", "t.TYPE_CHECKING"])
def test_what_only_a_type_checker_sees_is_left_out(tmp_path, guard):
    root = make_package(tmp_path, main=f"if {guard}:\n    from p import helper\n    x = 'data.csv'", helper="")
    (root / "data.csv").write_text("1")

    assert closure("p.main", root, "p") == ("__init__.py", "main.py")


def test_a_data_file_named_by_its_path_below_the_package_is_part_of_it(tmp_path):
    root = make_package(tmp_path, main="PATH = 'assumptions/map.csv'")
    (root / "assumptions").mkdir()
    (root / "assumptions/map.csv").write_text("1")
    (root / "assumptions/other.csv").write_text("1")

    assert closure("p.main", root, "p") == ("__init__.py", "assumptions/map.csv", "main.py")


def test_other_packages_and_names_that_only_begin_alike_are_left_out(tmp_path):
    root = make_package(tmp_path, main="import os, json.decoder, px.lib\nfrom collections import abc", px="")

    assert closure("p.main", root, "p") == ("__init__.py", "main.py")


def test_a_package_wins_over_a_module_of_the_same_name(tmp_path):
    root = make_package(tmp_path, main="import p.lib", lib__inner="")
    (root / "lib.py").write_text("")

    assert closure("p.main", root, "p") == ("__init__.py", "lib/__init__.py", "main.py")


def test_an_unknown_module_is_refused_with_its_name(tmp_path):
    with pytest.raises(BadInput, match=r"p\.nowhere"):
        closure("p.nowhere", make_package(tmp_path), "p")


def test_a_module_of_another_package_is_refused(tmp_path):
    with pytest.raises(BadInput, match="json"):
        closure("json", make_package(tmp_path), "p")


@pytest.mark.parametrize("source", ["def f(:\n", "x = '\0'\n"], ids=["syntax", "null byte"])
def test_a_helper_that_is_not_python_is_refused_with_file_and_line(tmp_path, source):
    root = make_package(tmp_path, main="import p.helper", helper=source)

    with pytest.raises(BadInput, match=r"helper\.py:1"):
        closure("p.main", root, "p")


def test_a_relative_import_out_of_the_package_is_refused(tmp_path):
    with pytest.raises(BadInput, match="leaves the package"):
        closure("p.main", make_package(tmp_path, main="from ... import x"), "p")


@pytest.mark.parametrize(
    ("edited", "content"),
    [
        ("helper.py", "x = 2\n"),
        ("helper.py", "x = 1  # a comment\n"),
        ("data.csv", "2"),
        ("__init__.py", "# new"),
        ("main.py", "import p.helper; D = 'data.csv'\n"),
    ],
    ids=["a helper", "a comment in a helper", "a data file", "the package", "the module itself"],
)
def test_an_edit_inside_the_closure_moves_the_code_version(tmp_path, edited, content):
    root = make_package(tmp_path, main="import p.helper\nD = 'data.csv'\n", helper="x = 1\n")
    (root / "data.csv").write_text("1")
    before = code_version("p.main", root, "p")

    (root / edited).write_text(content)

    assert code_version("p.main", root, "p") != before


@pytest.mark.parametrize("edited", ["unrelated.py", "README.md", "../README.md"])
def test_an_edit_outside_the_closure_leaves_the_code_version(tmp_path, edited):
    root = make_package(tmp_path, main="import p.helper", helper="", unrelated="")
    before = code_version("p.main", root, "p")

    (root / edited).write_text("x = 'something else'")

    assert code_version("p.main", root, "p") == before


def test_the_code_version_is_the_same_wherever_the_package_lies(tmp_path):
    one = make_package(tmp_path / "one", main="import p.helper", helper="")
    other = make_package(tmp_path / "a longer name", main="import p.helper", helper="")

    assert code_version("p.main", one, "p") == code_version("p.main", other, "p")


def test_moving_code_from_one_file_to_another_moves_the_code_version(tmp_path):
    one = make_package(tmp_path / "one", main="from p import a, b", a="x = 1", b="")
    other = make_package(tmp_path / "other", main="from p import a, b", a="", b="x = 1")

    assert code_version("p.main", one, "p") != code_version("p.main", other, "p")


def test_nothing_is_imported_and_nothing_runs(tmp_path):
    root = make_package(tmp_path, main="import p.helper\nraise SystemExit(9)", helper="raise SystemExit(9)")

    code_version("p.main", root, "p")

    assert "p.main" not in sys.modules


def test_what_a_module_of_this_project_loads_from_the_package_is_in_its_closure():
    module = "repro_assets.pins.environment"
    program = f"import sys, {module}\nprint(*[n for n in sys.modules if n.split('.')[0] == 'repro_assets'])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGE_FOLDER.parent, capture_output=True, text=True, check=True
    )
    found = closure(module, PACKAGE_FOLDER)

    for name in done.stdout.split():
        path = name.removeprefix("repro_assets").lstrip(".").replace(".", "/")
        assert {f"{path}.py", f"{path}/__init__.py".lstrip("/")} & set(found), name
