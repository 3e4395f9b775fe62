"""The side of a person: by hash of salt and key alone."""

from __future__ import annotations

import hashlib

import pytest

from repro_assets.errors import BadInput
from repro_assets.steps.split import check_split, side


def test_the_side_is_given_by_the_first_32_bits_of_the_hash() -> None:
    first_bits = int.from_bytes(hashlib.sha256(b"salt8949").digest()[:4], "big")

    assert side(8949, "salt", (first_bits + 1) / 2**32) == "test"
    assert side(8949, "salt", first_bits / 2**32) == "train"


def test_about_the_given_share_goes_to_test() -> None:
    sides = [side(key, "salt", 0.2) for key in range(10_000)]

    assert 1_900 < sides.count("test") < 2_100


def test_another_salt_is_another_split() -> None:
    assert [side(key, "a", 0.5) for key in range(100)] != [side(key, "b", 0.5) for key in range(100)]


def test_a_larger_share_keeps_everybody_who_was_in_test() -> None:
    small = {key for key in range(1_000) if side(key, "salt", 0.1) == "test"}
    large = {key for key in range(1_000) if side(key, "salt", 0.3) == "test"}

    assert small < large


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_share_that_leaves_a_side_empty_is_refused(fraction: float) -> None:
    with pytest.raises(BadInput, match=rf"\[test_fraction\]: stored {fraction}, expected a number above 0 and below 1"):
        side(1, "salt", fraction)


@pytest.mark.parametrize(
    "salt",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 201, id="too long"),
        pytest.param("a\nb", id="two lines"),
        pytest.param("a\x00", id="a control character"),
        pytest.param("\ud800", id="half a character"),
    ],
)
def test_a_salt_that_nobody_could_write_down_is_refused(salt: str) -> None:
    with pytest.raises(BadInput, match=r"\[salt\]: stored '.*, expected 1 to 200 of A-Z a-z 0-9"):
        side(1, salt, 0.5)


@pytest.mark.parametrize("salt", ["a", "a" * 200, "repro_assets/1", "2020-06-12", "a=b.c"])
def test_a_plain_word_is_a_salt(salt: str) -> None:
    check_split(salt, 0.5)
