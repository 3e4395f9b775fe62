"""The reason of what a person does on purpose and can't take back: one line that is kept for years.

Here belongs its form, which is checked before a store is asked.
What does not: where it is kept (`resources.raw.given_up`).
"""

from __future__ import annotations

from collections.abc import Collection

from repro_assets.errors import BadInput
from repro_assets.pins.redaction import redact

LONGEST = 500


def check_reason(why: str, known: Collection[str] = ()) -> str:
    """Return a reason without the blanks around it.

    Args:
        why: As the person said.
        known: Values that are secret whatever they look like.

    Raises:
        BadInput: There is none, it is no line, it is too long, or it holds a secret.
    """
    if not why.strip() or len(why) > LONGEST or not why.isprintable():
        raise BadInput("giving up needs a reason", stored=repr(why)[:60], expected=f"--why, one line up to {LONGEST}")
    if redact(why, known) != why:
        raise BadInput(
            "the reason holds what looks like a secret, and it is kept", fix="Say it without; nothing was done"
        )
    return why.strip()
