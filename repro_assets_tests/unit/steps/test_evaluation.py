"""Metrics of the labelled test half, the interval of the gain, and the answer in words."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from repro_assets.errors import BadInput
from repro_assets.steps.evaluation import BOOTSTRAP_SEED, answer, evaluate, gain_interval
from repro_assets_tests.unit.steps.feature_table import shuffled

CAVEAT = "SYNTHETIC mapping."


def predictions(rows: list[tuple[str, int | None, float, float]]) -> pa.Table:
    part, target, probability, blind = zip(*rows, strict=True)
    return pa.table(
        {
            "enrollee_id": list(range(len(rows))),
            "part": part,
            "target": pa.array(target, pa.int64()),
            "probability": probability,
            "probability_without_cases": blind,
        }
    )


def noisy(people: int = 300) -> pa.Table:
    """Probabilities in steps of a tenth, so that many are tied; the first better than the second."""
    draw = random.Random(3)
    rows: list[tuple[str, int | None, float, float]] = []
    for _ in range(people):
        target = int(draw.random() < 0.3)
        better, worse = (min(max(draw.gauss(0.3 + 0.3 * target * skill, 0.2), 0.05), 0.95) for skill in (1, 0.2))
        rows.append(("test", target, round(better, 1), round(worse, 1)))
    return predictions(rows)


def test_counts_stand_for_people_below_and_from_the_threshold_on() -> None:
    metrics = evaluate(
        predictions([("test", 0, 0.2, 0.5), ("test", 0, 0.5, 0.5), ("test", 0, 0.1, 0.5), ("test", 1, 0.5, 0.5)]), 0.5
    )

    assert [metrics[name] for name in ("tn", "fp", "fn", "tp", "test_rows")] == [2, 1, 0, 1, 4]


def test_scores_are_those_of_a_hand_count() -> None:
    metrics = evaluate(predictions([("test", 0, 0.25, 0.5), ("test", 1, 0.75, 0.5)]), 0.5)

    assert metrics["roc_auc"] == metrics["average_precision"] == 1.0
    assert metrics["roc_auc_without_cases"] == metrics["roc_auc_gain"] == 0.5
    assert metrics["brier_score"] == pytest.approx(0.0625)
    assert metrics["log_loss"] == pytest.approx(-np.log(0.75))


def test_other_parts_do_not_count() -> None:
    rows: list[tuple[str, int | None, float, float]] = [("test", 0, 0.25, 0.5), ("test", 1, 0.75, 0.5)]

    assert evaluate(predictions([*rows, ("unlabelled", None, 0.9, 0.9)]), 0.5) == evaluate(predictions(rows), 0.5)


def test_row_order_changes_no_bit() -> None:
    assert evaluate(shuffled(noisy()), 0.5) == evaluate(noisy(), 0.5)


def test_a_test_half_of_one_class_is_refused() -> None:
    with pytest.raises(BadInput, match="stored 0 of 2 with target 1"):
        evaluate(predictions([("test", 0, 0.2, 0.5), ("test", 0, 0.3, 0.5)]), 0.5)


def test_the_interval_is_that_of_resampled_people() -> None:
    table = noisy()
    target, full, blind = (table[name].to_numpy() for name in ("target", "probability", "probability_without_cases"))
    generator = np.random.Generator(np.random.PCG64(BOOTSTRAP_SEED))
    classes = [np.flatnonzero(target == 1), np.flatnonzero(target == 0)]
    drawn = np.hstack([members[generator.integers(0, len(members), (50, len(members)))] for members in classes])

    gains = [roc_auc_score(target[who], full[who]) - roc_auc_score(target[who], blind[who]) for who in drawn]

    assert gain_interval(target == 1, full, blind, resamples=50) == pytest.approx(np.quantile(gains, (0.025, 0.975)))


def test_an_interval_of_equal_probabilities_is_zero() -> None:
    table = noisy()
    positive, full = table["target"].to_numpy() == 1, table["probability"].to_numpy()

    assert gain_interval(positive, full, full) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        pytest.param(0.001, 0.02, "Cases in a person's city helped", id="gain"),
        pytest.param(-0.01, 0.02, "No relation shown", id="nothing"),
        pytest.param(0.0, 0.0, "No relation shown", id="exactly nothing"),
        pytest.param(-0.02, -0.001, "Cases in a person's city made it harder", id="loss"),
    ],
)
def test_the_answer_claims_no_more_than_the_interval(low: float, high: float, said: str) -> None:
    metrics = {**evaluate(noisy(), 0.5), "roc_auc_gain_low": low, "roc_auc_gain_high": high}

    assert answer(metrics, CAVEAT).startswith(said)


def test_the_answer_gives_its_numbers_and_its_caveat() -> None:
    metrics = evaluate(noisy(), 0.5)

    text = answer(metrics, CAVEAT)

    assert f"{metrics['roc_auc']:.4f} with them" in text
    assert "300 people" in text
    assert text.endswith(CAVEAT)
