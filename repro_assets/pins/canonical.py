"""Canonical JSON and its digest: the one way a document of this project becomes bytes."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from repro_assets.errors import BadInput


def canonical_json(document: Any) -> bytes:
    """Serialize to UTF-8 JSON with sorted keys and no white space.

    Args:
        document: Nested dicts with string keys, lists, tuples, strings, ints, finite floats, bools and None.

    Raises:
        BadInput: For any other value, since its text would not be stable.
    """
    _refuse_unstable(document, "$")
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadInput("a document holds text that is no Unicode", stored=repr(text[error.start])) from error


def digest(document: Any) -> str:
    """SHA-256 over `canonical_json(document)`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(document)).hexdigest()


def _refuse_unstable(value: Any, path: str) -> None:
    if value is None or isinstance(value, (str, bool, int)):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadInput(
                "a document holds a number that JSON can't write", where=path, stored=value, expected="a finite number"
            )
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise BadInput("a document's key is not text", where=path, stored=repr(key), expected="a string")
            _refuse_unstable(item, f"{path}.{key}")
        return
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _refuse_unstable(item, f"{path}[{index}]")
        return
    raise BadInput("a document holds a value without a canonical form", where=path, stored=type(value).__name__)
