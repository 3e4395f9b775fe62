"""`python write_tables.py STATEMENTS`: creates the three tables as the document says, and fills them; the orders come in two commits."""

from __future__ import annotations

import random
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from repro_assets import settings
from repro_assets.resources.raw.raw_tables import raw_table_uri
from repro_assets.resources.spark.spark_cluster import open_session

CUSTOMERS = 400
REGIONS = ("north", "east", "south", "west")
FIRST_DAY = date(2024, 1, 1)


def commits() -> list[tuple[str, list[tuple[Any, ...]]]]:
    """Invented rows by table, in the order of writing; who orders less is more likely to leave."""
    draw = random.Random(5)
    customers: list[tuple[Any, ...]] = []
    orders: list[tuple[Any, ...]] = []
    for key in range(CUSTOMERS):
        count = draw.randrange(9)
        labelled = key % 10 != 0
        churned = int(draw.random() < 0.8 - 0.08 * count) if labelled else None
        customers.append((key, key % len(REGIONS), draw.randrange(1, 2000), labelled, churned))
        orders += [
            (key, number, FIRST_DAY + timedelta(days=draw.randrange(60)), number + 1, draw.randrange(100, 9000))
            for number in range(count)
        ]
    regions = [(number, name, 3 + number) for number, name in enumerate(REGIONS)]
    half = len(orders) // 2
    return [("regions", regions), ("customers", customers), ("orders", orders[:half]), ("orders", orders[half:])]


def main(statements: str) -> None:
    """Create and fill the tables of this process's lake."""
    here = settings.load()
    spark = open_session(settings=here)
    for statement in statements.replace("LAKE", here.lake).split(";"):
        if statement.strip():
            spark.sql(statement)
    for table, content in commits():
        uri = raw_table_uri(here.lake, table)
        schema = spark.read.format("delta").load(uri).schema
        spark.createDataFrame(content, schema).coalesce(1).write.format("delta").mode("append").save(uri)


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text(encoding="utf-8"))
