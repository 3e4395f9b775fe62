"""From an installed wheel the installed files are the code: captured, proved, and captured again from the capsule."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repro_assets.resources.code.capsule_store import capsule_path, read_files, unpack

PROJECT = Path(__file__).resolve().parents[2]
CAPTURE = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from repro_assets.resources.code.source_tree import capture
from repro_assets.settings import load
pin = capture(load().project, Path(sys.argv[1]))
json.dump({"project": str(load().project), **asdict(pin)}, sys.stdout)
"""

pytestmark = pytest.mark.slow


def uv() -> str:
    own = PROJECT / ".tools" / "uv" / "bin" / "uv"
    found = shutil.which("uv") or (str(own) if own.exists() else None)
    if found is None:
        pytest.skip("uv is neither on PATH nor in .tools")
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's wheel, built by its own build backend."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([uv(), "build", "-q", "--wheel", "--out-dir", folder, PROJECT], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture
def site(wheel: Path, tmp_path: Path) -> Path:
    """The folder that the wheel was installed into."""
    target = ["--target", tmp_path / "site", "--python", sys.executable]
    subprocess.run([uv(), "pip", "install", "-q", "--no-deps", *target, wheel], check=True)
    return tmp_path / "site"


def captured(code: Path, store: Path) -> dict[str, Any]:
    """The pin that the code in a folder gives for itself, in a process of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REPRO_")}
    environ |= {"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", CAPTURE, str(store)]
    done = subprocess.run(command, env=environ, cwd=code.parent, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_capsule_of_a_wheel_holds_what_was_installed_and_gives_itself_again(site, tmp_path):
    pin = captured(site, tmp_path / "capsules")
    capsule = capsule_path(tmp_path / "capsules", pin["capsule"])

    assert (pin["project"], pin["commit"], pin["dirty"]) == (str(site), None, False)
    modules = {path.relative_to(site).as_posix() for path in (site / "repro_assets").rglob("*.py")}
    assert {"repro_assets/assumptions/city_to_county_v1.csv", *modules} <= set(read_files(capsule, pin["capsule"]))

    unpack(capsule, pin["capsule"], tmp_path / "unpacked")
    again = captured(tmp_path / "unpacked", tmp_path / "capsules")
    assert (again["project"], again["capsule"]) == (str(tmp_path / "unpacked"), pin["capsule"])


def test_two_installations_of_one_wheel_give_one_capsule_and_an_edited_one_is_dirty(site, wheel, tmp_path):
    other = ["--target", tmp_path / "other", "--python", sys.executable]
    subprocess.run([uv(), "pip", "install", "-q", "--no-deps", "--compile-bytecode", *other, wheel], check=True)
    first, second = captured(site, tmp_path / "capsules"), captured(tmp_path / "other", tmp_path / "capsules")
    assert first["capsule"] == second["capsule"]

    with open(tmp_path / "other/repro_assets/steps/split.py", "a") as source:
        source.write("# edited\n")

    edited = captured(tmp_path / "other", tmp_path / "capsules")
    assert edited["dirty"]
    assert edited["capsule"] != first["capsule"]
