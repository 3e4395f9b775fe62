"""What may be written to an MLflow run, checked before it is: parameters, metrics, tags, documents and datasets.

MLflow cuts parameters at 6,000 characters and tags at 8,000 without a word; here such a value is refused, since a cut
record proves nothing. Long texts are documents. Secrets are taken out of values; a document that holds one is refused,
since its digest was taken. Importing this module imports no mlflow.
"""

from __future__ import annotations

import hashlib
import json
import math
import numbers
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput
from repro_assets.pins.redaction import REDACTED, is_credential, redact_known
from repro_assets.pins.secret_rules import find_secret
from repro_assets.resources.known_secrets import clean, known_values

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric, Param, RunTag

# mlflow.utils.validation of MLflow 3.17: what is longer is cut (parameters, tags) or refused (datasets).
PARAM_CHARACTERS = 6_000
TAG_CHARACTERS = 8_000
INPUT_TAG_CHARACTERS = 500
_FINGERPRINT_DIGITS = 32


@dataclass(frozen=True)
class DatasetRecord:
    """A table that a run read or wrote, as MLflow's page shows it.

    Attributes:
        name: Table or asset name.
        fingerprint: Digest of its rows (`tblfp/1`), whole; MLflow's own digest sees 10,000 rows in 32 bits.
        context: What it was used for: `raw`, `train`, `output`, …
        source_type: `delta_table` for Delta, else a word of its own.
        source: Where it is; see `delta_dataset`.
        version: Version of the table, if it has one.
        columns: Name and type of each column.
        rows: Row count.
    """

    name: str
    fingerprint: str
    context: str
    source_type: str
    source: Mapping[str, Any]
    version: int | None = None
    columns: Sequence[tuple[str, str]] = field(default=())
    rows: int | None = None


def delta_dataset(
    name: str,
    *,
    path: str,
    version: int,
    fingerprint: str,
    context: str,
    columns: Sequence[tuple[str, str]] = (),
    rows: int | None = None,
) -> DatasetRecord:
    """A Delta table at one version. MLflow's own Delta source leaves version 0 out; this one says it."""
    source = {"path": path, "delta_table_version": version}
    return DatasetRecord(name, fingerprint, context, "delta_table", source, version, tuple(columns), rows)


def as_dataset_input(record: DatasetRecord) -> DatasetInput:
    """Turn a record into MLflow's entity, with our fingerprint beside it as `repro.fingerprint`.

    MLflow keeps one dataset per name and digest and silently shows the *first* source for all others, so the digest
    has to tell two versions with the same rows apart: 32 digits of the fingerprint, then 4 of the source.

    Raises:
        BadInput: The fingerprint is not a digest, or a value is too long for MLflow.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = clean(json.dumps(dict(record.source), sort_keys=True))
    if len(record.fingerprint) < _FINGERPRINT_DIGITS:
        raise BadInput("not a fingerprint", where=record.name, stored=record.fingerprint, expected="64 digits")
    tags = {"mlflow.data.context": record.context, "repro.fingerprint": record.fingerprint}
    if record.version is not None:
        tags["repro.version"] = str(record.version)
    for key, value in tags.items():
        _refuse_long(f"dataset {record.name}, {key}", value, INPUT_TAG_CHARACTERS)
    dataset = Dataset(
        name=record.name,
        digest=record.fingerprint[:_FINGERPRINT_DIGITS] + hashlib.sha256(source.encode()).hexdigest()[:4],
        source_type=record.source_type,
        source=source,
        schema=json.dumps({"mlflow_colspec": [{"name": name, "type": kind} for name, kind in record.columns]}),
        profile=None if record.rows is None else json.dumps({"num_rows": record.rows}),
    )
    return DatasetInput(dataset, [InputTag(key, value) for key, value in tags.items()])


def checked_params(params: Mapping[str, Any]) -> list[Param]:
    """Parameters as MLflow's entities, values as text without secrets.

    Raises:
        BadInput: A value is longer than MLflow keeps.
    """
    from mlflow.entities import Param

    texts = {key: _cleaned(key, value) for key, value in params.items()}
    for key, value in texts.items():
        _refuse_long(f"parameter {key}", value, PARAM_CHARACTERS)
    return [Param(key, value) for key, value in texts.items()]


def checked_tags(tags: Mapping[str, Any]) -> list[RunTag]:
    """Tags as MLflow's entities, values as text without secrets.

    Raises:
        BadInput: A value is longer than MLflow keeps.
    """
    from mlflow.entities import RunTag

    texts = {key: _cleaned(key, value) for key, value in tags.items()}
    for key, value in texts.items():
        _refuse_long(f"tag {key}", value, TAG_CHARACTERS)
    return [RunTag(key, value) for key, value in texts.items()]


def checked_metrics(metrics: Mapping[str, float], model_id: str | None = None) -> list[Metric]:
    """Metrics as MLflow's entities, all of this moment, at step 0.

    Raises:
        BadInput: A value is no number, or not finite.
    """
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    for key, value in metrics.items():
        if not _is_finite(value):
            raise BadInput("a metric is not a finite number", where=key, stored=repr(value))
    return [Metric(key, float(value), now, 0, model_id=model_id) for key, value in metrics.items()]


def log_documents(client: MlflowClient, run_id: str, documents: Mapping[str, str | bytes]) -> None:
    """Write documents as artifacts of one run, in one upload.

    Args:
        client: Bound to the store.
        run_id: MLflow run.
        documents: File name (folders with `/`) → content; text is written as UTF-8.

    Raises:
        BadInput: A name leaves the artifact folder, or a document holds what looks like a secret.
    """
    for name, content in documents.items():
        _refuse_escaping(name)
        _refuse_secret(name, content.encode() if isinstance(content, str) else content)
    if not documents:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in documents.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        client.log_artifacts(run_id, folder)


def as_readable_json(document: Mapping[str, Any]) -> str:
    """A document as people read it among the artifacts."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _is_finite(value: object) -> bool:
    # Number kernels hand out numbers of their own, which only the abstract class knows.
    return not isinstance(value, bool) and isinstance(value, numbers.Real) and math.isfinite(value)


def _refuse_long(what: str, value: str, limit: int) -> None:
    if len(value) > limit:
        raise BadInput(
            "a value is too long for MLflow, which would cut it",
            where=what,
            stored=f"{len(value)} characters",
            expected=f"at most {limit}",
            fix="Write it as a document",
        )


def _cleaned(name: str, value: object) -> str:
    return REDACTED if is_credential(name, str(value)) else clean(str(value))


def _refuse_secret(name: str, content: bytes) -> None:
    found = find_secret(content)
    text = content.decode("utf-8", "replace")
    if found or redact_known(text, known_values()) != text:
        raise BadInput(
            "a document for MLflow holds what looks like a secret",
            where=f"{name}:{found.line}" if found else name,
            stored=found.rule if found else "the value of a secret variable of this process",
            fix="Take it out of what the document is made of",
        )


def _refuse_escaping(name: str) -> None:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name or name == ".":
        raise BadInput("not a document's name", stored=repr(name), expected="a relative path such as receipt.json")
