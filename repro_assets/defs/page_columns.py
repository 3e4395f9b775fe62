"""Column schema and column lineage for Dagster's page, from what is declared: nothing is read for it.

https://docs.dagster.io/guides/build/assets/metadata-and-tags/table-metadata
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.output import Output
from repro_assets.steps.column_lineage import Source, sources_of_features
from repro_assets.steps.feature_columns import CARRIED_COLUMNS, FEATURE_SCHEMA
from repro_assets.steps.model_fit import columns_of
from repro_assets.steps.model_inference import PREDICTION_SCHEMA, PROBABILITIES
from repro_assets.steps.split import KEY, TARGET

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage

_SCHEMAS = {"features": FEATURE_SCHEMA, "predictions": PREDICTION_SCHEMA}


def column_metadata(stage: Stage, output: Output) -> dict[str, Any]:
    """The page's column metadata of an output; empty where it is no table.

    Raw tables, and what is made of them alone, have the columns that their pins name.
    """
    if stage.asset in _SCHEMAS:
        said = descriptions(stage.asset)
        columns = [dg.TableColumn(name, kind, said[name]) for name, kind in _SCHEMAS[stage.asset].items()]
        return {"dagster/column_schema": dg.TableSchema(columns), "dagster/column_lineage": _lineage(stage.asset)}
    raw = [table for table in (stage.asset, *stage.upstream) if table in EXPERIMENT.table_names]
    found = [
        dg.TableColumn(name, kind, description=f"as in {table}")
        for table in raw
        for name, kind in output.data[table]["schema"]
    ]
    return {"dagster/column_schema": dg.TableSchema(found)} if found else {}


def sources_of_predictions() -> dict[str, list[Source]]:
    """Columns of `features` behind each column of `predictions`: for a probability those that its estimator sees."""
    seen = {
        column: [("features", name) for name in columns_of(estimator)] for estimator, column in PROBABILITIES.items()
    }
    copied = {name: [("features", name)] for name in (KEY, "part", TARGET, *CARRIED_COLUMNS)}
    return {**copied, **seen, "predicted": seen["probability"]}


def descriptions(asset: str) -> dict[str, str]:
    """What a person reads beside each column of `features` or `predictions`."""
    common = {
        KEY: f"key of {EXPERIMENT.split_table.name}; the split follows it",
        "part": "half of the split, or unlabelled",
    }
    if asset == "features":
        sources = sources_of_features()
        return {name: common.get(name) or _made_from(sources.get(name, [])) for name in FEATURE_SCHEMA}
    hidden = {estimator.name: estimator.blind_to for estimator in EXPERIMENT.estimators}
    return {
        **common,
        TARGET: "as published; empty where unlabelled",
        **dict.fromkeys(CARRIED_COLUMNS, "as in features; no model sees it"),
        **{
            column: f"of {TARGET} 1, by `{name}`" + (f", blind to {', '.join(hidden[name])}" if hidden[name] else "")
            for name, column in PROBABILITIES.items()
        },
        "predicted": "1 where `probability` is at or above the threshold",
    }


def _made_from(sources: Sequence[Source]) -> str:
    return f"from {', '.join(column for _, column in sources)}" if sources else ""


def _lineage(asset: str) -> dg.TableColumnLineage:
    sources: Mapping[str, list[Source]] = sources_of_features() if asset == "features" else sources_of_predictions()
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=dg.AssetKey(source), column_name=name) for source, name in found]
            for column, found in sources.items()
        }
    )
