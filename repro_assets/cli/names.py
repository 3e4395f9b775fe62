"""The forms of names on the command line, checked before anything is opened: what is refused here leaves no trace.

Here belongs what a name may look like.
What does not: whether there is such a thing; the verbs know.
"""

from __future__ import annotations

import re
from pathlib import Path

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.compute import check_name
from repro_assets.pins.data_version import decode
from repro_assets.pins.reason import check_reason
from repro_assets.pins.run_name import check_run_name
from repro_assets.pins.swap import check_code, parse_swaps
from repro_assets.resources.known_secrets import known_values
from repro_assets.settings import LOCATION, can_be_a_location

_ASSET = re.compile(r"[a-z][a-z0-9_]{0,99}")
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,99}\.[A-Za-z0-9_][\w./ -]{0,199}")
_MINOR = re.compile(r"[0-9]{1,2}\.[0-9]{1,3}")
# Words, numbers, addresses of mail: whatever people use to tell each other apart, and no quotes or slashes.
_PERSON = re.compile(r"\w[\w.@:+ -]{0,99}")


def key(text: str | None) -> str | None:
    """A data version's key; None where none was named.

    Raises:
        BadInput: It is none of this experiment's tables.
    """
    if text is not None:
        decode(text, EXPERIMENT.table_names)
    return text


def run(text: str | None) -> str | None:
    """A past run; None where none was named.

    Raises:
        BadInput: It has no form that a run is named by.
    """
    return None if text is None else check_run_name(text)


def runs(texts: list[str] | None) -> list[str] | None:
    """Past runs; None where none were named.

    Raises:
        BadInput: One has no form that a run is named by.
    """
    return None if texts is None else [check_run_name(text) for text in texts]


def environment(text: str) -> str:
    """An environment.

    Raises:
        BadInput: No file could be called so.
    """
    return check_name(text, "environment")


def cluster(text: str) -> str:
    """A cluster file.

    Raises:
        BadInput: No file could be called so.
    """
    return check_name(text, "cluster")


def optional_cluster(text: str | None) -> str | None:
    """A cluster file; None where none was named.

    Raises:
        BadInput: No file could be called so.
    """
    return None if text is None else cluster(text)


def clusters(texts: list[str] | None) -> list[str] | None:
    """Cluster files; None where none were named.

    Raises:
        BadInput: No file could be called so.
    """
    return None if texts is None else [cluster(text) for text in texts]


def codes(texts: list[str] | None) -> list[str] | None:
    """Codes to run under; None where none were named.

    Raises:
        BadInput: One is neither `current` nor what git could call a commit.
    """
    return None if texts is None else [check_code(text) for text in texts]


def swaps(texts: list[str] | None) -> list[str] | None:
    """What is replaced on purpose; None where nothing is.

    Raises:
        BadInput: A spelling that there isn't, or a value that nothing could be called.
    """
    forms = {"data": key, "code": check_code, "environment": environment, "cluster": cluster}
    for swap in parse_swaps(texts or []):
        if swap.run is not None:
            check_run_name(swap.run)
        elif swap.component in forms:
            forms[swap.component](swap.value)
    return texts


def metric(text: str | None) -> str | None:
    """A metric of an asset; None where none was named.

    Raises:
        BadInput: No metric could be called so.
    """
    return None if text is None else _checked(text, _METRIC, "a metric", "ASSET.NAME, e.g. predictions.roc_auc")


def reason(text: str) -> str:
    """Why something is given up.

    Raises:
        BadInput: There is none, it is no line, it is too long, or it holds a secret.
    """
    return check_reason(text, known_values())


def path(where: Path | None) -> Path | None:
    """A file or folder; None where none was named.

    Raises:
        BadInput: No path could be so.
    """
    if where is not None and not can_be_a_location(str(where)):
        raise BadInput("not a path", stored=ascii(str(where))[:80], expected=LOCATION)
    return where


def paths(those: list[Path] | None) -> list[Path] | None:
    """Files; None where none were named.

    Raises:
        BadInput: One could be no path.
    """
    for where in those or []:
        path(where)
    return those


def picture(where: Path | None) -> Path | None:
    """A picture to write; None where none is wanted.

    Raises:
        BadInput: It is no path, or its name is not that of a PNG.
    """
    if where is not None and where.suffix != ".png":
        raise BadInput("not a picture's name", stored=ascii(str(where))[:80], expected="FILE.png")
    return path(where)


def python_minor(text: str | None) -> str | None:
    """A minor version of Python; None where none was named.

    Raises:
        BadInput: It is none.
    """
    return None if text is None else _checked(text, _MINOR, "a minor version of Python", "e.g. 3.12")


def asset(text: str) -> str:
    """An asset.

    Raises:
        BadInput: No asset could be called so.
    """
    return _checked(text, _ASSET, "an asset's name", "e.g. predictions")


def person(text: str) -> str:
    """A person, by the split key.

    Raises:
        BadInput: Nobody's key looks so.
    """
    return _checked(text, _PERSON, f"a {EXPERIMENT.split_key}", "letters, digits and . @ : + - _ between them")


def _checked(text: str, form: re.Pattern[str], what: str, expected: str) -> str:
    if not form.fullmatch(text):
        raise BadInput(f"not {what}", stored=repr(text)[:80], expected=expected)
    return text
