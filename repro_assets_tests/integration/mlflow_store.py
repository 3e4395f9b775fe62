"""A real sqlite MLflow store for tests: copied from one migrated template, read back by the client and by SQL."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

from repro_assets.resources.tracking.store import connect


class SqliteStore:
    """The store of an installation whose `var/` is `folder`.

    Args:
        folder: The installation's `var/`.
        template: A migrated, empty database to copy; None for an installation that has none yet.
    """

    def __init__(self, folder: Path, template: Path | None = None) -> None:
        self.database = folder / "mlflow" / "mlflow.db"
        self.uri = f"sqlite:///{self.database}"
        if template is not None:
            self.database.parent.mkdir()
            shutil.copy(template, self.database)

    @property
    def client(self) -> Any:
        return connect(self.uri)

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.database)
        try:
            with connection:
                return connection.execute(query).fetchall()
        finally:
            connection.close()

    def runs(self, experiment: str) -> dict[str, Any]:
        """Runs by asset name, the parent as `parent`."""
        found = self.client.get_experiment_by_name(experiment)
        runs = [] if found is None else self.client.search_runs([found.experiment_id])
        return {run.data.tags.get("repro.asset", "parent"): run for run in runs}
