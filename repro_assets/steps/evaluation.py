"""Judges predictions on the labelled test half, and answers the experiment's question with those numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput
from repro_assets.steps.model_fit import rows_of
from repro_assets.steps.split import KEY, TARGET

if TYPE_CHECKING:
    import pyarrow

RESAMPLES = 1000
BOOTSTRAP_SEED = 20200611
INTERVAL = (0.025, 0.975)
_CELLS_AT_ONCE = 4_000_000  # bounds memory: rows x resamples held at a time


def evaluate(predictions: pyarrow.Table, threshold: float) -> dict[str, float]:
    """Metrics of the labelled test half.

    Args:
        predictions: A table with the columns of `PREDICTION_SCHEMA`, in any row order.
        threshold: Probability from which a person counts as predicted to change jobs.

    Returns:
        `roc_auc`, `average_precision`, `log_loss`, `brier_score` (of `probability`), `roc_auc_without_cases`,
        `roc_auc_gain` (their difference) with `roc_auc_gain_low` and `roc_auc_gain_high` (95 % interval over cities),
        and as integers the counts `tn`, `fp`, `fn`, `tp` at the threshold, `test_rows` and `test_cities`.

    Raises:
        BadInput: The test half lacks people of a class, so that nothing can be ranked, or of a second city.
    """
    from sklearn import metrics

    test = rows_of(predictions, "test").sort_by(KEY)
    target = test[TARGET].to_numpy()
    probability = test["probability"].to_numpy()
    blind = test["probability_without_cases"].to_numpy()
    cities = test["city"].to_numpy()
    positive = target == 1
    _refuse_one_class(positive)
    roc_auc = float(metrics.roc_auc_score(target, probability))
    roc_auc_without_cases = float(metrics.roc_auc_score(target, blind))
    low, high = gain_interval(positive, probability, blind, cities)
    above = probability >= threshold
    return {
        "roc_auc": roc_auc,
        "roc_auc_without_cases": roc_auc_without_cases,
        "roc_auc_gain": roc_auc - roc_auc_without_cases,
        "roc_auc_gain_low": low,
        "roc_auc_gain_high": high,
        "average_precision": float(metrics.average_precision_score(target, probability)),
        "log_loss": float(metrics.log_loss(target, probability, labels=[0, 1])),
        "brier_score": float(metrics.brier_score_loss(target, probability)),
        "tn": int((~positive & ~above).sum()),
        "fp": int((~positive & above).sum()),
        "fn": int((positive & ~above).sum()),
        "tp": int((positive & above).sum()),
        "test_rows": len(target),
        "test_cities": len(set(cities)),
    }


def gain_interval(
    positive: Any, probability: Any, blind: Any, cities: Any, *, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % interval of the difference of two ROC AUCs on the same people, over cities.

    Everybody in a city has the same case figures, so what can be drawn again is a city and not a person: a paired
    cluster bootstrap with percentiles (Field and Welsh, Bootstrapping clustered data, JRSS B 69, 2007, 369-390).
    Each resample draws as many cities as there are, with replacement, and counts all people of a city as often as it
    was drawn. One that lacks people of a class can't be ranked and is drawn again: used are the first `resamples` of
    one fixed sequence that hold both classes. Ranks are counted in integers, so equal inputs give equal bits on any
    machine. The models stay as fitted: what another train half would change is not in the interval.

    Args:
        positive: Who has target 1; bool of shape (people,), both classes present.
        probability: Float of shape (people,).
        blind: The other probability of the same people.
        cities: Where they live; texts of shape (people,).
        resamples: How many.

    Returns:
        Lower and upper end.

    Raises:
        BadInput: People of one city only: every resample would be the same, and its interval of width zero a claim.
    """
    import numpy as np

    names, city = np.unique(cities, return_inverse=True)
    if len(names) < 2:
        raise BadInput(
            "no interval over cities",
            where="predictions",
            stored=f"a test half with people of {len(names)} city",
            expected="people of two cities or more",
        )
    generator = np.random.Generator(np.random.PCG64(BOOTSTRAP_SEED))
    at_once = max(1, _CELLS_AT_ONCE // len(positive))
    gains: list[float] = []
    while len(gains) < resamples:
        times = _times_drawn(len(names), min(at_once, resamples - len(gains)), generator)[:, city]
        times = times[times[:, positive].any(axis=1) & times[:, ~positive].any(axis=1)]
        gains.extend(_weighted_auc(positive, probability, times) - _weighted_auc(positive, blind, times))
    low, high = np.quantile(gains, INTERVAL)
    return float(low), float(high)


def answer(metrics: Mapping[str, float], caveat: str) -> str:
    """The experiment's question answered with what was measured, and with what it rests on.

    Args:
        metrics: What `evaluate` returned.
        caveat: The assumption behind the case figures, as a sentence.

    Returns:
        Two sentences, and the caveat.
    """
    low, high = metrics["roc_auc_gain_low"], metrics["roc_auc_gain_high"]
    if low > 0:
        verdict = (
            "For this model, cases in a person's city helped to tell who is changing jobs, "
            "beyond what the person's own data say"
        )
    elif high < 0:
        verdict = "For this model, cases in a person's city made it harder to tell who is changing jobs"
    else:
        verdict = (
            "No relation shown for this model: "
            "cases in a person's city did not measurably help to tell who is changing jobs"
        )
    return (
        f"{verdict} (ROC AUC {metrics['roc_auc']:.4f} with them, {metrics['roc_auc_without_cases']:.4f} without; "
        f"difference {metrics['roc_auc_gain']:+.4f}, 95 % interval over cities {low:+.4f} to {high:+.4f}, "
        f"{metrics['test_rows']} people in {metrics['test_cities']} cities). "
        "Everyone in a city has the same figures, so a difference may come from anything else in which cities differ. "
        f"{caveat}"
    )


def _times_drawn(cities: int, resamples: int, generator: Any) -> Any:
    """How often each city is drawn: int64 of shape (resamples, cities)."""
    import numpy as np

    drawn = generator.integers(0, cities, size=(resamples, cities))
    offsets = np.arange(resamples, dtype=np.int64)[:, np.newaxis] * cities
    return np.bincount((drawn + offsets).ravel(), minlength=resamples * cities).reshape(resamples, cities)


def _weighted_auc(positive: Any, score: Any, times: Any) -> Any:
    """ROC AUC where person i counts `times[:, i]` times; ties count half. Float of shape (resamples,)."""
    import numpy as np

    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])  # where a new score begins
    drawn = times[:, order]
    positives = np.add.reduceat(np.where(positive[order], drawn, 0), starts, axis=1)
    negatives = np.add.reduceat(np.where(positive[order], 0, drawn), starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives
    twice_won = (positives * (2 * below + negatives)).sum(axis=1)
    return twice_won / (2 * positives.sum(axis=1) * negatives.sum(axis=1))


def _refuse_one_class(positive: Any) -> None:
    if not 0 < positive.sum() < len(positive):
        raise BadInput(
            "the test half can't be ranked",
            where="predictions",
            stored=f"{int(positive.sum())} of {len(positive)} with {TARGET} 1",
            expected="people of both classes",
        )
