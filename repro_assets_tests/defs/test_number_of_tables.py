"""Lineage takes the raw tables from the experiment, whatever their number."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# The experiment is changed before anything reads it, so in a process of its own.
PROGRAM = """
import dataclasses, json, sys
from repro_assets import experiment
from repro_assets.declaration import RawTable

others = [RawTable(f"other_{number}", ("uid", "date"), "", "") for number in range(int(sys.argv[1]) - 1)]
tables = (*others, experiment.EXPERIMENT.split_table)
experiment.EXPERIMENT = dataclasses.replace(experiment.EXPERIMENT, raw_tables=tables)

import dagster as dg
from repro_assets.definitions import defs
from repro_assets.defs.parameters import read_parameters
from repro_assets.defs.partitions import is_key

graph = defs.resolve_asset_graph()
print(json.dumps({
    "tables": experiment.EXPERIMENT.table_names,
    "snapshot": sorted(key.to_user_string() for key in graph.get(dg.AssetKey("train_test_snapshot")).parent_keys),
    "chain": sorted(key.to_user_string() for key in defs.resolve_job_def("chain").asset_layer.selected_asset_keys),
    "configured": sorted(read_parameters([])),
    "is_key": is_key("--".join(f"{table}-v000007" for table in experiment.EXPERIMENT.table_names)),
}))
"""
STAGES = ["features", "model", "predictions", "train_test_snapshot"]


@pytest.mark.parametrize("count", [1, 2, 5], ids="{} tables".format)
def test_any_number_of_raw_tables_stands_upstream_of_the_snapshot_and_in_the_chain(count: int) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(count)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["tables"]) == count
    assert found["snapshot"] == sorted(found["tables"])
    assert found["chain"] == found["configured"] == sorted([*found["tables"], *STAGES])
    assert found["is_key"]
