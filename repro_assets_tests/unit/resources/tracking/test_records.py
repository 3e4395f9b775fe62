"""What may be written to a run: nothing that MLflow would cut, nothing that is no number."""

from __future__ import annotations

import json

import numpy as np
import pytest

from repro_assets.errors import BadInput
from repro_assets.resources.tracking.records import (
    DatasetRecord,
    as_dataset_input,
    checked_metrics,
    checked_params,
    checked_tags,
    delta_dataset,
    log_documents,
)

FINGERPRINT = "0123456789abcdef" * 4


class NoClient:
    """A client that must not be asked for anything."""


class FolderClient:
    """A client that remembers the files it is given."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def log_artifacts(self, run_id: str, folder: str) -> None:
        from pathlib import Path

        found = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        self.files = {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.parametrize("version", [0, 12], ids=["version 0", "a later version"])
def test_a_delta_source_always_says_its_version(version) -> None:
    record = delta_dataset("t", path="file:///t", version=version, fingerprint=FINGERPRINT, context="raw")
    entity = as_dataset_input(record)

    assert entity.dataset.source_type == "delta_table"
    assert json.loads(entity.dataset.source) == {"path": "file:///t", "delta_table_version": version}


def test_a_dataset_s_digest_fits_mlflow_and_begins_with_the_fingerprint() -> None:
    digest = as_dataset_input(DatasetRecord("t", FINGERPRINT, "output", "lake", {"uri": "x"})).dataset.digest

    assert len(digest) == 36
    assert digest.startswith(FINGERPRINT[:32])


def test_a_dataset_without_a_version_has_no_version_tag() -> None:
    entity = as_dataset_input(DatasetRecord("t", FINGERPRINT, "output", "lake", {"uri": "x"}))

    assert {tag.key for tag in entity.tags} == {"mlflow.data.context", "repro.fingerprint"}


def test_columns_and_rows_are_what_the_page_shows() -> None:
    columns = [("uid", "long"), ("city", "string")]
    dataset = as_dataset_input(DatasetRecord("t", FINGERPRINT, "raw", "lake", {}, columns=columns, rows=7)).dataset

    assert json.loads(dataset.schema) == {
        "mlflow_colspec": [{"name": "uid", "type": "long"}, {"name": "city", "type": "string"}]
    }
    assert json.loads(dataset.profile) == {"num_rows": 7}


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(DatasetRecord("t", "short", "raw", "lake", {}), id="no digest"),
        pytest.param(DatasetRecord("t", FINGERPRINT, "x" * 501, "lake", {}), id="long context"),
    ],
)
def test_a_dataset_that_mlflow_can_t_keep_is_refused(record) -> None:
    with pytest.raises(BadInput):
        as_dataset_input(record)


@pytest.mark.parametrize(
    ("check", "longest"),
    [pytest.param(checked_params, 6_000, id="parameter"), pytest.param(checked_tags, 8_000, id="tag")],
)
def test_a_text_is_kept_whole_or_refused(check, longest) -> None:
    assert check({"k": "x" * longest})[0].value == "x" * longest
    with pytest.raises(BadInput, match="document"):
        check({"k": "x" * (longest + 1)})


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), True, None, "1", np.float64("nan"), np.bool_(True)],
    ids=["nan", "inf", "-inf", "bool", "none", "text", "numpy nan", "numpy bool"],
)
def test_a_metric_that_is_no_finite_number_is_refused(value) -> None:
    with pytest.raises(BadInput, match="auc"):
        checked_metrics({"auc": value})


@pytest.mark.parametrize("value", [3, 0.25, np.float32(0.25), np.int64(3)], ids=["int", "float", "float32", "int64"])
def test_a_number_of_any_kind_is_a_metric(value) -> None:
    assert checked_metrics({"auc": value}, "m-1")[0].value == float(value)


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "/a", "a/../../b", "a//b", "./a", "a\\b", "a/"])
def test_a_document_s_name_stays_inside_the_run(name) -> None:
    with pytest.raises(BadInput, match="document"):
        log_documents(NoClient(), "run", {name: "x"})


def test_documents_are_written_byte_for_byte_in_one_upload() -> None:
    client = FolderClient()

    log_documents(client, "run", {"manifest.json": "é\r\n", "deep/raw": b"\xff"})

    assert client.files == {"manifest.json": "é\r\n".encode(), "deep/raw": b"\xff"}


def test_no_documents_are_no_upload() -> None:
    log_documents(NoClient(), "run", {})


PLANTED = "hunter2-planted"


@pytest.mark.parametrize("checked", [checked_params, checked_tags], ids=["parameters", "tags"])
def test_a_value_loses_its_secret_by_name_by_form_and_by_what_this_process_knows(monkeypatch, checked) -> None:
    monkeypatch.setenv("SERVICE_PASSWORD", PLANTED)
    values = {
        "password": "anything",
        "lake": "s3://key:pw@bucket/lake",
        "note": f"connected with {PLANTED}",
        "sort_key": "date",
        "max_tokens": 512,
    }

    assert {entry.key: entry.value for entry in checked(values)} == {
        "password": "(redacted)",
        "lake": "s3://***@bucket/lake",
        "note": "connected with (redacted)",
        "sort_key": "date",
        "max_tokens": "512",
    }


def test_a_dataset_s_source_has_no_password() -> None:
    record = delta_dataset("t", path="s3://key:pw@bucket/t", version=0, fingerprint=FINGERPRINT, context="raw")

    assert json.loads(as_dataset_input(record).dataset.source)["path"] == "s3://***@bucket/t"


def test_a_document_that_holds_a_token_is_refused_with_its_line_before_anything_is_written() -> None:
    token = "ghp_" + "aB3d" * 9

    with pytest.raises(BadInput, match=r"looks like a secret \[notes.txt:2\]: stored a GitHub token") as refused:
        log_documents(NoClient(), "run", {"notes.txt": f"one\ntwo {token}\n"})

    assert token not in str(refused.value)


def test_a_document_that_holds_a_secret_of_this_process_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("SERVICE_PASSWORD", PLANTED)

    with pytest.raises(BadInput, match="secret variable of this process"):
        log_documents(NoClient(), "run", {"notes.txt": PLANTED})
