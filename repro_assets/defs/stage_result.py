"""What a stage tells Dagster: how its output compares with the one that stands, and the page's metadata."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from repro_assets.defs import stage_record
from repro_assets.defs.page_columns import column_metadata
from repro_assets.defs.page_links import mlflow_link
from repro_assets.defs.stage_config import RECOMPUTES_EQUAL
from repro_assets.errors import DataDamaged
from repro_assets.pins.output import Output
from repro_assets.resources.process_owner import user_name
from repro_assets.resources.spark.receipt import compute_receipt
from repro_assets.resources.tracking import confirmations as tracking_confirmations
from repro_assets.settings import load as load_settings

if TYPE_CHECKING:
    from repro_assets.defs.stage import Stage

# State of a materialization that a blocking check stopped; nothing is made of it.
REFUSED = "refused"


@dataclass(frozen=True)
class Comparison:
    """A computed output next to the one that stands under its identity.

    Attributes:
        stands: Whether the computed output is now the one that stands.
        equal: Whether the identity gave one digest only.
        text: The finding, as a person reads it.
        notes: Metadata that says more.
    """

    stands: bool
    equal: bool
    text: str
    notes: Mapping[str, Any]


def compare(stage: Stage, output: Output) -> Comparison:
    """Let an output stand, or compare it with the one that stands already.

    Equal adds a confirmation to the original and drops the copy; where the original's files are damaged, the copy
    takes their place. Another digest keeps both.
    """
    standing = stage.lake.complete(output)
    if standing == output:
        return Comparison(True, True, "computed once so far", {})
    client, witness = stage.context.resources.mlflow.tracking_client, _witness(output)
    if standing.digest != output.digest:
        record = stage.lake.keep_beside(output)
        tracking_confirmations.add_conflict(client, standing.mlflow_run_id, {**witness, "expected": standing.digest})
        text = f"same identity, another digest: {output.digest[:12]} instead of {standing.digest[:12]}; both kept"
        return Comparison(False, False, text, {"conflict": record})
    try:
        stage.lake.verify(standing)
    except DataDamaged as damage:
        stage.lake.replace(output)
        return Comparison(
            True, True, "recomputed equal; the stored files were damaged and are replaced", {"repaired": str(damage)}
        )
    stage.lake.discard(output)
    count = tracking_confirmations.add_confirmation(client, standing.mlflow_run_id, witness)
    text = f"recomputed equal, {count} confirmation{'s' if count > 1 else ''}"
    return Comparison(False, True, text, {"confirmations": count, "confirms": standing.mlflow_run_id})


def computed(
    stage: Stage, output: Output, found: Comparison, notes: Mapping[str, Any], checks: Sequence[dg.AssetCheckResult]
) -> dg.MaterializeResult[Any]:
    """The result of a computed output."""
    return _result(stage, output, "computed", {**notes, **found.notes}, [_recomputed(found.equal, found.text), *checks])


def refused(
    stage: Stage, output: Output, red: Sequence[str], notes: Mapping[str, Any], checks: Sequence[dg.AssetCheckResult]
) -> dg.MaterializeResult[Any]:
    """The result of an output that was computed and that a blocking check stopped: its files are kept to look at."""
    text = f"not compared: stopped by {', '.join(red)}"
    stage.context.resources.mlflow.log_stage(stage.mlflow_run_id, tags={"repro.refused_by": ", ".join(red)})
    notes = {**notes, "refused_by": ", ".join(red), "files": stage.attempt}
    return _result(stage, output, REFUSED, notes, [_recomputed(True, text), *checks])


def reused(
    stage: Stage, output: Output, state: str, notes: Mapping[str, Any], checks: Sequence[dg.AssetCheckResult]
) -> dg.MaterializeResult[Any]:
    """The result of an output that was verified and not computed again."""
    stage_record.add_to_run(stage, "reused", output.digest, output.mlflow_run_id, output.manifest_sha256)
    return _result(stage, output, state, notes, [_recomputed(True, "reused, files verified"), *checks])


def _recomputed(passed: bool, text: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=RECOMPUTES_EQUAL, passed=passed, metadata={"finding": text}, description=text)


def _result(
    stage: Stage, output: Output, state: str, notes: Mapping[str, Any], checks: Sequence[dg.AssetCheckResult]
) -> dg.MaterializeResult[Any]:
    rows = {part.name: part.rows for part in output.parts if part.rows is not None}
    pins = {table: document for table, document in output.data.items() if table in (stage.asset, *stage.upstream)}
    if stage.asset in output.data:
        rows = {stage.asset: output.data[stage.asset]["rows"]}
    metadata: dict[str, Any] = {
        "state": state,
        # What people come for stands above the digests: the page keeps the order.
        "answer": notes.get("answer"),
        "plots": notes.get("plots"),
        "identity": output.identity,
        "output_digest": output.digest,
        "manifest": output.manifest_sha256,
        "location": stage.folder,
        "mlflow_run_id": output.mlflow_run_id,
        "mlflow_parent_run_id": output.mlflow_parent_run_id,
        "computed_by_dagster_run": output.dagster_run_id,
        "dagster/row_count": sum(rows.values()) if rows else None,
        "rows": rows or None,
        "pins": {table: {"version": pin["version"], "fingerprint": pin["fingerprint"]} for table, pin in pins.items()},
        "mlflow": mlflow_link(load_settings(), output.mlflow_run_id),
        "parameters": stage.all_parameters,
        "champion": stage.champion.as_document() if stage.champion else None,
        **column_metadata(stage, output),
        **{name: float(value) for name, value in output.metrics.items()},
        **notes,
    }
    return dg.MaterializeResult(
        data_version=dg.DataVersion(output.digest),
        metadata={name: value for name, value in metadata.items() if value not in (None, {})},
        check_results=checks,
    )


def _witness(output: Output) -> dict[str, Any]:
    return {
        "asset": output.asset,
        "identity": output.identity,
        "digest": output.digest,
        "mlflow_run_id": output.mlflow_run_id,
        "dagster_run_id": output.dagster_run_id,
        "host": socket.gethostname(),
        "user": user_name(),
        "time": int(time.time() * 1000),
        "compute": compute_receipt(None),
    }
