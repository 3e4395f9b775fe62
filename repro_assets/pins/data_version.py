"""The codec of data version keys: the version of every raw table at one moment, as one partition key.

`{"covid_cases": 12, "job_changes": 1}` ⇄ `covid_cases-v000012--job_changes-v000001`.
Only `[a-z0-9_-]`, so that the page, paths and URLs take a key unquoted.
Dagster does not validate partition keys: this module is the only place where one is built or taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from repro_assets.errors import BadInput

TABLE_NAME = re.compile(r"[a-z](?:[a-z0-9]|_(?!_))*", re.ASCII)
_PART = re.compile(r"(?P<table>[a-z][a-z0-9_]*)-v(?P<version>[0-9]{6,18})", re.ASCII)
_LONGEST = 200


def encode(versions: Mapping[str, int], tables: Sequence[str]) -> str:
    """Build the key of one data version.

    Args:
        versions: Version per table name; exactly the names in `tables`.
        tables: The experiment's raw tables, in its order.

    Raises:
        BadInput: A table is missing, unknown or badly named, or a version is out of range.
    """
    if set(versions) != set(tables):
        raise BadInput("a data version names every raw table once", stored=sorted(versions), expected=sorted(tables))
    key = "--".join(_part(table, versions[table]) for table in tables)
    if len(key) > _LONGEST:
        raise BadInput(
            "a data version key is too long", stored=f"{len(key)} characters", expected=f"at most {_LONGEST}"
        )
    return key


def decode(key: str, tables: Sequence[str]) -> dict[str, int]:
    """Take a key apart; the inverse of `encode`.

    Raises:
        BadInput: Anything that `encode` would not have written for these tables.
    """
    if not isinstance(key, str) or len(key) > _LONGEST:
        raise BadInput(
            "not a data version key",
            stored=repr(key)[:80],
            expected=_example(tables),
            fix="`repro versions` lists the keys",
        )
    matches = [_PART.fullmatch(part) for part in key.split("--")]
    versions = {match["table"]: int(match["version"]) for match in matches if match}
    if list(versions) != list(tables) or encode(versions, tables) != key:
        raise BadInput(
            "not a data version key", stored=repr(key), expected=_example(tables), fix="`repro versions` lists the keys"
        )
    return versions


def _part(table: str, version: int) -> str:
    if not TABLE_NAME.fullmatch(table):
        raise BadInput(
            "a raw table has a name that can't stand in a key", stored=repr(table), expected="[a-z][a-z0-9_]*, no `__`"
        )
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version < 10**18:
        raise BadInput("not a table version", where=table, stored=repr(version), expected="an integer from 0")
    return f"{table}-v{version:06d}"


def _example(tables: Sequence[str]) -> str:
    return "--".join(f"{table}-v000000" for table in tables)
