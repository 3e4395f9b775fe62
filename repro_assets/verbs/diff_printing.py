"""A difference between two runs as a person reads it: a line per thing that differs, the sources' diff last."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from repro_assets.verbs.diff import Difference

_GROUPS = 5
_PATCH_LINES = 200


def difference(found: Difference) -> None:
    """Everything that differs."""
    for line in lines(found):
        sys.stderr.write(f"{line}\n")


def lines(found: Difference) -> Iterator[str]:
    """The lines that `difference` writes."""
    yield f"from {found.first.mlflow_run_id} ({found.first.data_version})"
    yield f"to   {found.second.mlflow_run_id} ({found.second.data_version})"
    if found.stages:
        yield f"other results: {', '.join(stage['asset'] for stage in found.stages)}"
    for name, entry in found.data.get("tables", {}).items():
        yield from table(name, entry)
    for move in found.data.get("people", ()):
        examples = ", ".join(str(key) for key in move["examples"])
        yield f"people: {move['rows']} from {move['from'] or 'nowhere'} to {move['to'] or 'nowhere'} (first {examples})"
    yield from _environment(found.environment)
    yield from _compute(found.compute)
    yield from pairs("parameter", found.parameters)
    yield from pairs("metric", found.metrics)
    yield from _code(found.code)
    yield from (f"not compared: {reason}" for reason in found.not_compared)
    if found.same:
        yield "no difference"


def table(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Rows that differ in one raw table, as `row_difference` counts them."""
    versions = entry.get("versions")
    between = f" (version {versions['from']} -> {versions['to']})" if versions else ""
    if "added" not in entry:
        yield f"{name}{between}: the same {entry['rows']['from']:,} rows" if versions else f"{name}: other rows"
        return
    counts = ", ".join(f"{entry[kind]:,} {kind}" for kind in ("added", "removed", "changed"))
    yield f"{name}{between}: {counts} of {entry['rows']['from']:,} rows, from the {entry['counted_from']}"
    for kind in ("columns_added", "columns_removed"):
        if entry[kind]:
            yield f"  {kind.replace('_', ' ')}: {', '.join(entry[kind])}"
    for column, one in entry["columns"].items():
        largest = "" if one["largest"] is None else f", by up to {one['largest']:g}"
        yield f"  {column}: {one['rows']:,} rows{largest}"
    for key, groups in entry["by"].items():
        shown = "; ".join(_group(key, group) for group in groups["most"][:_GROUPS])
        yield f"  by {key} ({groups['values']:,} values): {shown}"
    for kind, rows in entry["examples"].items():
        yield f"  first {kind}: {_text(rows[0])}"


def _group(key: str, group: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count:,} {kind}" for kind, count in group.items() if kind != key)
    return f"{group[key]} {counts}"


def _environment(found: Mapping[str, Any]) -> Iterator[str]:
    yield from _entries("environment", found.get("declared", ()))
    yield from pairs("environment, found", found.get("effective", {}))
    yield from packages(found.get("packages", {}))


def packages(found: Mapping[str, Any]) -> Iterator[str]:
    """Packages that differ."""
    for name, version in found.get("added", {}).items():
        yield f"package added: {name} {version}"
    for name, version in found.get("removed", {}).items():
        yield f"package removed: {name} {version}"
    for name, pair in found.get("changed", {}).items():
        yield f"package changed: {name} {pair['from']} -> {pair['to']}"


def _compute(found: Mapping[str, Any]) -> Iterator[str]:
    yield from _entries("cluster", found.get("declared", ()))
    yield from pairs("cluster, found", found.get("effective", {}))


def _code(found: Mapping[str, Any]) -> Iterator[str]:
    if not found:
        return
    for name in ("capsule", "commit"):
        yield from pairs("code", {name: found[name]} if name in found else {})
    yield f"code that computes: {', '.join(found['stages']) or 'the same for every stage'}"
    yield from files(found)
    patch = found.get("patch", "").splitlines()
    yield from patch[:_PATCH_LINES]
    if len(patch) > _PATCH_LINES:
        yield f"… {len(patch) - _PATCH_LINES:,} more lines of the diff are in --json"


def files(found: Mapping[str, Any]) -> Iterator[str]:
    """Source files that differ."""
    for kind in ("added", "removed", "changed"):
        yield from (f"file {kind}: {path}" for path in found.get(kind, ()))


def _entries(what: str, entries: Any) -> Iterator[str]:
    for entry in entries:
        yield f"{what} {entry['what']}: {_text(entry['from'])} -> {_text(entry['to'])} ({', '.join(entry['stages'])})"


def pairs(what: str, found: Mapping[str, Any]) -> Iterator[str]:
    """Values that differ, by name."""
    for name, pair in found.items():
        change = f" ({pair['change']:+.6g})" if pair.get("change") is not None else ""
        yield f"{what} {name}: {_text(pair['from'])} -> {_text(pair['to'])}{change}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "-" if value is None else json.dumps(value, default=str)
