"""Gathers what a verdict rests on: the tables of the first stage that differs, and the predictions' distance."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro_assets.errors import DataDamaged
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.closeness import Closeness, Decision, closeness
from repro_assets.pins.contract import Result
from repro_assets.pins.manifest import ASSUMED_TOLERANCE
from repro_assets.pins.run_record import RunRecord
from repro_assets.pins.table_difference import TableDifference, table_difference
from repro_assets.pins.tolerance import unmeasurable
from repro_assets.pins.verdict import Evidence, compare_stages
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.reproduction.original_outputs import replaced_outputs, stored_output
from repro_assets.steps.model_inference import PROBABILITIES

if TYPE_CHECKING:
    import pyarrow as pa

# Stages whose result may differ within the tolerance, and the one that decisions are made in.
NUMERIC = ("model", "predictions")
_DECIDING = "predictions"
_DECISION_COLUMN = "predicted"
_COUNTS = ("tn", "fp", "fn", "tp")


@dataclass(frozen=True)
class Tables:
    """Outputs of an original and of its reproduction.

    Attributes:
        record: The original.
        result: What the capsule gave.
        originals: Lake of the original.
        copies: Lake of the reproduction.
    """

    record: RunRecord
    result: Result
    originals: Lake
    copies: Lake

    def both(self, asset: str, part: str) -> tuple[pa.Table, pa.Table]:
        """A part of the original and of the reproduction.

        Raises:
            DataDamaged: One is gone, or not what was recorded.
        """
        key = self.record.data_version
        original = stored_output(self.record.stages[asset], key, self.originals)
        if original is None:
            raise DataDamaged(
                f"the original's {asset} is gone", where=self.record.stages[asset].manifest["output"]["location"]
            )
        copy = self.copies.find(
            asset, self.result.stages[asset].manifest["data_version"], self.result.stages[asset].identity
        )
        if copy is None:
            raise DataDamaged(f"the reproduction's {asset} has no marker: a check refused it", where=asset)
        return self.originals.read_table(original, part), self.copies.read_table(copy, part)


def gather(tables: Tables, counted: Collection[str] = (), swapped: Collection[str] = ()) -> Evidence:
    """Look where digests say that something differs; what can't be looked at is said.

    Args:
        tables: Original and reproduction.
        counted: Raw tables whose differing rows were counted already, since other ones were asked for.
        swapped: Components that were replaced on purpose.
    """
    stages = compare_stages(tables.record, tables.result)
    first = next((stage.asset for stage in stages if not stage.equal and stage.found is not None), None)
    not_compared = replaced_outputs(tables.record, tables.originals)
    if first is None:
        return Evidence(not_compared=tuple(not_compared))
    differences = {} if first in counted else _differences(tables, first, not_compared)
    deciding = next((stage for stage in stages if stage.asset == _DECIDING and stage.found is not None), None)
    distance = _closeness(tables, swapped, not_compared) if deciding is not None else None
    return Evidence(differences, distance, tuple(not_compared))


def _differences(tables: Tables, asset: str, not_compared: list[str]) -> dict[str, TableDifference]:
    """What differs in a stage, by part."""
    expected, found = tables.record.stages[asset], tables.result.stages[asset]
    if not expected.manifest["output"]["parts"]:
        not_compared.append(f"rows of {asset}: of the original only the fingerprint was kept")
        return {}
    kinds = {part["name"]: part["kind"] for part in expected.manifest["output"]["parts"]}
    differences = {}
    for part, digest in expected.parts.items():
        if kinds[part] != "table" or found.parts.get(part) == digest:
            continue
        try:
            differences[part] = table_difference(*tables.both(asset, part), _row_names())
        except DataDamaged as trouble:
            not_compared.append(f"rows of {asset}/{part}: {trouble}")
    return differences


def _closeness(tables: Tables, swapped: Collection[str], not_compared: list[str]) -> Closeness | None:
    record, found = tables.record, tables.result.stages[_DECIDING]
    try:
        both = tables.both(_DECIDING, _DECIDING)
    except DataDamaged as trouble:
        not_compared.append(f"distance of the predictions: {trouble}")
        return None
    return closeness(
        table_difference(*both, _row_names()),
        both,
        (record.stages[_DECIDING].metrics, found.metrics),
        _decision(record.parameters[_DECIDING]),
        _tolerance(record, swapped),
    )


def _tolerance(record: RunRecord, swapped: Collection[str]) -> Mapping[str, Any]:
    """The manifest's; a measured one says nothing of another environment, nor of one that was not enforced."""
    if record.tolerance.get("source") != "measured":
        return record.tolerance
    if "environment" in swapped:
        return {**ASSUMED_TOLERANCE, "source": "assumed, since the environment was replaced"}
    against = unmeasurable(record)
    return record.tolerance if against is None else {**ASSUMED_TOLERANCE, "source": f"assumed, since {against}"}


def _decision(parameters: Mapping[str, Any]) -> Decision:
    return Decision(tuple(PROBABILITIES.values()), _DECISION_COLUMN, float(parameters["threshold"]), _COUNTS)


def _row_names() -> list[tuple[str, ...]]:
    """What may name a row of a part: the keys of the raw table that its rows come from."""
    return [tuple(table.keys) for table in EXPERIMENT.raw_tables]
