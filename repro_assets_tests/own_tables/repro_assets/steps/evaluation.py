"""Judges predictions on the labelled test half, and answers the experiment's question with those numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from repro_assets.steps.model_fit import rows_of
from repro_assets.steps.split import KEY, TARGET

if TYPE_CHECKING:
    import pyarrow


def evaluate(predictions: pyarrow.Table, threshold: float) -> dict[str, float]:
    """Metrics of the labelled test half; `roc_auc` is the one that a check follows from version to version."""
    from sklearn.metrics import roc_auc_score

    test = rows_of(predictions, "test").sort_by(KEY)
    target, probability = test[TARGET].to_numpy(), test["probability"].to_numpy()
    return {
        "roc_auc": float(roc_auc_score(target, probability)),
        "roc_auc_without_orders": float(roc_auc_score(target, test["probability_without_orders"].to_numpy())),
        "accuracy": float(((probability >= threshold) == (target == 1)).mean()),
    }


def answer(metrics: Mapping[str, float], caveat: str) -> str:
    """The question answered with what was measured."""
    with_, without = metrics["roc_auc"], metrics["roc_auc_without_orders"]
    return f"ROC AUC {with_:.4f} with a customer's orders, {without:.4f} without them. {caveat}"
