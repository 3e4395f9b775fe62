"""A table of features without Spark: invented people whose target depends on their column `experience`."""

from __future__ import annotations

import random

import pyarrow as pa

from repro_assets.steps.feature_columns import CATEGORICAL_COLUMNS, FEATURE_SCHEMA

ARROW_TYPES = {"int64": pa.int64(), "double": pa.float64(), "string": pa.string()}
PARTS = ("train", "train", "train", "test", "unlabelled")


def feature_table(people: int = 200, seed: int = 1) -> pa.Table:
    """`people` rows, three fifths of them in train, in order of their key."""
    draw = random.Random(seed)
    rows = [_person(key, PARTS[key % len(PARTS)], draw) for key in range(people)]
    return pa.Table.from_pylist(rows, schema())


def schema() -> pa.Schema:
    """`FEATURE_SCHEMA` in Arrow's words."""
    return pa.schema([(name, ARROW_TYPES[type_name]) for name, type_name in FEATURE_SCHEMA.items()])


def shuffled(table: pa.Table, seed: int = 2) -> pa.Table:
    """The same rows in another order."""
    order = list(range(table.num_rows))
    random.Random(seed).shuffle(order)
    return table.take(order)


def _person(key: int, part: str, draw: random.Random) -> dict[str, object]:
    experience = draw.randrange(22)
    person: dict[str, object] = {
        name: draw.randrange(2) if type_name == "int64" else draw.random() for name, type_name in FEATURE_SCHEMA.items()
    }
    return {
        **person,
        **{name: draw.choice(("missing", "one", "other")) for name in CATEGORICAL_COLUMNS},
        "enrollee_id": key,
        "part": part,
        "city": f"city_{key % 7}",
        "experience": experience,
        "target": None if part == "unlabelled" else int(draw.randrange(22) > experience),
    }
