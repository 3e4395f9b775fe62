"""Splits people, the rows of the table that the experiment splits, into train, test and unlabelled.

The side of a person depends on their key and the salt alone, so it stays the same in every data version,
whoever else joins or leaves the table.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Literal

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PEOPLE = ("train", "test", "unlabelled")
KEY = EXPERIMENT.split_key
TARGET = EXPERIMENT.target
_HASH_DIGITS = 8  # 32 bits: fine enough for any fraction, and exact in every integer type
_HASHES = 16**_HASH_DIGITS
_SALT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/=+:-]{0,199}")


def check_split(salt: str, test_fraction: float) -> None:
    """Refuse what people can't be divided by; `side` and `split` ask here too.

    Raises:
        BadInput: A salt that is no plain word of at most 200 characters, or a fraction outside (0, 1).
    """
    if not _SALT.fullmatch(salt) or ".." in salt:
        raise BadInput(
            "not a salt",
            where="salt",
            stored=repr(salt)[:80],
            expected="1 to 200 of A-Z a-z 0-9 . _ / = + : -, the first a letter or digit, and no `..`",
        )
    if not 0 < test_fraction < 1:
        raise BadInput(
            "not a share of test rows",
            where="test_fraction",
            stored=test_fraction,
            expected="a number above 0 and below 1",
        )


def side(key: int, salt: str, test_fraction: float) -> Literal["train", "test"]:
    """The side of one labelled person: what `split` does in Spark, for one key.

    Args:
        key: The person's key.
        salt: Text that goes before the key; another salt is another split.
        test_fraction: Share of the test side, between 0 and 1.

    Returns:
        "test" if the first 32 bits of sha256(salt + key) are below `test_fraction` x 2^32.

    Raises:
        BadInput: A salt or fraction that `check_split` refuses.
    """
    check_split(salt, test_fraction)
    first_bits = int(hashlib.sha256(f"{salt}{key}".encode()).hexdigest()[:_HASH_DIGITS], 16)
    return "test" if first_bits < _threshold(test_fraction) else "train"


def split(people: DataFrame, *, salt: str, test_fraction: float) -> dict[str, DataFrame]:
    """Split people as read at one data version.

    Args:
        people: One row per person: the split key, the target, `labelled` (a boolean), and whatever else.
        salt: Text that goes before a person's key.
        test_fraction: Share of the labelled people on the test side, between 0 and 1.

    Returns:
        `train`, `test` and `unlabelled`, with the columns of `people`.

    Raises:
        BadInput: A person without a key or twice, a labelled one without a 0 or 1, an unlabelled one with a target,
            or a salt or fraction that `check_split` refuses.
    """
    from pyspark.sql import functions as f

    check_split(salt, test_fraction)
    threshold = _threshold(test_fraction)
    _refuse_unsplittable(people)
    digest = f.sha2(f.concat(f.lit(salt), f.col(KEY).cast("string")).cast("binary"), 256)
    first_bits = f.conv(f.substring(digest, 1, _HASH_DIGITS), 16, 10).cast("bigint")
    labelled = f.col("labelled")
    return {
        "train": people.where(labelled & (first_bits >= threshold)),
        "test": people.where(labelled & (first_bits < threshold)),
        "unlabelled": people.where(~labelled),
    }


def _threshold(test_fraction: float) -> int:
    # times a power of two is exact, so that the same fraction is the same threshold everywhere
    return int(test_fraction * _HASHES)


def _refuse_unsplittable(people: DataFrame) -> None:
    """Null in a condition drops a row from every part without a word; a key that comes twice would count twice."""
    from pyspark.sql import functions as f

    def rows(condition: Column) -> Column:
        return f.coalesce(f.sum(condition.cast("bigint")), f.lit(0))

    key, target, labelled = f.col(KEY), f.col(TARGET), f.col("labelled")
    counts = people.agg(
        rows(key.isNull()).alias(f"rows without {KEY}"),
        (f.count(key) - f.count_distinct(key)).alias(f"rows repeat a {KEY}"),
        rows(labelled.isNull()).alias("rows don't say whether they are labelled"),
        rows(labelled & ~f.coalesce(target.isin(0, 1), f.lit(False))).alias(
            f"labelled rows without a {TARGET} of 0 or 1"
        ),
        rows(~labelled & target.isNotNull()).alias(f"unlabelled rows with a {TARGET}"),
    ).collect()[0]
    found = [f"{count} {what}" for what, count in counts.asDict().items() if count]
    if found:
        raise BadInput(
            "people that can't be split",
            where=EXPERIMENT.split_table.name,
            stored="; ".join(found),
            expected="none of these",
        )
