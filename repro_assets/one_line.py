"""Text that may be shown: one line, nothing in it that steers a terminal, no user and password inside an address.

Here belongs what holds for every message of this project, whoever reads it.
What does not: what a secret looks like (`pins.secret_rules`) and taking one out of a text (`pins.redaction`): those
rules grow, while whatever computes depends on this module.
"""

from __future__ import annotations

import re

# A message that is longer says nothing more to a person; a name of a megabyte must not fill a screen.
LONGEST = 4_000

# Settings follow (`;user=`, `?password=`): an `@` behind that is no longer the address' own.
_SETTING = r"[;?][\w. ]{1,40}="
# What stands before the last `@` of an address' host.
_USER = re.compile(rf"(?<=//)(?:(?!{_SETTING})[^/\s@])+@(?:(?:(?!{_SETTING})[^/\s@])*@)*")
# A password with a slash in it; digits before a slash or settings are a port, and brackets hold a host.
_PASSWORD_WITH_SLASH = re.compile(rf"(?<=//)(?!\[)(?:(?!{_SETTING})[^/\s@:])*:(?!\d+(?:/|\s|$|{_SETTING}))[^\s@]*@")


def one_line(text: str) -> str:
    r"""Make a text fit for a terminal and a log.

    White space of any kind becomes one blank. What can't be printed (escape sequences, NUL, marks that turn the
    direction of writing, bytes that are no text) is written as its escape, e.g. `\\x1b`. Users and passwords in
    addresses are left out. What is longer than `LONGEST` is cut, and says so.

    Args:
        text: Anything, also what others wrote.
    """
    line = without_password(printable(" ".join(text.split())))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}… ({len(line) - LONGEST:,} more characters)"


def printable(text: str) -> str:
    r"""A text in which whatever can't be printed is written as its escape, line breaks too; blanks stay as they are."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def without_password(text: str) -> str:
    """A text whose addresses have no user and password: `https://***@host/path`."""
    if "//" not in text or "@" not in text:
        return text
    return _PASSWORD_WITH_SLASH.sub("***@", _USER.sub("***@", text))


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
