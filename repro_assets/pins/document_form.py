"""The form of a JSON document that was read: which fields it must have, and of what kind.

Here belongs how a form is written down and compared.
What does not: what the fields mean, and which error a misfit is (the module that reads the document).
A form says what is read, not all there is: further fields are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_KINDS = {str: "a text", int: "an integer", float: "a number", bool: "true or false", dict: "an object", list: "a list"}


@dataclass(frozen=True)
class Each:
    """An object whose every value, under any name, has this form."""

    form: Form


@dataclass(frozen=True)
class Items:
    """A list whose every item has this form, of any length or of this one."""

    form: Form
    length: int | None = None


@dataclass(frozen=True)
class Maybe:
    """This form, null, or no such field."""

    form: Form


Form = type | dict[str, Any] | Each | Items | Maybe
"""A type (`str`, `int`, `float`, `bool`, `dict`, `list`), an object's fields with their forms, or one of the above."""


def misfit(document: Any, form: Form, path: str = "") -> str | None:
    """The first place where a document is not of this form, in words; None where there is none.

    Args:
        document: JSON values.
        form: What they should be.
        path: Where the document stands in a larger one.
    """
    if isinstance(form, Maybe):
        return None if document is None else misfit(document, form.form, path)
    if isinstance(form, type):
        return None if _is(document, form) else f"{path or 'it'} is not {_KINDS[form]}"
    if isinstance(form, Items):
        if not isinstance(document, list):
            return f"{path or 'it'} is not {_KINDS[list]}"
        if form.length is not None and len(document) != form.length:
            return f"{path or 'it'} is not a list of {form.length}"
        inner = [(str(number), item, form.form) for number, item in enumerate(document)]
    elif not isinstance(document, Mapping):
        return f"{path or 'it'} is not {_KINDS[dict]}"
    elif isinstance(form, Each):
        inner = [(name, item, form.form) for name, item in document.items()]
    else:
        missing = next((name for name, field in form.items() if _is_missing(document, name, field)), None)
        if missing is not None:
            return f"{_below(path, missing)} is missing"
        inner = [(name, document.get(name), field) for name, field in form.items()]
    found = (misfit(item, field, _below(path, name)) for name, item, field in inner)
    return next((text for text in found if text is not None), None)


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is dict:
        return isinstance(value, Mapping)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _is_missing(document: Mapping[str, Any], name: str, form: Form) -> bool:
    return name not in document and not isinstance(form, Maybe)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}"[:200] if path else name[:200]
