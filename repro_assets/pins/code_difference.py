"""What differs between two capsules: files added, removed and changed, and a unified diff of those that are text."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from repro_assets.pins.capsule import Entry, shown

# Longer texts are named and not laid side by side: the time for that grows with the square of the lines.
MOST_LINES = 20_000


@dataclass(frozen=True)
class CodeDifference:
    """Files by path, escaped where a name can't be printed.

    Attributes:
        added: Only in the second.
        removed: Only in the first.
        changed: In both, with another content, mode or target.
        patch: Unified diff from the first to the second.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    patch: str

    def as_document(self) -> dict[str, Any]:
        """The difference as JSON values, without what is empty."""
        found = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {name: value for name, value in found.items() if value}


def code_difference(before: Iterable[Entry], after: Iterable[Entry]) -> CodeDifference:
    """Compare the members of two capsules, in any order."""
    one, other = ({entry.path: entry for entry in entries} for entries in (before, after))
    differing = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return CodeDifference(
        added=tuple(shown(path) for path in differing if path not in one),
        removed=tuple(shown(path) for path in differing if path not in other),
        changed=tuple(shown(path) for path in differing if path in one and path in other),
        patch="".join(line for path in differing for line in _patch(shown(path), one.get(path), other.get(path))),
    )


def _patch(path: str, before: Entry | None, after: Entry | None) -> Iterator[str]:
    names = ("/dev/null" if before is None else f"a/{path}", "/dev/null" if after is None else f"b/{path}")
    if before is not None and after is not None and before.executable != after.executable:
        yield f"{path}: {_mode(before)} -> {_mode(after)}\n"
    texts = _lines(before), _lines(after)
    if texts[0] is None or texts[1] is None:
        yield f"Binary files {names[0]} and {names[1]} differ\n"
    elif max(map(len, (texts[0], texts[1]))) > MOST_LINES:
        yield f"Files {names[0]} and {names[1]} differ: more than {MOST_LINES} lines\n"
    else:
        for line in difflib.unified_diff(texts[0], texts[1], *names):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(entry: Entry | None) -> list[str] | None:
    """Lines with their ends; None where it is no text."""
    if entry is None:
        return []
    if entry.link is not None:
        return [f"link to {shown(entry.link)}\n"]
    if b"\0" in entry.content:
        return None
    try:
        text = entry.content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    # By line feeds alone: other separators stand inside lines of code.
    return [f"{line}\n" for line in text.split("\n")[:-1]] + (
        [text.rsplit("\n", 1)[-1]] if text[-1:] not in ("", "\n") else []
    )


def _mode(entry: Entry) -> str:
    return "755" if entry.executable else "644"
