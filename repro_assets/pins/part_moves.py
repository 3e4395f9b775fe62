"""Who is in another part of the snapshot: between train, test and unlabelled, new, or gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

EXAMPLES = 5


def part_moves(before: Mapping[str, Iterable[Any]], after: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    """Count moves from part to part.

    Args:
        before: Keys by part.
        after: Keys by part.

    Returns:
        `from` and `to` (None where somebody is new, or gone), `rows`, and the first keys as `examples`; most rows first.
    """
    one, other = ({key: part for part, keys in parts.items() for key in keys} for parts in (before, after))
    moved = {key: (one.get(key), other.get(key)) for key in one.keys() | other.keys()}
    moved = {key: way for key, way in moved.items() if way[0] != way[1]}
    counts = Counter(moved.values())
    ways = sorted(counts, key=lambda way: (-counts[way], str(way)))
    return [
        {
            "from": way[0],
            "to": way[1],
            "rows": counts[way],
            "examples": sorted(key for key, found in moved.items() if found == way)[:EXAMPLES],
        }
        for way in ways
    ]
