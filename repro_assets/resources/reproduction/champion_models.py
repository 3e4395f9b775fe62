"""The champion's models: named by the registry, read from the lake, believed only with the recorded digests.

There is no way back to another model: where the champion is not there or does not fit, whoever asked is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, Blocked, DataDamaged
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.canonical import digest
from repro_assets.pins.champion import Champion, ChampionFile
from repro_assets.pins.output import Output
from repro_assets.pins.run_record import RunRecord
from repro_assets.resources import storage
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.reproduction.original_outputs import stored_output
from repro_assets.resources.tracking.champions import champions, registered_name
from repro_assets.resources.tracking.run_records import load_record
from repro_assets.resources.tracking.store import speaking_of
from repro_assets.steps.feature_columns import FEATURE_SCHEMA

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from pyspark.sql import SparkSession

_MODEL, _SNAPSHOT = "model", "train_test_snapshot"
_PROMOTE = "`repro promote RUN` makes a run's models the champion"


def present_champion(client: MlflowClient, lake: Lake) -> tuple[Champion, Mapping[str, Any]]:
    """The champion that the registry names now, and the parameters of the split that it was fitted on.

    Args:
        client: Bound to the store.
        lake: Where the models are stored.

    Raises:
        BadInput: There is none, or the estimators' champions are not of one run.
        Blocked: Its manifest, or its model in the lake, is gone.
        DataDamaged: Its manifest is not the one that was recorded.
        Outside: The store failed.
    """
    names = {registered_name(estimator.name): estimator.name for estimator in EXPERIMENT.estimators}
    versions = champions(client, list(names))
    missing = sorted(set(names) - set(versions))
    if missing:
        raise BadInput("there is no champion", where=", ".join(missing), fix=_PROMOTE)
    record = _record(client, versions)
    stage = record.stages[_MODEL]
    output = stored_output(stage, record.data_version, lake)
    if output is None:
        raise _gone(stage.manifest["output"]["location"], stage.output_digest)
    champion = Champion(
        data_version=record.data_version,
        identity=stage.identity,
        digest=stage.output_digest,
        mlflow_run_id=stage.mlflow_run_id,
        registered={name: str(version.version) for name, version in versions.items()},
        files=_files(output, lake),
    )
    return champion, record.parameters.get(_SNAPSHOT, {})


def located(document: Any, lake: Lake) -> Champion:
    """A champion that a manifest names, with its files where the lake has them now.

    Raises:
        BadInput: The document is no champion.
        Blocked: Its model is gone from the lake, or another one stands in its place.
    """
    champion = Champion.from_document(document, "manifest")
    output = lake.find(_MODEL, champion.data_version, champion.identity)
    if output is None or output.digest != champion.digest:
        raise _gone(lake.folder(_MODEL, champion.data_version, champion.identity), champion.digest)
    return Champion.from_document({**champion.as_document(), "files": _documents(_files(output, lake))}, "lake")


def read_champion(champion: Champion, estimator: str, session: Callable[[], SparkSession]) -> Any:
    """One of the champion's estimators; its bytes are checked before it is loaded, and so is its fitted state.

    Args:
        champion: The champion.
        estimator: Name of the estimator.
        session: Opens Spark, where that is what fitted it.

    Raises:
        Blocked: Its file is gone.
        DataDamaged: It is not the file, or not the fitted state, that was recorded.
        BadInput: It expects features that there are not.
    """
    if estimator not in champion.files:
        raise BadInput("the champion has no such estimator", stored=estimator, expected=", ".join(champion.files))
    file = champion.files[estimator]
    model = _read_file(file) if file.members is None else _read_folder(file, file.members, session)
    unknown = sorted(set(model.feature_names_in_) - set(FEATURE_SCHEMA))
    if unknown:
        raise BadInput("the champion expects features that there are not", where=file.path, stored=", ".join(unknown))
    return model


def require_same_split(champion: Champion, fitted_on: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    """Refuse a champion that was fitted on people who are in today's test half.

    Args:
        champion: The champion.
        fitted_on: Parameters of the snapshot that it was fitted on.
        present: Parameters of the snapshot that is predicted.

    Raises:
        BadInput: They differ.
    """
    if dict(fitted_on) != dict(present):
        raise BadInput(
            "the champion was fitted on another split: it may have seen people whom it would be tested on",
            where=champion.data_version,
            stored=dict(fitted_on),
            expected=dict(present),
            fix="Predict with the same salt and test_fraction, or promote a run that has these",
        )


def _record(client: MlflowClient, versions: Mapping[str, ModelVersion]) -> RunRecord:
    runs = {str(version.run_id) for version in versions.values()}
    if len(runs) > 1:
        named = ", ".join(f"{name} version {one.version} of run {one.run_id}" for name, one in versions.items())
        raise BadInput("the estimators' champions are not of one run", stored=named, fix=_PROMOTE)
    with speaking_of(client.tracking_uri):
        nested = client.get_run(runs.pop())
        parent = nested.data.tags.get("mlflow.parentRunId")
        record = load_record(client, client.get_run(parent)) if parent else None
    stage = record.stages.get(_MODEL) if record else None
    if record is None or stage is None or stage.mlflow_run_id != nested.info.run_id:
        raise BadInput(
            "the champion was not made by this project", where=f"MLflow run {nested.info.run_id}", fix=_PROMOTE
        )
    return record


def _files(output: Output, lake: Lake) -> dict[str, ChampionFile]:
    found = {}
    for part in output.parts:
        if part.kind == "spark_model":
            uri, members = lake.locate_model_folder(output, part.name)
            found[part.name] = ChampionFile(uri, digest(members), part.digest, members)
            continue
        (file,) = part.files
        folder = lake.folder(output.asset, output.data_version, output.identity)
        found[part.name] = ChampionFile(storage.join(folder, file.path), file.sha256, part.digest)
    return found


def _read_file(file: ChampionFile) -> Any:
    from repro_assets.pins.model_digest import model_digest
    from repro_assets.resources.outputs.model_file import load_model

    try:
        content = storage.read_bytes(file.path)
    except FileNotFoundError as error:
        raise _gone(file.path, file.digest) from error
    model = load_model(content, sha256=file.sha256, where=file.path)
    _require_state(file, model_digest(model))
    return model


def _read_folder(file: ChampionFile, members: Mapping[str, str], session: Callable[[], SparkSession]) -> Any:
    from repro_assets.pins.spark_model import spark_model_digest
    from repro_assets.resources.outputs.spark_model_file import checked_files, load_pipeline

    if not storage.exists(file.path):
        raise _gone(file.path, file.digest)
    _require_state(file, spark_model_digest(checked_files(file.path, members), file.path))
    return load_pipeline(file.path, members, session())


def _require_state(file: ChampionFile, found: str) -> None:
    if found != file.digest:
        raise DataDamaged(
            "the champion's state is not what was recorded", where=file.path, stored=found, expected=file.digest
        )


def _documents(files: Mapping[str, ChampionFile]) -> dict[str, dict[str, str]]:
    return {name: file.as_document() for name, file in files.items()}


def _gone(where: str, digest: str) -> Blocked:
    return Blocked(
        "the champion's model is gone from the lake", where=where, expected=digest, fix="Restore it from a copy"
    )
