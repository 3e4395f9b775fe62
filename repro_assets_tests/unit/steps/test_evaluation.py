"""Metrics of the labelled test half, the interval of the gain, and the answer in words."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from repro_assets.errors import BadInput
from repro_assets.steps import evaluation
from repro_assets.steps.evaluation import BOOTSTRAP_SEED, answer, evaluate, gain_interval
from repro_assets_tests.unit.steps.feature_table import shuffled

CAVEAT = "SYNTHETIC mapping."
RESAMPLES = 50


def predictions(rows: list[tuple[str, int | None, float, float]], cities: int = 2) -> pa.Table:
    """People one after the other in `cities` cities."""
    part, target, probability, blind = zip(*rows, strict=True)
    return pa.table(
        {
            "enrollee_id": list(range(len(rows))),
            "part": part,
            "target": pa.array(target, pa.int64()),
            "city": [f"city_{key % cities}" for key in range(len(rows))],
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
    return predictions(rows, cities=20)


def columns(table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `gain_interval` takes: who is positive, both probabilities, cities."""
    names = ("target", "probability", "probability_without_cases", "city")
    target, full, blind, cities = (table[name].to_numpy() for name in names)
    return target == 1, full, blind, cities


def interval_by_hand(positive: np.ndarray, full: np.ndarray, blind: np.ndarray, cities: np.ndarray) -> np.ndarray:
    """The people of the drawn cities written out one by one, scored by scikit-learn."""
    generator = np.random.Generator(np.random.PCG64(BOOTSTRAP_SEED))
    names = sorted(set(cities))
    gains: list[float] = []
    while len(gains) < RESAMPLES:
        drawn = generator.integers(0, len(names), len(names))
        who = np.concatenate([np.flatnonzero(cities == names[number]) for number in drawn])
        if 0 < positive[who].sum() < len(who):
            gains.append(roc_auc_score(positive[who], full[who]) - roc_auc_score(positive[who], blind[who]))
    return np.quantile(gains, (0.025, 0.975))


def test_counts_stand_for_people_below_and_from_the_threshold_on() -> None:
    metrics = evaluate(
        predictions([("test", 0, 0.2, 0.5), ("test", 0, 0.5, 0.5), ("test", 0, 0.1, 0.5), ("test", 1, 0.5, 0.5)]), 0.5
    )

    assert [metrics[name] for name in ("tn", "fp", "fn", "tp", "test_rows", "test_cities")] == [2, 1, 0, 1, 4, 2]


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


def test_the_interval_is_that_of_resampled_cities() -> None:
    given = columns(noisy())

    assert gain_interval(*given, resamples=RESAMPLES) == pytest.approx(interval_by_hand(*given))


def test_a_resample_without_people_of_a_class_is_drawn_again() -> None:
    positive, full, blind, cities = columns(noisy())
    in_one_city = positive & (cities == "city_3")

    interval = gain_interval(in_one_city, full, blind, cities, resamples=RESAMPLES)

    assert interval == pytest.approx(interval_by_hand(in_one_city, full, blind, cities))


def test_more_people_of_the_same_cities_do_not_narrow_the_interval() -> None:
    given = columns(noisy())

    assert gain_interval(*(np.tile(column, 10) for column in given)) == gain_interval(*given)


def test_how_many_resamples_are_held_at_once_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    given = columns(noisy())
    at_once = gain_interval(*given)

    monkeypatch.setattr(evaluation, "_CELLS_AT_ONCE", 7 * len(given[0]))

    assert gain_interval(*given) == at_once


def test_an_interval_of_equal_probabilities_is_zero() -> None:
    positive, full, _, cities = columns(noisy())

    assert gain_interval(positive, full, full, cities) == (0.0, 0.0)


def test_people_of_one_city_give_no_interval() -> None:
    rows: list[tuple[str, int | None, float, float]] = [("test", 0, 0.25, 0.5), ("test", 1, 0.75, 0.5)]

    with pytest.raises(BadInput, match="stored a test half with people of 1 city, expected people of two cities"):
        evaluate(predictions(rows, cities=1), 0.5)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        pytest.param(0.001, 0.02, "For this model, cases in a person's city helped", id="gain"),
        pytest.param(-0.01, 0.02, "No relation shown for this model", id="nothing"),
        pytest.param(0.0, 0.0, "No relation shown for this model", id="exactly nothing"),
        pytest.param(-0.02, -0.001, "For this model, cases in a person's city made it harder", id="loss"),
    ],
)
def test_the_answer_claims_no_more_than_the_interval(low: float, high: float, said: str) -> None:
    metrics = {**evaluate(noisy(), 0.5), "roc_auc_gain_low": low, "roc_auc_gain_high": high}

    assert answer(metrics, CAVEAT).startswith(said)


def test_the_answer_gives_its_numbers_and_its_caveat() -> None:
    metrics = evaluate(noisy(), 0.5)

    text = answer(metrics, CAVEAT)

    assert f"{metrics['roc_auc']:.4f} with them" in text
    assert f"interval over cities {metrics['roc_auc_gain_low']:+.4f} to" in text
    assert "300 people in 20 cities" in text
    assert text.endswith(CAVEAT)
