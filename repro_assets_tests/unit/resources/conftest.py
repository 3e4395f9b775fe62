"""Trees that the tests of captures start from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from repro_assets_tests.unit.resources.code.trees import FILES, make_repository, write


@pytest.fixture
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # Around a temporary folder there may be any repository.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A project without git."""
    return write(tmp_path / "plain", FILES)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "capsules"
