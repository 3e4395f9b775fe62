"""Who is in another part of the snapshot."""

from __future__ import annotations

from repro_assets.pins.part_moves import EXAMPLES, part_moves

BEFORE = {"train": [1, 2, 3], "test": [4], "unlabelled": [5]}


def test_nobody_moves_between_equal_parts_in_any_order() -> None:
    assert part_moves(BEFORE, {"test": [4], "unlabelled": [5], "train": [3, 1, 2]}) == []


def test_moves_are_counted_by_way_the_most_first() -> None:
    after = {"train": [1, 5], "test": [2, 3], "unlabelled": [6]}

    assert part_moves(BEFORE, after) == [
        {"from": "train", "to": "test", "rows": 2, "examples": [2, 3]},
        {"from": "test", "to": None, "rows": 1, "examples": [4]},
        {"from": "unlabelled", "to": "train", "rows": 1, "examples": [5]},
        {"from": None, "to": "unlabelled", "rows": 1, "examples": [6]},
    ]


def test_examples_are_few() -> None:
    (move,) = part_moves({"train": range(100)}, {"test": range(100)})

    assert (move["rows"], move["examples"]) == (100, list(range(EXAMPLES)))
