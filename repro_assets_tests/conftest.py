"""Fixtures that more than one kind of test needs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from repro_assets import settings as settings_module
from repro_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Number kernels bind at import: set before any test module imports numpy, as the entry points do.
os.environ.update(settings_module.kernel_variables({}))
os.environ.update(settings_module.MLFLOW_PATIENCE)

# The same examples everywhere and every time: what a run finds, the next one finds again.
hypothesis.settings.register_profile("project", derandomize=True, deadline=None)
hypothesis.settings.load_profile("project")

_PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The real session of `envs/clusters/local-v1.json`."""
    from repro_assets.resources.spark.spark_cluster import close_session, open_session

    yield open_session()
    close_session()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real inputs: `REPRO_REAL_DATA`, or `../shared/data` where it exists."""
    folder = Path(os.environ.get("REPRO_REAL_DATA") or _PROJECT.parent / "shared" / "data")
    if not (folder / "jhu").is_dir():
        pytest.skip(f"real inputs are not here: {folder} (set REPRO_REAL_DATA)")
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Settings:
    """Settings of an empty installation in a temporary folder, sharing the project's jars."""
    var = tmp_path / "var"
    var.mkdir()
    (var / "jars").symlink_to(settings_module.load().jars)
    return dataclasses.replace(settings_module.load({"REPRO_VAR": str(var)}))
