"""How results look: tables and lines for people on stderr, one JSON document on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from repro_assets.defs.chain_run import RunReport
from repro_assets.experiment import EXPERIMENT
from repro_assets.resources.environments.built_environments import MadeEnvironment
from repro_assets.resources.reproduction.preflight import RunPreflight
from repro_assets.settings import Settings
from repro_assets.verbs.backfill import BackfillReport
from repro_assets.verbs.environments import CheckedEnvironment, EnvironmentRow
from repro_assets.verbs.versions import VersionRow

SHORT = 12
_UNBOUNDED = 240


def document(content: Mapping[str, Any]) -> None:
    """Write one JSON document on stdout."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def run_document(reports: Sequence[RunReport]) -> dict[str, Any]:
    """The `run` document."""
    keys = ("key", "dagster_run_id", "mlflow_run_id", "assets", "metrics", "seconds", "answer")
    return {"schema": "repro-run/1", "runs": [{key: getattr(report, key) for key in keys} for report in reports]}


def backfill_document(report: BackfillReport) -> dict[str, Any]:
    """The `backfill` document: runs as in the `run` document, each with its state and, where it failed, the reason."""
    runs = [
        {**run, "state": ended.state, "reason": ended.reason}
        for run, ended in zip(run_document(report.runs)["runs"], report.runs, strict=True)
    ]
    return {
        "schema": "repro-backfill/1",
        "dagster_run_id": report.dagster_run_id,
        "keys": list(report.keys),
        "runs": runs,
    }


def backfill(report: BackfillReport) -> None:
    """A line per data version that ended."""
    table = Table("data version", "state", "seconds", "ROC AUC", "MLflow run", "Dagster run", box=None)
    for run in report.runs:
        auc = f"{run.metrics['roc_auc']:.4f}" if "roc_auc" in run.metrics else "-"
        table.add_row(
            run.key, run.state, f"{run.seconds:.1f}", auc, run.mlflow_run_id or "-", run.dagster_run_id or "-"
        )
    print_table(table)
    for run in report.bad:
        sys.stderr.write(f"{run.key}: {run.reason or 'computed again, it came out different'}\n")


def versions(rows: Sequence[VersionRow]) -> None:
    """A line per data version."""
    if not rows:
        sys.stderr.write("no data versions: each raw table needs a first publication (`repro ingest`)\n")
        return
    table = Table("data version", "committed", "state", "runs", box=None)
    for row in rows:
        newest = max((str(entry["timestamp"]) for entry in row.tables.values() if entry["timestamp"]), default="-")
        state = f"{row.state}, given up" if row.given_up else row.state
        table.add_row(row.key, newest, state, str(len(row.runs)))
    print_table(table)


def runs(reports: Sequence[RunReport], settings: Settings) -> None:
    """What became of each stage, the metrics, and where to look."""
    for report in reports:
        table = Table("asset", "state", "rows", "identity", "output digest", box=None)
        for name, asset in report.assets.items():
            rows = " + ".join(f"{count:,}" for count in (asset["rows"] or {}).values()) or "-"
            table.add_row(name, asset["state"], rows, asset["identity"][:SHORT], asset["output_digest"][:SHORT])
        print_table(table)
        numbers = ("roc_auc", "average_precision", "log_loss", "brier_score")
        metrics = "  ".join(f"{name} {report.metrics[name]:.4f}" for name in numbers if name in report.metrics)
        sys.stderr.write(f"{metrics}\nMLflow run {report.mlflow_run_id}  Dagster run {report.dagster_run_id}\n")
        if report.answer:
            sys.stderr.write(f"{report.answer}\n")
    sys.stderr.write(f"lake {settings.lake}; `repro ui` shows the pages\n")


def demo(reports: Sequence[RunReport], settings: Settings) -> None:
    """The demo's closing table."""
    table = Table("data version", "rows", "fingerprints", "ROC AUC", "MLflow run", title=EXPERIMENT.question, box=None)
    for report in reports:
        raw = [report.assets[name] for name in EXPERIMENT.table_names]
        rows = " + ".join(f"{sum(asset['rows'].values()):,}" for asset in raw)
        prints = " ".join(asset["output_digest"][:SHORT] for asset in raw)
        table.add_row(report.key, rows, prints, f"{report.metrics['roc_auc']:.4f}", report.mlflow_run_id)
    print_table(table)
    sys.stderr.write(f"{reports[-1].answer}\n")
    sys.stderr.write(
        f"Look next: `repro show {reports[-1].key}` for everything that made it, `repro ui` for the pages.\n"
    )
    sys.stderr.write(f"Outputs are below {settings.lake}.\n")


def made_document(made: MadeEnvironment, is_new: bool) -> dict[str, Any]:
    """The `env make` document."""
    return {"schema": "repro-env-make/1", "state": "made" if is_new else "was made before", **_made(made)}


def checked_document(name: str, checked_: Sequence[CheckedEnvironment]) -> dict[str, Any]:
    """The `env check` document."""
    entries = [{**_made(one.made), "mismatches": [asdict(found) for found in one.mismatches]} for one in checked_]
    return {"schema": "repro-env-check/1", "name": name, "environments": entries}


def environments(rows: Sequence[EnvironmentRow]) -> None:
    """A line per environment."""
    table = Table("environment", "Python", "Java", "packages", "digest", "running", "made in", box=None)
    for row in rows:
        name = row.name if row.committed else f"{row.name} (not in envs/)"
        where = row.where or f"- (`repro env make {row.name}`)"
        running = "yes" if row.running else "-"
        table.add_row(name, row.python, str(row.java), str(row.packages), row.digest[:SHORT], running, where)
    print_table(table)


def checked(environments_: Sequence[CheckedEnvironment]) -> None:
    """A line per made environment and one per mismatch."""
    for one in environments_:
        state = f"{len(one.mismatches)} mismatches" if one.mismatches else "as its lock says"
        sys.stderr.write(f"{one.made.pin.name}, {one.made.packages} packages, {one.made.home}: {state}\n")
        for found in one.mismatches:
            sys.stderr.write(f"  {found}. {found.fix}\n")


def _made(made: MadeEnvironment) -> dict[str, Any]:
    return {
        "name": made.pin.name,
        "digest": made.pin.digest,
        "lock_sha256": made.pin.lock_sha256,
        "where": str(made.home),
        "python": str(made.python),
        "packages": made.packages,
    }


def shown(content: Mapping[str, Any]) -> None:
    """A run's manifest, the parts that a person asks for first."""
    manifest, stages = content["manifest"], content["stages"]
    sys.stderr.write(f"MLflow run {content['mlflow_run_id']} ({content['status']}), {manifest['data_version']}\n")
    table = Table("asset", "state", "identity", "output digest", "MLflow run", box=None)
    for name in manifest["order"]:
        stage = manifest["stages"][name]
        table.add_row(
            name, stage["state"], stage["identity"][:SHORT], stage["output_digest"][:SHORT], stage["mlflow_run_id"]
        )
    print_table(table)
    _pins(stages[manifest["order"][-1]], content["patch"])
    witnesses(content["confirmations"], content["other_attempts"], len(stages))


def witnesses(confirmations: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], stages: int) -> None:
    """Who got the result again, and who tried otherwise: a line per recomputation and reproduction.

    Args:
        confirmations: As the `show` document has them.
        others: As well.
        stages: How many stages the run has.
    """
    if not confirmations:
        sys.stderr.write("nobody has got it again yet\n")
    _witnesses("got again", confirmations, stages)
    _witnesses("other attempts", others, stages)


def _witnesses(title: str, found: Sequence[Mapping[str, Any]], stages: int) -> None:
    if not found:
        return
    table = Table(title, "by", "on", "when (UTC)", "CPU", "stages", "MLflow run", box=None)
    for one in found:
        said = f"{one['said']}, other {', '.join(one['swapped'])}" if one["swapped"] else one["said"]
        facts = [one[name] or "-" for name in ("user", "host", "time", "cpu")]
        table.add_row(said, *facts, f"{len(one['assets'])} of {stages}", one["mlflow_run_id"])
    print_table(table)


def preflight(rows: Sequence[RunPreflight]) -> None:
    """A line per run, then every reason and what else should be known, each once."""
    if not rows:
        sys.stderr.write("no run has a manifest yet: `repro run KEY` makes one\n")
        return
    table = Table("MLflow run", "data version", "can be run again", box=None)
    for row in rows:
        answer = row.answer
        # A reason may block many runs: it is said once, below.
        state = answer.words if answer.ready else f"blocked ({len(answer.reasons)})"
        table.add_row(row.mlflow_run_id, row.data_version, state)
    print_table(table)
    reasons = dict.fromkeys(reason for row in rows for reason in row.answer.reasons)
    notes = dict.fromkeys(note for row in rows for note in row.answer.notes)
    for line in [*(f"blocked by {reason}" for reason in reasons), *(f"note: {note}" for note in notes)]:
        sys.stderr.write(f"{line}\n")


def _pins(stage: Mapping[str, Any], patch: str | None) -> None:
    pins = stage["pins"]
    table = Table("pin", "declared", box=None)
    for name, pin in pins["data"].items():
        rows = f"version {pin['version']}, {pin['rows']:,} rows, fingerprint {pin['fingerprint']}"
        table.add_row(f"data {name}", f"{rows}, {pin['uri']}")
    code = pins["code"]
    state = "edited" if code["dirty"] else "clean"
    table.add_row("code", f"commit {code['commit']} ({state}), capsule {code['capsule']}")
    if patch:
        table.add_row("code, edits", patch)
    for submodule in code.get("absent_submodules", ()):
        table.add_row("code, absent", f"submodule {submodule} was not checked out")
    environment = pins["environment"]["declared"]
    versions_ = f"Python {environment['python_minor']}, Java {environment['java_major']}"
    table.add_row("environment", f"{environment['name']}, lock {environment['lock_sha256']}, {versions_}")
    compute = pins["compute"]["declared"]
    table.add_row("compute", f"{compute['name']}, file {compute['sha256']}")
    table.add_row("parameters", json.dumps(stage["parameters"], sort_keys=True))
    table.add_row("metrics", json.dumps(stage["metrics"], sort_keys=True))
    table.add_row("caveat", stage["caveat"])
    print_table(table)


def print_table(table: Table) -> None:
    """Print a table for people."""
    # Digests and keys are for copying: never cut, whatever the terminal's width.
    for column in table.columns:
        column.overflow = "fold"
    # In a file or a pipe there is no width to fit.
    width = None if sys.stderr.isatty() else _UNBOUNDED
    Console(stderr=True, width=width, highlight=False).print(table)
