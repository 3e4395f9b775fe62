"""Plots for people: numbers in, the bytes of a small PNG out.

A plot is never part of a result: no digest covers it, and no asset module imports this file.
Drawn without matplotlib's global state (`pyplot`), so that neither a display nor another plot can be in the way.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from repro_assets.steps.model_fit import as_frame, rows_of
from repro_assets.steps.model_inference import PROBABILITIES
from repro_assets.steps.split import KEY, TARGET

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline

    from repro_assets.steps.spark_estimator import SparkEstimator

_DOTS_PER_INCH = 80
_WIDTH = 6.5  # inches; fills the dialog in which Dagster's page opens a picture
_NOW, _BEFORE, _THIRD = "#1f5f99", "#d9822b", "#9aa5b1"
_BINS = 10  # of the calibration curve, equally filled
_IMPORTANCE_ROWS = 1000
_IMPORTANCE_REPEATS = 3
_IMPORTANCE_SEED = 20200611


def daily_curve(
    now: Mapping[date, int], before: Mapping[date, int] | None, labels: tuple[str, str], noun: str
) -> bytes:
    """New cases per day, or whatever a table counts, in two versions, and what the later one corrected.

    Args:
        now: Cumulative count of all rows by day.
        before: The same of the version before; None for the first.
        labels: What the two are called.
        noun: What is counted, in the singular.

    Returns:
        A PNG. The lower half shows, per day that both versions have, by how many they differ.
    """
    figure, (curve, corrections) = _axes(2, 1, height=4.2, sharex=True)
    daily = _new_per_day(now)
    if before is not None:
        old = _new_per_day(before)
        curve.plot(_on_axis(old), list(old.values()), color=_BEFORE, linewidth=1.6, label=labels[1])
        difference = {day: daily[day] - old[day] for day in daily if day in old}
        corrections.bar(_on_axis(difference), list(difference.values()), color=_BEFORE)
    curve.plot(_on_axis(daily), list(daily.values()), color=_NOW, linewidth=1, label=labels[0])
    curve.set_ylabel(f"new {noun}s per day")
    curve.legend(frameon=False)
    corrections.axhline(0, color=_THIRD, linewidth=0.8)
    corrections.set_ylabel("corrected by")
    corrections.tick_params(axis="x", rotation=30)
    return _png(figure)


def class_balance(counts: Mapping[str, Mapping[str, int]]) -> bytes:
    """People by part and target, as stacked bars.

    Args:
        counts: Count by what the target says, by part.
    """
    figure, (axes,) = _axes(1, 1, height=2.4)
    kinds = list(dict.fromkeys(kind for part in counts.values() for kind in part))
    left = dict.fromkeys(counts, 0)
    for kind, color in zip(kinds, (_NOW, _BEFORE, _THIRD), strict=False):
        widths = [part.get(kind, 0) for part in counts.values()]
        axes.barh(list(counts), widths, left=list(left.values()), color=color, label=kind)
        left = {name: start + width for (name, start), width in zip(left.items(), widths, strict=True)}
    axes.invert_yaxis()
    axes.set_xlabel("people")
    axes.legend(frameon=False)
    return _png(figure)


def roc(predictions: pyarrow.Table) -> bytes:
    """ROC curves of all estimators, over the labelled test half.

    Args:
        predictions: A table with the columns of `PREDICTION_SCHEMA`; both classes are in the test half.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    figure, (axes,) = _axes(1, 1, height=4.4)
    target, curves = _judged(predictions)
    for label, (probability, color) in curves.items():
        false, true, _ = roc_curve(target, probability)
        axes.plot(false, true, color=color, label=f"{label}: {roc_auc_score(target, probability):.4f}")
    axes.plot([0, 1], [0, 1], color=_THIRD, linewidth=0.8, linestyle="--")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.legend(frameon=False, loc="lower right")
    return _png(figure)


def calibration(predictions: pyarrow.Table) -> bytes:
    """Predicted against observed share of people with the target, in equally filled bins of the test half.

    Args:
        predictions: As `roc`.
    """
    from sklearn.calibration import calibration_curve

    figure, (axes,) = _axes(1, 1, height=4.4)
    target, curves = _judged(predictions)
    for label, (probability, color) in curves.items():
        observed, predicted = calibration_curve(target, probability, n_bins=_BINS, strategy="quantile")
        axes.plot(predicted, observed, color=color, marker="o", markersize=3, label=label)
    axes.plot([0, 1], [0, 1], color=_THIRD, linewidth=0.8, linestyle="--")
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("observed share")
    axes.legend(frameon=False, loc="upper left")
    return _png(figure)


def importance(estimator: Pipeline | SparkEstimator, features: pyarrow.Table) -> bytes | None:
    """What ROC AUC loses when a column is shuffled, on people of the test half: the same measure for every family.

    Args:
        estimator: Fitted, with `feature_names_in_`.
        features: A table with the columns of `FEATURE_SCHEMA`.

    Returns:
        A PNG; None where the test half has one class only, so that nothing can be ranked.
    """
    test = rows_of(features, "test").sort_by(KEY).slice(0, _IMPORTANCE_ROWS)
    target = test[TARGET].to_numpy()
    if len(set(target)) < 2:
        return None
    columns = estimator.feature_names_in_.tolist()
    ranked = sorted(zip(_lost_when_shuffled(estimator, as_frame(test, columns), target), columns, strict=True))
    figure, (axes,) = _axes(1, 1, height=1 + 0.22 * len(columns))
    axes.barh([name for _, name in ranked], [loss for loss, _ in ranked], color=_NOW)
    axes.axvline(0, color=_THIRD, linewidth=0.8)
    axes.set_xlabel(f"ROC AUC lost when shuffled ({len(target)} people of test)")
    return _png(figure)


def _lost_when_shuffled(estimator: Pipeline | SparkEstimator, frame: pandas.DataFrame, target: Any) -> list[float]:
    """ROC AUC lost per column, mean over the repeats; every shuffle is predicted in one call, since Spark's are slow."""
    import numpy as np
    import pandas
    from sklearn.metrics import roc_auc_score

    generator = np.random.Generator(np.random.PCG64(_IMPORTANCE_SEED))
    shuffles = [
        frame.assign(**{name: frame[name].to_numpy()[generator.permutation(len(frame))]})
        for name in frame.columns
        for _ in range(_IMPORTANCE_REPEATS)
    ]
    together = pandas.concat([frame, *shuffles], ignore_index=True)
    scores = estimator.predict_proba(together)[:, list(estimator.classes_).index(1)].reshape(-1, len(frame))
    whole, *shuffled = (roc_auc_score(target, score) for score in scores)
    losses = whole - np.array(shuffled).reshape(len(frame.columns), _IMPORTANCE_REPEATS)
    return losses.mean(axis=1).tolist()


def _new_per_day(cumulative: Mapping[date, int]) -> dict[date, int]:
    days = sorted(cumulative)
    return {day: cumulative[day] - cumulative[last] for last, day in itertools.pairwise(days)}


def _on_axis(days: Iterable[date]) -> Any:
    import numpy as np

    return np.array(list(days), dtype="datetime64[D]")


def _judged(predictions: pyarrow.Table) -> tuple[Any, dict[str, tuple[Any, str]]]:
    """The target, and by estimator its probability and a colour; the first estimator is drawn last, above the others."""
    test = rows_of(predictions, "test")
    colors = itertools.chain([_NOW], itertools.cycle((_BEFORE, _THIRD)))
    curves = {
        name.replace("_", " "): (test[column].to_numpy(), color)
        for (name, column), color in zip(PROBABILITIES.items(), colors, strict=False)
    }
    return test[TARGET].to_numpy(), dict(reversed(curves.items()))


def _axes(rows: int, columns: int, *, height: float, sharex: bool = False) -> tuple[Figure, tuple[Axes, ...]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=_DOTS_PER_INCH, layout="constrained")
    return figure, tuple(figure.subplots(rows, columns, sharex=sharex, squeeze=False).flat)


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
