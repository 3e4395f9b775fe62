"""Past runs read back from MLflow: every manifest checked against the digest that was recorded beside it.

A manifest is an artifact, which anybody with the store's files can edit; its digest stands in a tag of its run and in
the manifest of whatever was made of it. All of them have to agree before anything is believed.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, Blocked, DataDamaged
from repro_assets.pins.document_form import Each, Form, Items, Maybe, misfit
from repro_assets.pins.manifest import RUN_SCHEMA, manifest_digest
from repro_assets.pins.run_record import RunRecord, StageRecord, stage_record
from repro_assets.resources.tracking.store import speaking_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MANIFEST = "manifest.json"
_DIGEST_TAG = "repro.manifest"
_FIX = "Restore the artifact from a copy of the store"
# What is read of a run's manifest, whatever commit wrote it.
_RUN_FORM: Form = {
    "data_version": str,
    "stages": Each(
        {"mlflow_run_id": str, **dict.fromkeys(("state", "identity", "output_digest", "manifest_sha256"), Maybe(str))}
    ),
    "order": Items(str),
    "runs": {"dagster": str},
}


def load_record(client: MlflowClient, parent: Run) -> RunRecord:
    """Read what a past run recorded.

    Args:
        client: Bound to the store.
        parent: The run that holds the stages, as `run_lookup.find_parent` gives it.

    Raises:
        BadInput: It ended before its first stage did.
        Blocked: A manifest that it refers to is gone.
        DataDamaged: A manifest is not the one that was recorded.
    """
    with speaking_of(client.tracking_uri):
        document = run_document(client, parent)
        stages: dict[str, StageRecord] = {}
        for asset, entry in document["stages"].items():
            _add_stage(client, stages, asset, entry["mlflow_run_id"], document["stages"])
    return RunRecord(
        mlflow_run_id=parent.info.run_id,
        dagster_run_id=str(document["runs"]["dagster"]),
        data_version=str(document["data_version"]),
        stages=stages,
        own=frozenset(document["stages"]),
    )


def run_document(client: MlflowClient, parent: Run) -> dict[str, Any]:
    """The manifest of a whole run, checked against its tag.

    Raises:
        BadInput: The run has none: it ended before its first stage did.
        DataDamaged: It is not the one that was recorded.
    """
    tags = parent.data.tags
    if _DIGEST_TAG not in tags:
        raise BadInput(
            "the run has no manifest: it ended before its first stage did", where=parent.info.run_id, stored=MANIFEST
        )
    document = _checked(client, parent.info.run_id, [tags[_DIGEST_TAG]])
    if document.get("schema") != RUN_SCHEMA:
        raise DataDamaged(
            "a run's manifest has another schema",
            where=parent.info.run_id,
            stored=document.get("schema"),
            expected=RUN_SCHEMA,
        )
    wrong = misfit(document, _RUN_FORM)
    if wrong is not None or set(document["order"]) != set(document["stages"]):
        raise DataDamaged(
            "a run's manifest lacks what every one has",
            where=parent.info.run_id,
            stored=wrong or "order does not name the stages",
            fix=_FIX,
        )
    return document


def read_artifact(client: MlflowClient, run_id: str, name: str) -> bytes:
    """The bytes of one artifact.

    Raises:
        Blocked: It is gone.
        Outside: The store does not answer.
    """
    from mlflow.exceptions import MlflowException

    with speaking_of(client.tracking_uri), tempfile.TemporaryDirectory() as folder:
        try:
            return Path(client.download_artifacts(run_id, name, folder)).read_bytes()
        except (MlflowException, OSError) as error:
            if not says_gone(error):
                raise  # a server that does not answer says nothing about the artifact
            raise Blocked(f"{name} of a run is gone", where=f"MLflow run {run_id}", fix=_FIX) from error


def says_gone(error: Exception) -> bool:
    """Whether an error means that there is no such artifact; MLflow says so in several ways."""
    if isinstance(error, FileNotFoundError) or getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST":
        return True
    return re.search(r"[Nn]o such (artifact|file)|error code 404|does not exist", str(error)) is not None


def verified_artifact(client: MlflowClient, run_id: str, name: str, sha256: str) -> bytes:
    """The bytes of one artifact, proved to be those that a manifest names.

    Raises:
        Blocked: It is gone.
        DataDamaged: It is another one.
    """
    content = read_artifact(client, run_id, name)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataDamaged(
            f"{name} of a run is not the one that was recorded",
            where=f"MLflow run {run_id}",
            stored=f"sha256 {found}",
            expected=f"sha256 {sha256}",
            fix=_FIX,
        )
    return content


def _add_stage(
    client: MlflowClient,
    stages: dict[str, StageRecord],
    asset: str,
    run_id: str,
    own: Mapping[str, Mapping[str, Any]],
    below: tuple[str, ...] = (),
) -> None:
    """Add an asset after everything it was made of: a run may hold only the end of the chain.

    Args:
        client: Bound to the store.
        stages: Found so far; added to.
        asset: To add.
        run_id: MLflow run that computed it, as whatever was made of it says.
        own: Stages of the run itself, by asset. A run that confirmed a standing output has a stage of its own for it,
            while what it made next names the standing one.
        below: Assets that were made of it, one of the other.

    Raises:
        DataDamaged: A manifest is not the one that was recorded, or an asset was made of itself.
    """
    if asset in stages:
        return
    if asset in below:
        raise DataDamaged(
            "manifests name each other as what they were made of",
            where=f"MLflow run {run_id}",
            stored=" of ".join((*below, asset)),
            fix=_FIX,
        )
    run_id = str(own.get(asset, {}).get("mlflow_run_id", run_id))
    tag = client.get_run(run_id).data.tags.get(_DIGEST_TAG)
    digests = [digest for digest in (tag, own.get(asset, {}).get("manifest_sha256")) if digest is not None]
    record = stage_record(asset, run_id, _checked(client, run_id, digests))
    for upstream, entry in sorted(record.manifest["inputs"].items()):
        _add_stage(client, stages, upstream, entry["mlflow_run_id"], own, (*below, asset))
        _require_link(record, entry, stages[upstream])
    stages[asset] = record


def _require_link(record: StageRecord, entry: Mapping[str, str], upstream: StageRecord) -> None:
    """What a stage was made of is what the manifest upstream speaks of.

    Raises:
        DataDamaged: It is another output.
    """
    found = (upstream.identity, upstream.output_digest)
    if found != (entry["identity"], entry["digest"]):
        raise DataDamaged(
            f"the manifest of {record.asset} was made of another {upstream.asset}",
            where=f"MLflow run {upstream.mlflow_run_id}",
            stored=upstream.output_digest,
            expected=entry["digest"],
            fix=_FIX,
        )


def _checked(client: MlflowClient, run_id: str, recorded: list[str]) -> dict[str, Any]:
    content = read_artifact(client, run_id, MANIFEST)
    try:
        document: dict[str, Any] = json.loads(content)
        found = manifest_digest(document)
        if not isinstance(document, dict):
            raise TypeError("it is not an object")
    except (ValueError, TypeError, RecursionError, BadInput) as error:
        raise DataDamaged(
            "a manifest can't be read", where=f"MLflow run {run_id}", stored=str(error), fix=_FIX
        ) from error
    wrong = [digest for digest in recorded if digest != found]
    if wrong or not recorded:
        raise DataDamaged(
            "a manifest is not the one that was recorded",
            where=f"MLflow run {run_id}",
            stored=found,
            expected=wrong[0] if wrong else "its digest in a tag",
            fix=_FIX,
        )
    return document
