"""Which columns `features` has, and of which kind."""

from __future__ import annotations

from repro_assets.experiment import EXPERIMENT

CATEGORICAL_COLUMNS = ("region",)
NUMERIC_COLUMNS = ("member_days", "stores", "orders", "cents")
FEATURE_COLUMNS = (*CATEGORICAL_COLUMNS, *NUMERIC_COLUMNS)

# Columns that go along and are no feature: none here.
CARRIED_COLUMNS: dict[str, str] = {}

# Column name to Arrow type name, in the order of the table.
FEATURE_SCHEMA: dict[str, str] = {
    EXPERIMENT.split_key: "int64",
    "part": "string",
    EXPERIMENT.target: "int64",
    **CARRIED_COLUMNS,
    **dict.fromkeys(CATEGORICAL_COLUMNS, "string"),
    **dict.fromkeys(NUMERIC_COLUMNS, "int64"),
}
