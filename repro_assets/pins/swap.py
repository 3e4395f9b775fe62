"""What is replaced on purpose when a past result is run again: `--with COMPONENT=VALUE`, read and checked.

Here belongs what a person asks for, as words. What the words mean (which rows, which files) does not
(`resources.recipes`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repro_assets.errors import BadInput
from repro_assets.pins.secret_rules import find_secret

# In the order in which a result is made of them. A verdict calls the cluster what the manifest calls it: compute.
COMPONENTS = ("data", "code", "environment", "cluster", "parameters")
CURRENT = "current"
_OF_RUN = "@"
_LONGEST = 200
# A commit, tag or branch as git names it, and nothing that git could take for an option or a range.
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/~^-]{0,199}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
_SPELLING = (
    "data=KEY, code=current, code=COMMIT, environment=NAME, cluster=NAME, ASSET.NAME=VALUE, or COMPONENT=@RUN "
    "for that of another run"
)


@dataclass(frozen=True)
class Swap:
    """One component that is replaced.

    Attributes:
        component: One of `COMPONENTS`.
        value: What replaces it: a key, `current`, a commit, the digest of a capsule, a name; of parameters the name
            and the text of one. Empty where it is taken from another run.
        run: The run that it is taken from.
        name: `ASSET.NAME` or `NAME` of a single parameter.
    """

    component: str
    value: str = ""
    run: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        left = self.name or self.component
        return f"{left}={_OF_RUN + self.run if self.run is not None else self.value}"


def parse_swaps(texts: Sequence[str]) -> tuple[Swap, ...]:
    """Read what is asked for.

    Args:
        texts: `COMPONENT=VALUE`, `COMPONENT=@RUN` or `[ASSET.]NAME=VALUE`, each thing at most once.

    Raises:
        BadInput: A spelling that there isn't, or a thing named twice.
    """
    swaps = tuple(_parse(text) for text in texts)
    names = [swap.name or swap.component for swap in swaps]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput("a component is replaced twice", stored=twice, fix="Name it once")
    return swaps


def _parse(text: str) -> Swap:
    name, equals, value = text.partition("=")
    if not (equals and value and _NAME.fullmatch(name)) or len(text) > _LONGEST or not text.isprintable():
        raise BadInput("not a component to replace", stored=repr(text)[:80], expected=_SPELLING)
    if find_secret(text.encode("utf-8", "replace")):
        raise BadInput("what is replaced holds what looks like a secret, and it is written down", stored=repr(name))
    of_run = value.removeprefix(_OF_RUN) if value.startswith(_OF_RUN) else None
    if name not in COMPONENTS:
        if of_run is not None:
            raise BadInput(
                "single parameters aren't taken from a run", stored=repr(text)[:80], expected="parameters=@RUN"
            )
        return Swap("parameters", value, name=name)
    if of_run is None and name == "parameters":
        raise BadInput("not a component to replace", stored=repr(text)[:80], expected=_SPELLING)
    return Swap(name, run=of_run) if of_run is not None else Swap(name, value)


def check_code(code: str) -> str:
    """Return `code` if it has the form of what `code=` names: `current`, a commit, the digest of a capsule.

    Raises:
        BadInput: It has none of them.
    """
    if not _REVISION.fullmatch(code):
        fix = "Name a commit, tag or branch of the repository that this project stands in"
        raise BadInput("not a commit", stored=repr(code)[:80], fix=fix)
    return code


def replaced_parameters(
    parameters: Mapping[str, Mapping[str, Any]], swaps: Iterable[Swap], families: Mapping[str, Iterable[str]]
) -> dict[str, dict[str, Any]]:
    """Parameters by asset with single ones replaced.

    A model of another family has other parameters of its own: those of the old one are left out.

    Args:
        parameters: As a manifest has them.
        swaps: What is replaced; those that name no single parameter are passed over.
        families: Names of the parameters of each family of models.

    Raises:
        BadInput: No such asset, a name that several assets have, or a value of another type.
    """
    found = {asset: dict(own) for asset, own in parameters.items()}
    # The family first: what belongs to the new one is not to be left out with what belonged to the old one.
    for swap in sorted(swaps, key=lambda one: (one.name or "").rpartition(".")[2] != "family"):
        if swap.name is None:
            continue
        asset, name = _target(found, swap.name)
        own = found[asset]
        value = _value(swap, own.get(name))
        if name == "family" and own.get(name) != value:
            for old in families.get(str(own.get(name)), ()):
                own.pop(old, None)
        own[name] = value
    return found


def _target(parameters: Mapping[str, Mapping[str, Any]], name: str) -> tuple[str, str]:
    asset, dot, own = name.rpartition(".")
    if dot:
        if asset not in parameters:
            raise BadInput("the run has no such asset", stored=asset, expected=", ".join(parameters))
        return asset, own
    having = [asset for asset, values in parameters.items() if name in values]
    if len(having) != 1:
        known = sorted(f"{asset}.{one}" for asset, values in parameters.items() for one in values)
        raise BadInput(
            "no parameter of the run has this name" if not having else "several assets have a parameter of this name",
            stored=name,
            expected=", ".join([*COMPONENTS[:-1], *known]),
        )
    return having[0], name


def _value(swap: Swap, old: Any) -> Any:
    """A value of the old one's type; of a parameter that the run did not have, a number where it reads as one."""
    text = swap.value
    if isinstance(old, str):
        return text
    if isinstance(old, bool):
        value: Any = {"true": True, "false": False}.get(text.lower())
    elif isinstance(old, int | float):
        value = _number(text, (type(old),))
    else:
        value = _number(text, (int, float))
        value = text if value is None else value
    if value is None:
        kinds = {bool: "true or false", int: "an integer", float: "a number"}
        raise BadInput(
            "a parameter's value is of another type",
            where=swap.name,
            stored=repr(text)[:80],
            expected=kinds[type(old)],
        )
    return value


def _number(text: str, kinds: tuple[type, ...]) -> int | float | None:
    """The text as the first kind that it reads as; None where it is no finite number."""
    for kind in kinds:
        try:
            number: int | float = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None
