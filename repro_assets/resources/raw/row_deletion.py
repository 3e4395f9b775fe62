"""Rewrites a Delta table without the rows of one key, by Spark; the key itself is written into no log.

A `DELETE` keeps its condition in the commit, with the value that stood in it, and the log lives for years. A `MERGE`
keeps its condition too, but as one between two columns: the value is a row of its source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from repro_assets.errors import Outside

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def delete_rows(spark: SparkSession, uri: str, column: str, value: Any) -> None:
    """Commit the table without some rows; where that only hid them, rewrite their files too.

    Args:
        spark: An open session.
        uri: The table.
        column: The rows' key.
        value: What it is in these rows, in the column's type.

    Raises:
        Outside: Spark or another writer stopped it.
    """
    from delta.tables import DeltaTable
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException
    from pyspark.sql.types import StructType

    try:
        table = DeltaTable.forPath(spark, uri)
        one = spark.createDataFrame([(value,)], StructType([table.toDF().schema[column]]))
        same = f"stored.`{column}` = gone.`{column}`"
        table.alias("stored").merge(one.alias("gone"), same).whenMatchedDelete().execute()
        features = table.detail().select("tableFeatures").collect()[0][0] or []
        # Elsewhere the deletion has rewritten the files itself, and its version has to stay the newest one's.
        if "deletionVectors" in features:
            spark.sql(f"REORG TABLE delta.`{uri}` APPLY (PURGE)").collect()
    except (Py4JJavaError, PySparkException) as error:
        raise Outside(
            "the table can't be rewritten", where=uri, stored=str(error).strip().splitlines()[0][:300], fix="Try again"
        ) from error
