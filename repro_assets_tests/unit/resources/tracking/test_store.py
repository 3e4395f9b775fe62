"""URIs of a store as they may be said, and the database file behind one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from repro_assets.resources.tracking.store import redacted, sqlite_file


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://me:secret@host:5000/mlflow", "https://***@host:5000/mlflow"),
        ("https://token@host", "https://***@host"),
        ("https://host/a?key=secret", "https://host/a?***"),
        ("postgresql://me:p@ss@host/db", "postgresql://***@host/db"),
        ("sqlite:////var/mlflow.db", "sqlite:////var/mlflow.db"),
    ],
)
def test_a_uri_is_said_without_its_secrets(uri, expected) -> None:
    assert redacted(uri) == expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:////var/mlflow.db", Path("/var/mlflow.db")),
        ("sqlite:///mlflow.db", Path("mlflow.db").absolute()),
        ("sqlite:////var/mlflow.db?timeout=5", Path("/var/mlflow.db")),
        ("sqlite:///file:/var/mlflow.db?mode=ro&uri=true", Path("/var/mlflow.db")),
        ("http://127.0.0.1:5000", None),
        ("postgresql://host/db", None),
    ],
)
def test_the_database_file_of_a_uri(uri, expected) -> None:
    assert sqlite_file(uri) == expected


def test_importing_the_resource_imports_neither_mlflow_nor_its_dagster_library() -> None:
    code = (
        "import sys; import repro_assets.resources.tracking.resource, repro_assets.resources.tracking.model_registry, "
        "repro_assets.resources.tracking.reaper, repro_assets.resources.tracking.confirmations; "
        "print(sorted({'mlflow', 'dagster_mlflow', 'sklearn', 'pyspark'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == "[]"
