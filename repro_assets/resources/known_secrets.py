"""The secrets that this process can know by value: they have no form of their own, so only the value tells.

Here belongs which environment variables hold one: those named so, those whose value is an address with a password, and
those that a cluster file names.
What does not: how a text is cleaned of them (`pins.redaction`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus, unquote, urlsplit

from repro_assets.pins.redaction import NamedSecret, holds_a_secret, redact, redact_exception

Result = TypeVar("Result")

# Variables that a cluster file names by `{"env": "NAME"}`: secret, whatever they are called.
_NAMED: set[str] = set()


def note_variable(name: str) -> None:
    """Count a variable of this process as a secret from now on."""
    _NAMED.add(name)


def known_values(environ: Mapping[str, str] | None = None) -> frozenset[str]:
    """Values that must not be written down or shown.

    Args:
        environ: Environment variables; by default those of this process, as they stand now.
    """
    values = os.environ if environ is None else environ
    # Named ones first: of two equal texts a set keeps the one that is there.
    ordered = sorted(values.items(), key=lambda item: item[0] not in _NAMED)
    return frozenset(secret for name, value in ordered for secret in _secrets(name, value) if secret)


def clean(text: str) -> str:
    """A text without the secrets that rules or this process' variables tell."""
    return redact(text, known_values())


def call_cleanly(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function, and let no exception out of it whose message, or whose cause's, holds a secret.

    What a step raises is stored by Dagster with everything it was raised from.

    Raises:
        Exception: What the function raised, of its own class wherever its message could be changed.
    """
    try:
        return function(*arguments)
    except Exception as error:
        cleaned = redact_exception(error, known_values())
        if cleaned is error:
            raise
    # Outside of the handler: inside, the exception that holds the secret would become this one's context.
    raise cleaned


class CleanLines(logging.Filter):
    """Takes secrets out of a logger's lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the message by a clean one; every line goes on."""
        record.msg, record.args = clean(record.getMessage()), None
        return True


def _secrets(name: str, value: str) -> Iterator[str]:
    if name in _NAMED:
        yield from map(NamedSecret, _spellings(value))
    elif holds_a_secret(name, value):
        yield from _spellings(value)
    if "://" in value and "@" in value:
        yield from _password(value)


def _spellings(value: str) -> tuple[str, ...]:
    """A value as it is, and as addresses and forms spell it."""
    return value, quote(value), quote(value, safe=""), quote_plus(value)


def _password(address: str) -> Iterator[str]:
    """The password of an address, as it stands there and as it is meant."""
    try:
        found = urlsplit(address).password
    except ValueError:
        return
    if found:
        yield found
        yield unquote(found)
