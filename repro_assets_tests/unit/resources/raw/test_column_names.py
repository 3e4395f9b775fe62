"""A column is known under every name that some version's files hold it under."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from repro_assets.errors import DataDamaged
from repro_assets.resources.raw.column_names import stored_names
from repro_assets_tests.unit.delta_log import commit_file, log_file, metadata, write_commit

TABLE = "job_changes"


def schema(physical: str | None) -> dict[str, Any]:
    mapped = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": physical} if physical else {}
    fields = [{"name": "enrollee_id", "type": "long", "nullable": True, "metadata": mapped}]
    head = metadata()
    text = json.dumps({"type": "struct", "fields": fields})
    return {
        "metaData": {
            **head["metaData"],
            "format": {"provider": "parquet", "options": {}},
            "schemaString": text,
            "partitionColumns": [],
            "configuration": {},
        }
    }


def table(lake: Path, *physical: str | None) -> str:
    protocol = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
    for version, name in enumerate(physical):
        write_commit(lake, TABLE, version, commit_file(protocol, schema(name)))
    return (lake / "raw" / TABLE).as_uri()


@pytest.mark.parametrize(
    ("physical", "expected"),
    [
        pytest.param([None], {"enrollee_id"}, id="no column mapping"),
        pytest.param(["col-1f"], {"enrollee_id", "col-1f"}, id="column mapping"),
        pytest.param([None, "col-1f", "col-2f"], {"enrollee_id", "col-1f", "col-2f"}, id="overwritten twice"),
    ],
)
def test_every_name_of_every_version_is_known(tmp_path, physical, expected) -> None:
    assert stored_names(table(tmp_path, *physical), "enrollee_id") == expected


def test_a_log_that_can_not_be_read_is_damage(tmp_path) -> None:
    uri = table(tmp_path, None)
    log_file(tmp_path, TABLE, 0).write_bytes(b"{")
    with pytest.raises(DataDamaged, match="can't be read"):
        stored_names(uri, "enrollee_id")
