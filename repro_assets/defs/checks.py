"""How each check is evaluated: what it looks at is gathered here, what must be true stands in `steps.checks`.

An asset declares its checks by name (`stage_config.check`); its stage evaluates exactly those, when an output is
computed and again when it is reused. What stands is read again from the stored files, never from what was in memory.
https://docs.dagster.io/guides/test/asset-checks
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from repro_assets.defs.stage_config import RECOMPUTES_EQUAL
from repro_assets.errors import BadInput, ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.output import Output
from repro_assets.resources.raw.raw_keys import repeated_keys
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.steps import checks
from repro_assets.steps.checks import Finding
from repro_assets.steps.split import KEY, PEOPLE

if TYPE_CHECKING:
    import pyarrow as pa

    from repro_assets.defs.stage import Stage

PIN_STILL_TRUE, REPRODUCES = "pin_still_true", "reproduces"
# Metadata by which an evaluation of `reproduces` is a verdict, and about which result.
VERDICT, JUDGED_DIGEST = "verdict", "output_digest"

_WARNINGS = {"roc_auc_not_worse"}
_VERDICTS_LOOKED_BACK = 1000  # evaluations of all data versions; older verdicts are in MLflow only
_RUNS_LOOKED_BACK = 50  # materializations of the data version before


class Evidence:
    """What the checks of one output look at; each stored table is read once.

    Attributes:
        stage: Of the output.
        output: Whose files are there.
        reused: Whether it was computed before this run.
    """

    def __init__(self, stage: Stage, output: Output, *, reused: bool) -> None:
        self.stage = stage
        self.output = output
        self.reused = reused
        self._tables: dict[tuple[str, str], pa.Table] = {}

    def table(self, part: str, asset: str | None = None) -> pa.Table:
        """A stored part of this output, or of one upstream."""
        output = self.stage.upstream[asset] if asset else self.output
        if (output.asset, part) not in self._tables:
            self._tables[output.asset, part] = self.stage.lake.read_table(output, part)
        return self._tables[output.asset, part]


def evaluate(stage: Stage, output: Output, *, reused: bool) -> list[dg.AssetCheckResult]:
    """Evaluate every check that the asset declares, but for that of its recomputation.

    Raises:
        BadInput: An asset declares a check that nobody here knows.
        DataDamaged: A file that a check reads is gone or other.
    """
    evidence = Evidence(stage, output, reused=reused)
    names = [spec.name for spec in stage.context.assets_def.check_specs if spec.name != RECOMPUTES_EQUAL]
    unknown = sorted(set(names) - set(_EVALUATIONS))
    if unknown:
        raise BadInput(
            "a check that nobody knows how to evaluate",
            where=stage.asset,
            stored=", ".join(unknown),
            expected=", ".join(_EVALUATIONS),
            fix="Add it to defs/checks.py",
        )
    return [_result(name, _EVALUATIONS[name](evidence), reused=reused) for name in names]


def stopping(stage: Stage, results: Sequence[dg.AssetCheckResult]) -> list[str]:
    """Names of the red checks that stop what is downstream."""
    blocking = {spec.name for spec in stage.context.assets_def.check_specs if spec.blocking}
    return [str(result.check_name) for result in results if not result.passed and result.check_name in blocking]


def log_broken_pin(stage: Stage, trouble: ReproError) -> None:
    """Turn `pin_still_true` red where a stage can't even begin, so that the page shows why."""
    red = dg.AssetCheckEvaluation(
        asset_key=stage.context.asset_key,
        check_name=PIN_STILL_TRUE,
        passed=False,
        metadata={"finding": dg.MetadataValue.text(str(trouble))},
        description=str(trouble),
        blocking=True,
        partition=stage.data_version,
    )
    run = stage.context.run
    # Dagster drops what `log_event` and `yield` were given by a step that raises; the log itself keeps it.
    stage.context.instance.report_dagster_event(
        dg.DagsterEvent(
            event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
            job_name=run.job_name,
            step_key=stage.asset,
            event_specific_data=red,
            message=f"Asset check '{PIN_STILL_TRUE}' on '{stage.asset}' did not pass.",
        ),
        run_id=run.run_id,
    )


def _result(name: str, finding: Finding, *, reused: bool) -> dg.AssetCheckResult:
    looked = "reused: checked again on what is stored" if reused else "checked on what was stored just now"
    return dg.AssetCheckResult(
        check_name=name,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.WARN if name in _WARNINGS else dg.AssetCheckSeverity.ERROR,
        description=finding.text,
        metadata={"finding": finding.text, "evidence": looked, **finding.facts},
    )


# --- what each check looks at ---------------------------------------------------------------------------------------


def _pin_still_true(evidence: Evidence) -> Finding:
    pin = evidence.stage.data[evidence.stage.asset].commit
    # A resource of its own: the stage's remembers commits, and the log itself is what is asked about.
    fresh = RawTables(lake=evidence.stage.raw_tables.lake)
    try:
        fresh.check(pin)
    except ReproError as trouble:
        return checks.pin_still_true(pin.version, trouble)
    return checks.pin_still_true(pin.version, None)


def _keys_unique(evidence: Evidence) -> Finding:
    stage = evidence.stage
    pin = stage.data[stage.asset]
    keys = EXPERIMENT.table(stage.asset).keys
    found = repeated_keys(stage.raw_tables, pin.commit, keys, lambda: stage.spark, again=stage.force)
    return checks.keys_unique(found, pin.rows.rows, keys)


def _train_test_disjoint(evidence: Evidence) -> Finding:
    return checks.train_test_disjoint({part: evidence.table(part)[KEY] for part in PEOPLE})


def _nothing_lost(evidence: Evidence) -> Finding:
    rows = {part.name: part.rows or 0 for part in evidence.output.parts}
    return checks.nothing_lost(rows, evidence.output.data[EXPERIMENT.split_table.name]["rows"])


def _no_target_leak(evidence: Evidence) -> Finding:
    return checks.no_target_leak(evidence.table("features"))


def _schema_as_model_expects(evidence: Evidence) -> Finding:
    return checks.schema_as_model_expects(evidence.table("features"))


def _one_row_per_person(evidence: Evidence) -> Finding:
    return checks.one_row_per_person(evidence.table("predictions"), evidence.table("features", asset="features"))


def _probabilities_in_range(evidence: Evidence) -> Finding:
    return checks.probabilities_in_range(evidence.table("predictions"))


def _roc_auc_not_worse(evidence: Evidence) -> Finding:
    stage = evidence.stage
    keys, rank = stage.keys_in_order(), stage.rank()
    before = keys[rank - 1] if rank > 0 else None
    return checks.roc_auc_not_worse(
        evidence.output.metrics["roc_auc"], _roc_auc_of(stage, before) if before else None, before
    )


def _reproduces(evidence: Evidence) -> Finding:
    """The verdict as it stands; a materialization gives none, it hands on the one that there is about this result."""
    stage, digest = evidence.stage, evidence.output.digest
    history = stage.context.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(stage.context.asset_key, REPRODUCES), limit=_VERDICTS_LOOKED_BACK
    )
    for record in history:
        event = record.event.dagster_event if record.event else None
        found = event.event_specific_data if event else None
        if not isinstance(found, dg.AssetCheckEvaluation) or found.partition != stage.data_version:
            continue
        facts = {label: str(value.value) for label, value in found.metadata.items()}
        if VERDICT in facts and facts.get(JUDGED_DIGEST) == digest:
            kept = {label: text for label, text in facts.items() if label not in ("finding", "evidence")}
            return Finding(found.passed, found.description or facts[VERDICT], kept)
    return Finding(True, checks.NOT_YET, {JUDGED_DIGEST: digest})


def _roc_auc_of(stage: Stage, key: str) -> float | None:
    """ROC AUC of the latest predictions of another data version with the same parameters."""
    records = stage.context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=stage.context.asset_key, asset_partitions=[key]), limit=_RUNS_LOOKED_BACK
    ).records
    for record in records:
        metadata = record.asset_materialization.metadata if record.asset_materialization else {}
        values = {name: metadata[name].value for name in ("parameters", "roc_auc") if name in metadata}
        if _that_rank(values.get("parameters")) == _that_rank(stage.all_parameters) and "roc_auc" in values:
            return float(values["roc_auc"])
    return None


def _that_rank(parameters: Any) -> Any:
    """Parameters that ROC AUC depends on: the threshold of the predictions is none."""
    if not isinstance(parameters, Mapping):
        return None
    return {asset: values for asset, values in parameters.items() if asset != "predictions"}


_EVALUATIONS: dict[str, Callable[[Evidence], Finding]] = {
    PIN_STILL_TRUE: _pin_still_true,
    "keys_unique": _keys_unique,
    "train_test_disjoint": _train_test_disjoint,
    "nothing_lost": _nothing_lost,
    "no_target_leak": _no_target_leak,
    "schema_as_model_expects": _schema_as_model_expects,
    "one_row_per_person": _one_row_per_person,
    "probabilities_in_range": _probabilities_in_range,
    "roc_auc_not_worse": _roc_auc_not_worse,
    REPRODUCES: _reproduces,
}
