"""`repro show`: the manifest of a run, for somebody who has only its id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.experiment import EXPERIMENT
from repro_assets.resources.code.capsule_store import patch_path
from repro_assets.resources.reproduction.run_witnesses import witnesses_of
from repro_assets.resources.tracking.run_lookup import find_parent
from repro_assets.resources.tracking.run_records import load_record, run_document
from repro_assets.resources.tracking.store import connect, initialise, speaking_of

if TYPE_CHECKING:
    import dagster as dg

    from repro_assets.settings import Settings

SCHEMA = "repro-show/1"


def show(run: str, settings: Settings, instance: dg.DagsterInstance) -> dict[str, Any]:
    """The manifest of a run and of each of its stages, those included that it only read, and who got it again.

    Args:
        run: MLflow run id (a nested one means its parent), Dagster run id, or a data version for its newest.
        settings: Names the store.
        instance: Dagster's history.

    Raises:
        BadInput: There is no such run.
        Blocked: A manifest is gone.
        DataDamaged: A manifest is not the one that was recorded.
    """
    experiment = initialise(settings, EXPERIMENT.name)
    client = connect(settings.mlflow_tracking_uri)
    with speaking_of(settings.mlflow_tracking_uri):
        parent = find_parent(client, experiment, run, instance)
        manifest, record = run_document(client, parent), load_record(client, parent)
    witnesses = witnesses_of(client, record)
    return {
        "schema": SCHEMA,
        "mlflow_run_id": parent.info.run_id,
        "status": parent.info.status,
        "manifest": manifest,
        "stages": {asset: dict(stage.manifest) for asset, stage in record.stages.items()},
        "patch": patch_of(record.code, settings.capsules),
        "confirmations": [one.as_document() for one in witnesses if one.confirms],
        # What came out otherwise, could not be tried, or was another thing on purpose.
        "other_attempts": [one.as_document() for one in witnesses if not one.confirms],
    }


def patch_of(code: Mapping[str, Any], capsules: Path) -> str | None:
    """Where the patch of an edited tree against its commit lies; None where nothing was edited, or it is not there.

    Args:
        code: The code pin, as a manifest holds it.
        capsules: Folder of capsules.
    """
    if not (code["dirty"] and code["commit"]):
        return None
    path = patch_path(capsules, code["capsule"], code["commit"])
    return str(path) if path.exists() else None
