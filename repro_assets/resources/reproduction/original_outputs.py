"""The outputs of a past run as they are stored today: whole, gone, or not what was recorded."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput, DataDamaged, ReproError
from repro_assets.pins.output import Output, Part
from repro_assets.pins.run_record import RunRecord, StageRecord
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.outputs.spark_model_file import checked_files, folder_digest
from repro_assets.resources.tracking.models import SPARK_FOLDER
from repro_assets.resources.tracking.run_records import says_gone
from repro_assets.resources.tracking.store import speaking_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MODEL_SHA256_TAG = "repro.model_sha256"


def stored_output(stage: StageRecord, data_version: str, lake: Lake) -> Output | None:
    """The output that a manifest speaks of; None where it is gone, or another result stands in its place.

    Raises:
        DataDamaged: Its marker can't be read.
    """
    output = lake.find(stage.asset, data_version, stage.identity)
    return output if output is not None and output.digest == stage.output_digest else None


def damaged_outputs(record: RunRecord, lake: Lake, client: MlflowClient) -> list[ReproError]:
    """Everything stored of a run that is not what was recorded, in the lake and in MLflow; reads every file.

    What is gone is not damaged: the digests in the manifests are enough to compare with.
    """
    found: list[ReproError] = []
    for stage in record.stages.values():
        try:
            verify_output(stage, record.data_version, lake)
            verify_models(stage, client)
        except (DataDamaged, BadInput) as damage:  # a model file of types that nobody trusts is bad input
            found.append(damage)
    return found


def replaced_outputs(record: RunRecord, lake: Lake) -> list[str]:
    """Stages in whose place another result of the same identity stands, a sentence each."""
    return [
        f"stored {stage.asset}: another result of the same identity stands in its place"
        for stage in record.stages.values()
        if lake.find(stage.asset, record.data_version, stage.identity) is not None
        and stored_output(stage, record.data_version, lake) is None
    ]


def verify_output(stage: StageRecord, data_version: str, lake: Lake) -> None:
    """An output's files, and what is in them: a marker can be exchanged together with a file, a manifest can't.

    Raises:
        DataDamaged: A file, or what is in it, is not what was recorded; an output that is gone is not damaged.
        BadInput: A model file holds types that nobody trusts.
    """
    from repro_assets.pins.fingerprint import fingerprint

    output = stored_output(stage, data_version, lake)
    if output is None:
        return
    where = lake.folder(output.asset, output.data_version, output.identity)
    _require_parts(stage, {part.name: part.digest for part in output.parts}, where)
    lake.verify(output)
    found = {}
    for part in output.parts:
        if part.kind in ("model", "spark_model"):
            found[part.name] = _state_digest(output, part, lake)
        else:
            found[part.name] = fingerprint(lake.read_table(output, part.name)).digest
    _require_parts(stage, found, where)


def _state_digest(output: Output, part: Part, lake: Lake) -> str:
    """Digest of a stored model's state; where another scikit-learn made it, it can't be told here and counts as right."""
    if part.kind == "spark_model":
        from repro_assets.pins.spark_model import spark_model_digest

        uri, recorded = lake.locate_model_folder(output, part.name)
        return spark_model_digest(checked_files(uri, recorded), uri)
    from sklearn.exceptions import InconsistentVersionWarning

    from repro_assets.pins.model_digest import model_digest
    from repro_assets.resources.outputs.model_file import load_model

    content, file, where = lake.read_model(output, part.name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            return model_digest(load_model(content, sha256=file.sha256, where=where))
        except InconsistentVersionWarning:
            return part.digest


def _require_parts(stage: StageRecord, found: Mapping[str, str], where: str) -> None:
    wrong = sorted(name for name in {**stage.parts, **found} if stage.parts.get(name) != found.get(name))
    if wrong:
        raise DataDamaged(
            f"what is stored of {stage.asset} is not what its manifest names",
            where=where,
            stored=", ".join(f"{name} {str(found.get(name))[:16]}" for name in wrong),
            expected=", ".join(f"{name} {str(stage.parts.get(name))[:16]}" for name in wrong),
        )


def verify_models(stage: StageRecord, client: MlflowClient, *, may_be_gone: bool = True) -> int:
    """The registered models of a stage, file by file.

    Args:
        stage: Whose run registered them.
        client: Bound to the store.
        may_be_gone: Whether a model without files is right: to compare with, the digest of its state is enough.

    Returns:
        How many there are.

    Raises:
        DataDamaged: A file is not the one that was logged, or, where it may not be, gone.
        Outside: The store failed.
    """
    with speaking_of(client.tracking_uri):
        versions = client.search_model_versions(f"run_id = '{stage.mlflow_run_id}'")
        for version in versions:
            expected = version.tags.get(_MODEL_SHA256_TAG)
            if expected is None:
                continue
            found = _model_digests(client, version.source or "")
            if expected in found or (not found and may_be_gone):
                continue
            raise DataDamaged(
                "a model file in MLflow is not the one that was logged" if found else "a model in MLflow is gone",
                where=f"{version.name} version {version.version}",
                stored=", ".join(sorted(found)) or "nothing",
                expected=expected,
                fix="Restore it from a copy of the store",
            )
        return len(versions)


def _folder_digest(folder: Path) -> str:
    files = (path for path in folder.rglob("*") if path.is_file())
    return folder_digest({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


def _model_digests(client: MlflowClient, source: str) -> set[str]:
    """What stands at a model's source: SHA-256 of each skops file, digest of each Spark folder; empty where it is gone."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    from repro_assets.resources.tracking.store import process_default

    with tempfile.TemporaryDirectory() as folder, process_default(client.tracking_uri):
        try:
            model = Path(download_artifacts(source, dst_path=folder))
            found = {hashlib.sha256(file.read_bytes()).hexdigest() for file in model.rglob("*.skops")}
            return found | {_folder_digest(stored) for stored in model.rglob(SPARK_FOLDER)}
        except (MlflowException, OSError) as error:
            if not says_gone(error):
                raise
            return set()
