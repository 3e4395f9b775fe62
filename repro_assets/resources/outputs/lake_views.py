"""A Spark view per table of the lake: every complete output of all data versions, and the raw tables at their newest.

A view stands for one part of an output (`train`, `features`, `predictions`, …) and has three columns before the
part's own: `data_version`, `identity`, and `latest`, which is true for the identity that Dagster's latest
materialization of that data version names. Every file is checked against its marker before it is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial, reduce
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput
from repro_assets.pins.output import Output
from repro_assets.resources import storage
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.raw.raw_tables import RawTables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ADDED_COLUMNS = ("data_version", "identity", "latest")
_RAW = "raw"
# Identity that Dagster names last, by data version, of one asset.
Latest = Callable[[str], Mapping[str, str]]
View = Callable[["SparkSession"], "DataFrame"]


def complete_outputs(lake: Lake) -> list[Output]:
    """Every output of the lake whose marker stands, by asset, data version and identity.

    Raises:
        DataDamaged: A marker can't be read.
    """
    found = [
        lake.find(asset, data_version, identity)
        for asset in storage.names(lake.root)
        if asset != _RAW and not asset.startswith("_")
        for data_version in storage.names(storage.join(lake.root, asset))
        for identity in storage.names(storage.join(lake.root, asset, data_version))
    ]
    return [output for output in found if output is not None]


def view_names(outputs: Sequence[Output], taken: Collection[str]) -> dict[tuple[str, str], str]:
    """Name of the view of every table part: the part's own where it is the only one of that name, else `ASSET_PART`.

    Args:
        outputs: All outputs.
        taken: Names that belong to others: the raw tables.

    Returns:
        Name by asset and part; models have none.
    """
    parts = sorted({(output.asset, part.name) for output in outputs for part in output.parts if part.kind == "table"})
    count: dict[str, int] = defaultdict(int, dict.fromkeys(taken, 1))
    for _, part in parts:
        count[part] += 1
    return {(asset, part): part if count[part] == 1 else f"{asset}_{part}" for asset, part in parts}


def views(lake: Lake, raw_tables: RawTables, tables: Sequence[str], latest: Latest) -> dict[str, View]:
    """What each view is made of; nothing is read before one is asked for its frame.

    Args:
        lake: Outputs.
        raw_tables: Raw tables.
        tables: Their names.
        latest: Of an asset.
    """
    outputs = complete_outputs(lake)
    found: dict[str, View] = {
        table: partial(_newest, raw_tables, table) for table in tables if raw_tables.versions(table)
    }
    for (asset, part), name in view_names(outputs, tables).items():
        holders = [
            output for output in outputs if output.asset == asset and part in {held.name for held in output.parts}
        ]
        found[name] = partial(_all_versions, lake, holders, part, latest(asset))
    return found


def _newest(raw_tables: RawTables, table: str, spark: SparkSession) -> DataFrame:
    return raw_tables.read(spark, raw_tables.pin(table, raw_tables.versions(table)[-1]))


def _all_versions(
    lake: Lake, outputs: Sequence[Output], part: str, latest: Mapping[str, str], spark: SparkSession
) -> DataFrame:
    from pyspark.sql import functions as f

    def one(output: Output) -> DataFrame:
        frame = lake.read_frame(spark, output, part)
        if clash := set(ADDED_COLUMNS) & set(frame.columns):
            raise BadInput("a part has a column that views add", where=f"{output.asset}/{part}", stored=sorted(clash))
        added = {
            "data_version": output.data_version,
            "identity": output.identity,
            "latest": latest.get(output.data_version) == output.identity,
        }
        return frame.select(*[f.lit(value).alias(name) for name, value in added.items()], "*")

    # Other sources may have written other columns: what an output does not have is null.
    return reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), map(one, outputs))
