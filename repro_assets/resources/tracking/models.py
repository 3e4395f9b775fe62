"""Logs a fitted model to a run through the client alone: no active run, no inference, no network.

MLflow's own `log_model` files a model under the process-wide experiment and infers requirements by loading the model in
another process; neither happens here. Its Spark flavor saves by way of `/tmp/mlflow` on whatever file system Spark
takes for the default; here the files that stand in the lake are logged, byte by byte. Loading is `model_file`'s business, which trusts nothing that is written here.
"""

from __future__ import annotations

import hashlib
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from repro_assets.errors import BadInput
from repro_assets.resources.outputs.spark_model_file import folder_digest
from repro_assets.resources.tracking.store import load_model_formats, speaking_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import Model, ModelSignature

SPARK_FOLDER = "sparkml"  # where MLflow's Spark flavor looks for the pipeline
_SKOPS_FILE = "model.skops"


@dataclass(frozen=True)
class TrackedModel:
    """A model as the store has it.

    Attributes:
        model_id: MLflow's id of the logged model.
        uri: `models:/<model_id>`.
        location: URI of the folder with its files.
        file: Name of the model file in that folder, or of the folder that holds a Spark model.
        sha256: SHA-256 of that file's bytes, what a reader checks before it loads; of a folder `folder_digest`.
        bytes: Size of that file, or of all files together.
    """

    model_id: str
    uri: str
    location: str
    file: str
    sha256: str
    bytes: int


def log_sklearn_model(
    client: MlflowClient,
    run_id: str,
    model: Any,
    *,
    name: str,
    requirements: Sequence[str],
    trusted_types: Sequence[str],
    input_columns: Sequence[tuple[str, str]] = (),
    output_type: str = "long",
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
) -> TrackedModel:
    """Store a model in skops format as a logged model that belongs to the run.

    Args:
        client: Bound to the store.
        run_id: MLflow run that fitted it.
        model: Fitted scikit-learn estimator with `predict`.
        name: Name of the logged model.
        requirements: What is needed to load it, one pip requirement each; never inferred.
        trusted_types: The project's own list of types that skops may load.
        input_columns: Name and MLflow type (`long`, `double`, `string`, `boolean`) of each column it takes.
        output_type: MLflow type of what `predict` returns; used with `input_columns`.
        params: Parameters shown on the model's page.
        tags: Tags of the logged model.

    Raises:
        BadInput: No requirements, an unknown column type, or a model of types that are not trusted.
        Outside: The store failed.
    """
    if not requirements:
        raise BadInput("a model is logged with its requirements", where=name, stored="none", fix="Pass requirements")
    signature = _signature(input_columns, output_type)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        logged = _logged(
            client,
            run_id,
            path,
            lambda new: _save(model, path, _description(new, run_id, signature), requirements, trusted_types),
            name=name,
            params=params or {},
            tags=tags or {},
        )
        content = (path / _SKOPS_FILE).read_bytes()
    return TrackedModel(
        model_id=logged.model_id,
        uri=f"models:/{logged.model_id}",
        location=logged.artifact_location,
        file=_SKOPS_FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
    )


def log_spark_model(
    client: MlflowClient,
    run_id: str,
    files: Mapping[str, bytes],
    *,
    name: str,
    requirements: Sequence[str],
    input_columns: Sequence[tuple[str, str]] = (),
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
) -> TrackedModel:
    """Store a Spark ML pipeline with MLflow's Spark flavor; `mlflow.spark.load_model` loads it.

    Args:
        client: Bound to the store.
        run_id: MLflow run that fitted it.
        files: The pipeline as Spark saved it: content by path.
        name: Name of the logged model.
        requirements: What is needed to load it, one pip requirement each; never inferred.
        input_columns: Name and MLflow type of each column it takes.
        params: Parameters shown on the model's page.
        tags: Tags of the logged model.

    Raises:
        BadInput: No requirements, or an unknown column type.
        Outside: The store failed.
    """
    if not requirements:
        raise BadInput("a model is logged with its requirements", where=name, stored="none", fix="Pass requirements")
    signature = _signature(input_columns, "double")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        logged = _logged(
            client,
            run_id,
            path,
            lambda new: _save_spark(files, path, _description(new, run_id, signature), requirements),
            name=name,
            params=params or {},
            tags=tags or {},
        )
    return TrackedModel(
        model_id=logged.model_id,
        uri=f"models:/{logged.model_id}",
        location=logged.artifact_location,
        file=SPARK_FOLDER,
        sha256=folder_digest(files),
        bytes=sum(len(content) for content in files.values()),
    )


def _logged(
    client: MlflowClient,
    run_id: str,
    path: Path,
    save: Callable[[Any], None],
    *,
    name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, Any],
) -> Any:
    """Make a logged model of the run, and give it the files that `save` puts below `path`."""
    with speaking_of(client.tracking_uri):
        logged = client.create_logged_model(
            experiment_id=client.get_run(run_id).info.experiment_id,
            name=name,
            source_run_id=run_id,
            params={key: str(value) for key, value in params.items()},
            tags={key: str(value) for key, value in tags.items()},
        )
        status: Literal["READY", "FAILED"] = "FAILED"
        try:
            save(logged)
            client.log_model_artifacts(logged.model_id, str(path))
            _link(client, run_id, logged.model_id)
            status = "READY"
        finally:
            client.finalize_logged_model(logged.model_id, status)
    return logged


def _save(model: Any, path: Path, description: Model, requirements: Sequence[str], trusted: Sequence[str]) -> None:
    load_model_formats()
    import mlflow.sklearn
    from mlflow.exceptions import MlflowException

    try:
        mlflow.sklearn.save_model(
            model,
            path=str(path),
            mlflow_model=description,
            serialization_format="skops",
            skops_trusted_types=list(trusted),
            # A whole environment rather than `pip_requirements`: that way MLflow asks for no installed pip.
            conda_env=_conda_env(requirements),
        )
    except MlflowException as error:
        if "untrusted types" in str(error):
            types = str(error).split("Root error:")[-1].strip().splitlines()[0]
            raise BadInput(
                "the model holds types that are not trusted",
                where=type(model).__name__,
                stored=types[:400],
                fix="Use plain scikit-learn classes, or add the type to the project's list with its reason",
            ) from error
        raise


def _save_spark(files: Mapping[str, bytes], path: Path, description: Model, requirements: Sequence[str]) -> None:
    """Write what `mlflow.spark.save_model` does, the pipeline from bytes instead of through a distributed file system."""
    load_model_formats()
    import mlflow.pyfunc
    import pyspark
    import yaml

    for name, content in files.items():
        target = path / SPARK_FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    description.add_flavor(
        "spark",
        pyspark_version=pyspark.__version__,
        model_data=SPARK_FOLDER,
        code=None,
        model_class="pyspark.ml.pipeline.PipelineModel",
    )
    mlflow.pyfunc.add_to_model(
        description,
        loader_module="mlflow.spark",
        data=SPARK_FOLDER,
        conda_env="conda.yaml",
        python_env="python_env.yaml",
    )
    description.save(str(path / "MLmodel"))
    (path / "conda.yaml").write_text(yaml.safe_dump(_conda_env(requirements), sort_keys=False))
    (path / "requirements.txt").write_text("\n".join(requirements) + "\n")
    python = {"python": platform.python_version(), "build_dependencies": [], "dependencies": ["-r requirements.txt"]}
    (path / "python_env.yaml").write_text(yaml.safe_dump(python, sort_keys=False))


def _description(logged: Any, run_id: str, signature: ModelSignature | None) -> Model:
    from mlflow.models import Model

    return Model(
        artifact_path=logged.artifact_location,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        run_id=run_id,
        signature=signature,
    )


def _link(client: MlflowClient, run_id: str, model_id: str) -> None:
    from mlflow.entities import LoggedModelOutput

    client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])


def _signature(columns: Sequence[tuple[str, str]], output_type: str) -> ModelSignature | None:
    from mlflow.exceptions import MlflowException
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    if not columns:
        return None
    try:
        inputs = Schema([ColSpec(type=kind, name=name) for name, kind in columns])
        return ModelSignature(inputs=inputs, outputs=Schema([ColSpec(type=output_type)]))
    except MlflowException as error:
        raise BadInput(
            "a column has a type that MLflow does not know",
            stored=str(error).splitlines()[0],
            expected="long, integer, double, float, string, boolean, binary or datetime",
        ) from error


def _conda_env(requirements: Sequence[str]) -> dict[str, Any]:
    return {
        "name": "model",
        "channels": ["conda-forge"],
        "dependencies": [f"python={platform.python_version()}", "pip", {"pip": list(requirements)}],
    }
