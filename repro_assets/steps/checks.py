"""What must be true of each output: one function per check, evidence in, finding out.

No asset module imports this file: a check judges a result and is no part of it, so a better check makes no output stale.
Which asset has which check, and which of them stop what is downstream, stands in the asset's own module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, ReproError
from repro_assets.steps.feature_columns import CATEGORICAL_COLUMNS, FEATURE_COLUMNS
from repro_assets.steps.model_fit import check_features, rows_of
from repro_assets.steps.model_inference import PROBABILITIES
from repro_assets.steps.split import KEY, PEOPLE, TARGET

if TYPE_CHECKING:
    import pyarrow

WORSE_BY = 0.02  # ROC AUC; what is lost from one data version to the next before somebody should look
FEWEST_OF_A_CLASS = 20  # below it a column may tell the target of everybody by chance
LEAK_ERRORS = 0.01  # share of the rarer class that a column may get wrong and still count as a copy of the target
NOT_YET = "not yet reproduced"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        passed: Whether it is as it must be.
        text: What was looked at and found, as a clause.
        facts: Further text for the page, by label.
    """

    passed: bool
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)


def pin_still_true(version: int, trouble: ReproError | None) -> Finding:
    """The raw table still holds the commit that was pinned.

    Args:
        version: Of the pin.
        trouble: What checking the pin against the log raised, or None.
    """
    if trouble is None:
        return Finding(True, f"the log still holds version {version}: same table id, same commit digest")
    return Finding(False, str(trouble))


def keys_unique(repeated: int, rows: int, keys: Sequence[str]) -> Finding:
    """Every row has a key, and no two have the same.

    Args:
        repeated: Rows without a whole key or with one that another row has already.
        rows: All rows.
        keys: Columns of the key.
    """
    key = ", ".join(keys)
    if repeated:
        return Finding(False, f"{repeated} of {rows} rows repeat or lack a key ({key})")
    return Finding(True, f"each of {rows} rows has a key ({key}) of its own")


def train_test_disjoint(keys: Mapping[str, Any]) -> Finding:
    """Nobody is in two parts, or in one part twice.

    Args:
        keys: Arrow array of the people's keys by part.
    """
    import pyarrow.compute as pc

    distinct = {part: set(pc.unique(array).to_pylist()) for part, array in keys.items()}
    found = [
        f"{len(array) - len(distinct[part])} rows of {part} repeat a {KEY}"
        for part, array in keys.items()
        if len(array) != len(distinct[part])
    ]
    parts = list(keys)
    for position, left in enumerate(parts):
        for right in parts[position + 1 :]:
            if shared := len(distinct[left] & distinct[right]):
                found.append(f"{shared} people are in {left} and in {right}")
    if found:
        return Finding(False, "; ".join(found))
    return Finding(True, f"{sum(map(len, distinct.values()))} people, each in one of {', '.join(parts)}")


def nothing_lost(rows: Mapping[str, int], people: int) -> Finding:
    """Every person of the raw table is in some part.

    Args:
        rows: Count by part.
        people: Rows of the raw table at its pin.
    """
    total = sum(rows[part] for part in PEOPLE)
    sum_ = " + ".join(f"{rows[part]} {part}" for part in PEOPLE)
    return Finding(total == people, f"{sum_} = {total}, {people} in the raw table")


def no_target_leak(features: pyarrow.Table, columns: Sequence[str] = FEATURE_COLUMNS) -> Finding:
    """No single feature is the target, or as good as a copy of it.

    A column is, if its values alone sort labelled people into classes with no more errors than `LEAK_ERRORS` of the
    rarer class: by the majority among people with the same value, or for numbers by the best cut. Values that occur
    once tell nothing and are left out of the majority.

    Args:
        features: A table with the columns of `FEATURE_SCHEMA`.
        columns: Which of them a model sees.
    """
    named = sorted({KEY, TARGET, "part"} & set(columns))
    if named:
        return Finding(False, f"among the feature columns: {', '.join(named)}")
    if TARGET not in features.column_names:
        return Finding(False, f"there is no column {TARGET}")
    import pyarrow.compute as pc

    labelled = features.filter(pc.is_valid(features[TARGET]))
    positive = labelled[TARGET].to_numpy() == 1
    rarer = min(int(positive.sum()), int((~positive).sum()))
    if rarer < FEWEST_OF_A_CLASS:
        return Finding(True, f"can't be told: {rarer} labelled people of the rarer class, {FEWEST_OF_A_CLASS} needed")
    leaks = [
        name
        for name in columns
        # a column that is missing is another check's finding
        if name in labelled.column_names
        and _is_copy(_comparable(labelled[name]), positive, ordered=name not in CATEGORICAL_COLUMNS)
    ]
    if leaks:
        return Finding(False, f"{TARGET} can be read off {', '.join(leaks)} alone")
    return Finding(True, f"none of {len(columns)} columns gives {TARGET} away, over {len(positive)} labelled people")


def schema_as_model_expects(features: pyarrow.Table) -> Finding:
    """Columns, types and nulls are what the estimators are fitted on."""
    try:
        check_features(features)
    except BadInput as error:
        return Finding(False, str(error))
    return Finding(True, f"{features.num_columns} columns of the declared types, nulls in {TARGET} at most")


def one_row_per_person(predictions: pyarrow.Table, features: pyarrow.Table) -> Finding:
    """Everybody outside train has exactly one prediction, and nobody else has one."""
    wanted = set(rows_of(features, "test", "unlabelled")[KEY].to_pylist())
    keys = predictions[KEY].to_pylist()
    found = set(keys)
    counts = {
        "rows repeat a person": len(keys) - len(found),
        "people have no row": len(wanted - found),
        "rows are about somebody else": len(found - wanted),
    }
    wrong = [f"{count} {what}" for what, count in counts.items() if count]
    return Finding(not wrong, "; ".join(wrong) or f"{len(keys)} rows for {len(wanted)} people")


def probabilities_in_range(predictions: pyarrow.Table) -> Finding:
    """All probabilities are numbers from 0 to 1."""
    import numpy as np

    outside = {}
    for name in PROBABILITIES.values():
        values = predictions[name].to_numpy()
        outside[name] = int(np.count_nonzero(~((values >= 0) & (values <= 1))))  # NaN is neither
    wrong = [f"{count} rows outside 0 to 1 in {name}" for name, count in outside.items() if count]
    return Finding(not wrong, "; ".join(wrong) or f"{predictions.num_rows} rows, all probabilities from 0 to 1")


def roc_auc_not_worse(now: float, before: float | None, key: str | None) -> Finding:
    """ROC AUC is at most `WORSE_BY` below that of the data version before.

    Args:
        now: Of this data version.
        before: Of the one before, with the same parameters; None where there is none.
        key: The one before; None for the first.
    """
    if key is None:
        return Finding(True, f"ROC AUC {now:.4f}; there is no data version before to compare with")
    if before is None:
        return Finding(True, f"ROC AUC {now:.4f}; {key} has no predictions with the same parameters")
    # Rounded, so that a loss of exactly the limit is not decided by the last bit of a subtraction.
    lost = round(before - now, 12)
    return Finding(lost <= WORSE_BY, f"ROC AUC {now:.4f}, {now - before:+.4f} to {before:.4f} of {key}")


def _comparable(column: Any) -> Any:
    """Numbers as they are, anything else as a number per distinct value; a null is a value of its own."""
    import pyarrow as pa

    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return column.to_numpy()
    return column.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)


def _is_copy(values: Any, positive: Any, *, ordered: bool) -> bool:
    import numpy as np

    _, group = np.unique(values, return_inverse=True)
    ones = np.bincount(group, weights=positive)
    zeros = np.bincount(group) - ones
    repeated = ones + zeros > 1
    if 2 * (ones + zeros)[repeated].sum() >= len(positive):
        rarer = min(ones[repeated].sum(), zeros[repeated].sum())
        if rarer and np.minimum(ones, zeros)[repeated].sum() <= LEAK_ERRORS * rarer:
            return True
    if not ordered:
        return False
    wrong = np.cumsum(ones) + zeros.sum() - np.cumsum(zeros)  # above the cut is 1, up to it 0
    return min(wrong.min(), (len(positive) - wrong).min()) <= LEAK_ERRORS * min(ones.sum(), zeros.sum())
