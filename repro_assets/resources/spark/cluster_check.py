"""A cluster file against the vendor's own types: every field known, every value of the type that the field has.

`from_dict` of databricks-sdk drops what it does not know and keeps a value of any type, so both are looked for here:
what does not come back is unknown, and what came back is compared with the field's annotation.
Source: `databricks.sdk.service.compute.ClusterSpec`, the vendor's type of clusters/create.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from repro_assets.errors import BadInput
from repro_assets.pins.cluster_rules import read_document
from repro_assets.pins.cluster_use import require_usable
from repro_assets.pins.compute import ClusterFile, parse_cluster

_OWN_SECTION = "repro"


def check_cluster(name: str, text: str) -> ClusterFile:
    """Read a cluster file and check all of it: our section, the vendor's fields, what its kind needs to be used.

    Importing the vendor's types takes seconds, so this is done when a file is registered or asked about, and not when
    it is used: a registered file does not change.

    Raises:
        BadInput: Names every field that is wrong.
    """
    cluster = parse_cluster(name, text)
    whole = read_document(text, f"envs/clusters/{name}.json")
    document = {field: value for field, value in whole.items() if field != _OWN_SECTION}
    # A setting that names a variable is ours too: the vendor's types know text alone.
    document["spark_conf"] = dict(cluster.spark_conf)
    wrong = list(vendor_mismatches(document))
    if wrong:
        raise BadInput(
            "a cluster file is none of Databricks' cluster JSON",
            where=f"envs/clusters/{name}.json",
            stored="; ".join(wrong),
            fix="The fields are those of clusters/create in Databricks' REST API",
        )
    if document.get("cluster_name") != name:
        raise BadInput(
            "a cluster file carries another name",
            where=f"envs/clusters/{name}.json",
            stored=f"cluster_name {document.get('cluster_name')!r}",
            expected=name,
        )
    require_usable(cluster)
    return cluster


def vendor_mismatches(document: Mapping[str, Any]) -> Iterator[str]:
    """Everything in a cluster's JSON that the vendor's types do not know or take, by dotted field name."""
    from databricks.sdk.service.compute import ClusterSpec

    yield from _in_type(document, ClusterSpec, "")
    if not list(_in_type(document, ClusterSpec, "")):
        back = ClusterSpec.from_dict(dict(document)).as_dict()
        yield from (f"{name} does not come back" for name in _lost(_without_empty(document), _without_empty(back), ""))


def _in_type(value: Any, wanted: Any, field: str) -> Iterator[str]:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        yield from _in_type(value, next(one for one in arguments if one is not type(None)), field)
    elif dataclasses.is_dataclass(wanted):
        yield from _in_object(value, wanted, field)
    elif origin is dict:
        if not isinstance(value, dict):
            yield _other(field, value, "object")
        else:
            for key, inner in value.items():
                yield from _in_type(inner, arguments[1], f"{field}.{key}")
    elif origin is list:
        if not isinstance(value, list):
            yield _other(field, value, "list")
        else:
            for index, inner in enumerate(value):
                yield from _in_type(inner, arguments[0], f"{field}[{index}]")
    elif isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        known = [member.value for member in wanted]
        if value not in known:
            yield f"{field} is {value!r}, expected one of {', '.join(map(str, known))}"
    elif type(value) is not wanted:  # `isinstance` would take true for a number
        yield _other(field, value, _NAMES.get(wanted, str(wanted)))


def _in_object(value: Any, wanted: Any, field: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _other(field or "the file", value, "object")
        return
    hints = typing.get_type_hints(wanted)
    for name, inner in value.items():
        path = f"{field}.{name}" if field else name
        if name not in hints:
            yield f"{path} is no field of it"
        else:
            yield from _in_type(inner, hints[name], path)


_NAMES = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}


def _other(field: str, value: Any, expected: str) -> str:
    return f"{field} is {value!r}, expected {expected}"


def _lost(one: Any, other: Any, field: str) -> Iterator[str]:
    """Names at which two documents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            yield from _lost(one.get(name), other.get(name), f"{field}.{name}" if field else name)
    elif one != other:
        yield field


def _without_empty(value: Any) -> Any:
    """A document without its empty objects, which the vendor's types do not give back."""
    if not isinstance(value, Mapping):
        return value
    kept = {name: _without_empty(inner) for name, inner in value.items()}
    return {name: inner for name, inner in kept.items() if inner != {}}
