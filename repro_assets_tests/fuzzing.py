"""What the fuzz tests share: how many examples, JSON values of any form, and what counts as a refusal."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import strategies as st

from repro_assets.errors import ReproError

# `make test` looks at a few, `make test-long` at many more; both always at the same ones.
EXAMPLES = [pytest.param(1, id="few"), pytest.param(6, id="many", marks=pytest.mark.long)]

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3), max_leaves=6
)


@contextmanager
def refused_in_one_line(refusals: list[ReproError]) -> Iterator[None]:
    """Take one of the project's own errors, and look at its message; anything else is a crash."""
    try:
        yield
    except ReproError as error:
        message = str(error)
        assert len(message.splitlines()) == 1
        assert len(message) < 2_000
        refusals.append(error)


def paths(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a document, its inner documents and lists included."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(found for name, inner in items for found in paths(inner, (*path, name)))]


@st.composite
def damaged(draw: Callable[[Any], Any], document: Any) -> Any:
    """A document with up to three values removed, replaced by any other, or under another name."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        places = [path for path in paths(document) if path]
        if not places:
            return draw(JSON)
        path = draw(st.sampled_from(places))
        parent = document
        for name in path[:-1]:
            parent = parent[name]
        how = draw(st.sampled_from(["replace", "remove", "rename"]))
        if how == "replace":
            parent[path[-1]] = draw(JSON)
        elif how == "remove" or isinstance(parent, list):
            del parent[path[-1]]
        else:
            parent[draw(ANY_TEXT)] = parent.pop(path[-1])
    return document
