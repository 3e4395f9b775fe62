"""Spark ML pipelines in Spark's own format: a folder, read whole and checked before Spark is asked to load it.

Spark loads a class by the name that stands in each stage's metadata. So a folder is loaded only if its files are the
recorded ones, none more and none less, and if every class that it names stands on the list below; what an `MLmodel`
beside it says decides nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput, DataDamaged
from repro_assets.pins.canonical import digest
from repro_assets.pins.spark_model import stage_classes
from repro_assets.resources import storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from repro_assets.steps.spark_estimator import SparkEstimator

# What pipelines of this project consist of, each with why it may be built from files.
ALLOWED_CLASSES: dict[str, str] = {
    "org.apache.spark.ml.PipelineModel": "loads its stages, which are checked one by one",
    "org.apache.spark.ml.feature.StringIndexerModel": "lists of categories",
    "org.apache.spark.ml.feature.OneHotEncoderModel": "numbers of categories",
    "org.apache.spark.ml.feature.VectorAssembler": "names of columns",
    "org.apache.spark.ml.feature.StandardScalerModel": "two vectors",
    "org.apache.spark.ml.classification.LogisticRegressionModel": "a matrix and a vector",
    "org.apache.spark.ml.classification.GBTClassificationModel": "nodes of trees",
}
# Ends as JSON lines and Parquet do; nothing above what the families' ranges allow comes near.
LARGEST_BYTES = 30_000_000


def save_pipeline(estimator: SparkEstimator, uri: str) -> dict[str, bytes]:
    """Let Spark write a fitted pipeline; returns what it wrote, by path below `uri`.

    Two saves of one pipeline differ in bytes: compare models by the digest of their fitted state.

    Raises:
        BadInput: The model is too large, or holds a class that is not allowed: it could not be loaded again.
    """
    estimator.pipeline.write().save(uri)
    files = {path: storage.read_bytes(storage.join(uri, path)) for path in storage.files_below(uri)}
    size = sum(len(content) for content in files.values())
    if size > LARGEST_BYTES:
        raise BadInput("a model is too large", where=uri, stored=f"{size} bytes", expected=f"at most {LARGEST_BYTES}")
    _require_allowed(files, uri)
    return files


def checked_files(uri: str, recorded: Mapping[str, str]) -> dict[str, bytes]:
    """Read a model's folder.

    Args:
        uri: The folder.
        recorded: SHA-256 by path below it, of every file that was written.

    Returns:
        Content by path.

    Raises:
        DataDamaged: A file is gone, other or one too many: Spark reads whatever lies in a folder.
    """
    there = storage.files_below(uri)
    if set(there) != set(recorded):
        raise DataDamaged(
            "a model's folder holds other files than were recorded",
            where=uri,
            stored=", ".join(sorted(set(there) ^ set(recorded)))[:400],
            expected=f"{len(recorded)} files",
        )
    files = {path: storage.read_bytes(storage.join(uri, path)) for path in there}
    for path, content in files.items():
        found = hashlib.sha256(content).hexdigest()
        if found != recorded[path]:
            raise DataDamaged(
                "a model file is not the one that was recorded",
                where=storage.join(uri, path),
                stored=found,
                expected=recorded[path],
            )
    return files


def load_pipeline(uri: str, recorded: Mapping[str, str], spark: SparkSession) -> SparkEstimator:
    """Load what `save_pipeline` stored; arguments and errors as `checked_files`.

    Raises:
        BadInput: It names a class that is not allowed, or is no pipeline.
    """
    _require_allowed(checked_files(uri, recorded), uri)
    from pyspark.ml import PipelineModel

    from repro_assets.steps.spark_estimator import SparkEstimator

    return SparkEstimator(PipelineModel.load(uri), spark)


def folder_digest(files: Mapping[str, bytes]) -> str:
    """Digest of a folder's files by path, 64 hexadecimal digits."""
    return digest({path: hashlib.sha256(content).hexdigest() for path, content in files.items()})


def _require_allowed(files: Mapping[str, bytes], where: str) -> None:
    others = sorted({name for name in stage_classes(files, where).values() if name not in ALLOWED_CLASSES})
    if others:
        raise BadInput(
            "a Spark model holds classes that are not allowed",
            where=where,
            stored=", ".join(others),
            fix="If they are harmless, add them to ALLOWED_CLASSES with the reason",
        )
