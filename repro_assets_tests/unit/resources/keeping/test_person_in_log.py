"""A log names an id as the smallest or largest of a file, or in what a writer said; nothing else of it counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repro_assets.errors import DataDamaged
from repro_assets.resources.keeping.person_in_log import log_files_with

PERSON = "4711"


def bounds(smallest: int, column: str = "enrollee_id") -> dict[str, Any]:
    return {"numRecords": 4711, "minValues": {column: smallest, "hours": 4711}, "maxValues": {column: 9000}}


def file(stats: dict[str, Any]) -> dict[str, Any]:
    return {"path": "part-4711.parquet", "size": 4711, "stats": json.dumps(stats)}


def named(table: Path) -> list[str]:
    log = f"{table.as_uri()}/_delta_log/"
    return [where.removeprefix(log) for where in log_files_with(table.as_uri(), {"enrollee_id", "col-1f"}, PERSON)]


def written(table: Path, name: str, *actions: dict[str, Any]) -> None:
    (table / "_delta_log").mkdir(exist_ok=True)
    (table / "_delta_log" / name).write_text("\n".join(map(json.dumps, actions)))


@pytest.mark.parametrize(
    "action",
    [
        pytest.param({"add": file(bounds(4711))}, id="smallest of a new file"),
        pytest.param({"remove": file(bounds(4711))}, id="smallest of a removed file"),
        pytest.param({"add": file(bounds(4711, "col-1f"))}, id="under the name of column mapping"),
        pytest.param({"commitInfo": {"operationParameters": {"predicate": '["(id#0L = 4711)"]'}}}, id="a condition"),
        pytest.param({"commitInfo": {"userMetadata": "without 4711"}}, id="a writer's own words"),
    ],
)
def test_what_names_the_id_is_found(tmp_path, action) -> None:
    written(tmp_path, "00000000000000000000.json", action)
    assert named(tmp_path) == ["00000000000000000000.json"]


def test_sizes_counts_and_other_columns_are_no_ids(tmp_path) -> None:
    written(tmp_path, "00000000000000000000.json", {"add": file(bounds(1))}, {"commitInfo": {"timestamp": 4711}})
    assert named(tmp_path) == []


def test_a_checksum_file_that_lists_all_files_is_looked_at(tmp_path) -> None:
    written(tmp_path, "00000000000000000000.crc", {"numFiles": 4711, "allFiles": [file(bounds(4711))]})
    assert named(tmp_path) == ["00000000000000000000.crc"]


@pytest.mark.parametrize("stats", ["stats", "stats_parsed"])
def test_a_checkpoint_is_looked_at(tmp_path, stats) -> None:
    one = {"path": "a", "stats": json.dumps(bounds(4711))} if stats == "stats" else {"stats_parsed": bounds(4711)}
    (tmp_path / "_delta_log").mkdir()
    name = "00000000000000000010.checkpoint.parquet"
    pq.write_table(pa.table({"add": [one, None]}), tmp_path / "_delta_log" / name)
    assert named(tmp_path) == [name]


def test_a_checkpoint_that_can_not_be_read_is_damage(tmp_path) -> None:
    written(tmp_path, "00000000000000000010.checkpoint.parquet", {})
    with pytest.raises(DataDamaged, match=r"a checkpoint can't be searched .*checkpoint\.parquet"):
        named(tmp_path)
