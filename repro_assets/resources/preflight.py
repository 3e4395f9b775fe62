"""What a past run lacks today to be run again; nothing is computed and no JVM starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_assets.errors import ReproError
from repro_assets.pins.run_record import RunRecord
from repro_assets.resources.capsule_store import capsule_path, load
from repro_assets.resources.original_outputs import said
from repro_assets.resources.raw_tables import RawTables
from repro_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient


def obstacles(record: RunRecord, client: MlflowClient, settings: Settings) -> list[str]:  # noqa: ARG001 - artifacts next
    """Everything that keeps a run from being reproduced, a sentence each; empty where nothing does."""
    found: list[str] = []
    raw_tables = RawTables()
    for pin in record.data.values():
        try:
            raw_tables.check(pin.commit)
        except ReproError as trouble:
            found.append(said(trouble))
    try:
        capsule = str(record.code["capsule"])
        load(capsule_path(settings.capsules, capsule), capsule)
    except ReproError as trouble:
        found.append(said(trouble))
    return found
