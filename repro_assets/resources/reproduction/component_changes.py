"""What differs in the components that were replaced on purpose: rows, files, packages, settings, values.

A verdict says what a replacement did to the result; this says what was replaced.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from repro_assets.errors import ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.capsule import entries_of
from repro_assets.pins.code_difference import code_difference
from repro_assets.pins.contract import Result
from repro_assets.pins.data import DataPin
from repro_assets.pins.environment import applicable, marker_values, parse_lock
from repro_assets.pins.preflight import reason
from repro_assets.pins.recipe import Recipe, differing
from repro_assets.pins.run_difference import differing as differing_values
from repro_assets.pins.run_difference import flat, packages
from repro_assets.pins.run_record import RunRecord
from repro_assets.resources.code.capsule_store import capsule_path, load
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.row_difference import row_difference
from repro_assets.resources.spark.spark_cluster import open_session
from repro_assets.settings import Settings

# A verdict is kept in MLflow and in Dagster's event log, once for every variant; `repro diff` shows all of a patch.
_PATCH_LINES = 400
_LONGEST = 300


@dataclass(frozen=True)
class Replacement:
    """Both sides of a replacement.

    Attributes:
        original: What the original was made of.
        recipe: What was asked for.
        record: What the original recorded.
        result: What came out.
    """

    original: Recipe
    recipe: Recipe
    record: RunRecord
    result: Result


def component_changes(pair: Replacement, settings: Settings, not_compared: list[str]) -> dict[str, Any]:
    """Look into every component that was replaced.

    Args:
        pair: Original and replacement.
        settings: Names capsules and lake.
        not_compared: What can't be looked at is added here, a sentence each.

    Returns:
        By component, in the words of a verdict: `data` by table, `code` and `environment` as `repro diff` has them,
        `compute` and `parameters` as `from` and `to` by name.
    """
    looks: dict[str, Callable[[], dict[str, Any]]] = {
        "data": lambda: _data(pair, settings, not_compared),
        "code": lambda: _code(pair, settings),
        "environment": lambda: {"packages": _packages(pair)},
        "cluster": lambda: differing_values(*(flat(json.loads(side.cluster.text)) for side in _sides(pair))),
        "parameters": lambda: differing_values(*(flat(side.parameters) for side in _sides(pair))),
    }
    found = {}
    for name in differing(pair.original, pair.recipe):
        try:
            found["compute" if name == "cluster" else name] = looks[name]()
        except ReproError as trouble:
            not_compared.append(f"what differs in the {name}: {reason(trouble)}")
    return found


def _sides(pair: Replacement) -> tuple[Recipe, Recipe]:
    return pair.original, pair.recipe


def _data(pair: Replacement, settings: Settings, not_compared: list[str]) -> dict[str, Any]:
    """Rows that differ, counted by Spark where both versions stand; only of tables whose rows differ."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    found: dict[str, Any] = {}
    after = RunRecord("", "", pair.recipe.data_version, pair.result.stages).data
    for table, one in pair.record.data.items():
        other = after.get(table)
        if other is None or one.rows.fingerprint == other.rows.fingerprint:
            continue
        found[table] = {
            "versions": {"from": one.commit.version, "to": other.commit.version},
            "rows": {"from": one.rows.rows, "to": other.rows.rows},
        }
        try:
            found[table] |= _rows(table, one, other, settings)
        except (ReproError, PySparkException, Py4JError) as trouble:
            # What was computed is not lost because its causes can't be counted.
            not_compared.append(f"rows of {table}: {_in_a_line(trouble)}")
    return found


def _rows(table: str, one: DataPin, other: DataPin, settings: Settings) -> dict[str, Any]:
    spark, keys = open_session(settings=settings), EXPERIMENT.table(table).keys
    return row_difference(spark, RawTables(lake=settings.raw), one, other, keys).as_document()


def _code(pair: Replacement, settings: Settings) -> dict[str, Any]:
    paths = [(side.capsule, capsule_path(settings.capsules, side.capsule)) for side in _sides(pair)]
    before, after = (entries_of(load(path, capsule), where=path) for capsule, path in paths)
    found = code_difference(before, after).as_document()
    lines = found.get("patch", "").splitlines(keepends=True)
    if len(lines) > _PATCH_LINES:
        found["patch"] = "".join(lines[:_PATCH_LINES]) + f"… {len(lines) - _PATCH_LINES:,} more lines\n"
    return found


def _in_a_line(trouble: Exception) -> str:
    if isinstance(trouble, ReproError):
        return reason(trouble)
    return f"{type(trouble).__name__}: {' '.join(str(trouble).split())[:_LONGEST]}"


def _packages(pair: Replacement) -> Mapping[str, Any]:
    python = pair.record.environment["effective"]["python"]
    one, other = (_locked(side.lock, python) for side in _sides(pair))
    return packages(one, other)


def _locked(lock: bytes, python: str) -> dict[str, str]:
    """Version by package of a lock, as it applies to that Python."""
    chosen = applicable(parse_lock(lock.decode()), marker_values(python))
    return {package.name: package.version for package in chosen.values()}
