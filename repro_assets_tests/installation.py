"""An installation of its own for tests that use the project as a person does: real processes, an empty `var/`."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import dagster as dg

from repro_assets import settings as settings_module

REPRO = Path(sys.executable).parent / "repro"
Found = TypeVar("Found")
_SETTINGS = ("REPRO_", "MLFLOW_", "DAGSTER_")


@dataclass(frozen=True)
class Installation:
    """State below one folder, reached through the command line only."""

    var: Path

    @classmethod
    def make(cls, folder: Path) -> Installation:
        """An empty `var/`, under a name that a careless path would break, that shares the project's jars and proofs."""
        var = folder / "a var with spaces"
        var.mkdir(parents=True)
        shared = settings_module.load({}).var
        (shared / "envs").mkdir(parents=True, exist_ok=True)
        for name in ("jars", "envs"):  # what is fetched once, and the memo of packages proved once
            (var / name).symlink_to(shared / name)
        return cls(var)

    def environment(self, changes: Mapping[str, str] | None = None) -> dict[str, str]:
        """The process environment without this project's variables, then `changes`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
        return {**kept, "REPRO_VAR": str(self.var), **(changes or {})}

    def repro(
        self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `repro` in a process of its own; output is text, the exit code is the caller's to judge."""
        return subprocess.run(
            [str(REPRO), *arguments],
            env=self.environment(env),
            cwd=cwd or self.var,
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Any:
        """The document of a command that has to succeed."""
        done = self.repro(*arguments, "--json", env=env, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def mlflow(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query over the MLflow database."""
        with closing(sqlite3.connect(self.var / "mlflow" / "mlflow.db")) as database:
            return database.execute(query, values).fetchall()

    def tags(self, run_id: str) -> dict[str, str]:
        """Tags of an MLflow run."""
        return dict(self.mlflow("SELECT key, value FROM tags WHERE run_uuid = ?", run_id))

    def params(self, run_id: str) -> dict[str, str]:
        """Parameters of an MLflow run."""
        return dict(self.mlflow("SELECT key, value FROM params WHERE run_uuid = ?", run_id))

    def artifacts(self, run_id: str) -> set[str]:
        """Names of the artifacts directly under an MLflow run."""
        return {path.name for path in self.artifact_folder(run_id).iterdir()}

    def artifact_folder(self, run_id: str) -> Path:
        """Where the artifacts of an MLflow run lie."""
        ((uri,),) = self.mlflow("SELECT artifact_uri FROM runs WHERE run_uuid = ?", run_id)
        return Path(unquote(uri.removeprefix("file://")))

    @contextmanager
    def dagster(self) -> Iterator[dg.DagsterInstance]:
        """Dagster's history, to be asked."""
        instance = dg.DagsterInstance.from_config(str(self.var / "dagster"))
        try:
            yield instance
        finally:
            instance.dispose()

    def stored_files(self, asset: str, key: str, identity: str) -> list[Path]:
        """Files of the output that stands under an identity, as its marker names them; not those of other attempts."""
        folder = self.var / "lake" / asset / key / identity
        marker = json.loads((folder / "_COMPLETE.json").read_text())
        return [folder / file["path"] for part in marker["parts"] for file in part["files"]]

    def nested(self, parent: str) -> dict[str, str]:
        """Nested MLflow run by asset."""
        rows = self.mlflow(
            "SELECT asset.value, parent.run_uuid FROM tags parent JOIN tags asset USING (run_uuid) "
            "WHERE parent.key = 'mlflow.parentRunId' AND parent.value = ? AND asset.key = 'repro.asset'",
            parent,
        )
        return dict(rows)


def java_that_refuses(folder: Path) -> dict[str, str]:
    """Environment in which starting a JVM fails, and leaves a trace; its version can still be read."""
    home = folder / "java"
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text('JAVA_VERSION="17.0.15"\n')
    program = home / "bin" / "java"
    program.write_text(f"#!/bin/sh\ntouch {folder}/a-jvm-was-started\nexit 1\n")
    program.chmod(0o755)
    return {"JAVA_HOME": str(home)}


def wait_until(condition: Callable[[], Found | None], *, seconds: float) -> Found:
    """Ask until there is an answer; the time is a bound for a broken test, not a measurement."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := condition()) is not None:
            return found
        time.sleep(0.2)
    raise AssertionError(f"no answer within {seconds:g} s")
