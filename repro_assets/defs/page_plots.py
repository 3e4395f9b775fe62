"""Which asset is shown with which plots: drawn when an output is computed, kept in MLflow, shown on Dagster's page.

A plot is drawn after everything that has a digest. One that can't be drawn says so in its place and in the log;
it is no reason to lose the result.
Each picture is kept in the metadata itself, where Dagster's page opens it on a click; the entry `plots` shows all of
them at once, from MLflow's page.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from repro_assets.declaration import Daily
from repro_assets.defs.page_links import mlflow_picture
from repro_assets.errors import ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.pins.output import Output
from repro_assets.settings import load as load_settings
from repro_assets.steps import plots
from repro_assets.steps.split import PEOPLE, TARGET

if TYPE_CHECKING:
    from datetime import date

    from repro_assets.defs.stage import Stage
    from repro_assets.pins.data import CommitPin

Draw = Callable[["Stage", Output, Mapping[str, Any]], bytes | None]

_LARGEST = 100_000  # bytes of the data URI; every page that lists the materialization carries it
_LOOKED_BACK = 20  # materializations of one data version


def drawn(stage: Stage, output: Output, models: Mapping[str, Any]) -> dict[str, dg.MetadataValue[Any]]:
    """Draw the plots of an output that was computed just now, and log them to its MLflow run as `plots/NAME.png`.

    Args:
        stage: Of the output.
        output: Its files are there; whether it stands is not decided yet.
        models: Fitted estimators by part name.

    Returns:
        Metadata for the page, by the plot's name.
    """
    shown: dict[str, dg.MetadataValue[Any]] = {}
    documents: dict[str, str | bytes] = {}
    for name, draw in _PLOTS.get(stage.asset, {}).items():
        try:
            content = draw(stage, output, models)
        except Exception as trouble:  # noqa: BLE001 - said on the page and in the log; the result itself is good
            stage.context.log.warning(f"The plot {name} of {stage.asset} could not be drawn: {trouble}")
            shown[name] = dg.MetadataValue.text(f"could not be drawn: {trouble}"[:500])
            continue
        if content is None:
            shown[name] = dg.MetadataValue.text("nothing to draw")
            continue
        documents[_artifact(name)] = content
        shown[name] = _picture(name, content)
    if documents:
        stage.context.resources.mlflow.log_stage(stage.mlflow_run_id, documents=documents)
    return {**_all_at_once(shown, stage.mlflow_run_id), **shown}


def shown_before(stage: Stage, output: Output) -> dict[str, dg.MetadataValue[Any]]:
    """The plots of an output that is reused, as the materialization that computed it showed them."""
    names = _PLOTS.get(stage.asset, {})
    if not names:
        return {}
    records = stage.context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=stage.context.asset_key, asset_partitions=[stage.data_version]),
        limit=_LOOKED_BACK,
    ).records
    for record in records:
        metadata = record.asset_materialization.metadata if record.asset_materialization else {}
        identity = metadata.get("identity")
        if identity is not None and identity.value == output.identity and names.keys() <= metadata.keys():
            shown = {name: metadata[name] for name in names}
            return {**_all_at_once(shown, output.mlflow_run_id), **shown}
    return {}


def _all_at_once(shown: Mapping[str, dg.MetadataValue[Any]], run_id: str) -> dict[str, dg.MetadataValue[Any]]:
    """The entry `plots`; empty without a picture.

    Dagster's page draws Markdown in place below 1,000 characters and hides it behind a link above: a picture's own
    bytes never fit, its address does.
    """
    pictures = [name for name, value in shown.items() if isinstance(value, dg.MarkdownMetadataValue)]
    addresses = [f"![{name}]({mlflow_picture(load_settings(), run_id, _artifact(name))})" for name in pictures]
    return {"plots": dg.MetadataValue.md("\n".join(addresses))} if addresses else {}


def _artifact(name: str) -> str:
    return f"plots/{name}.png"


def _picture(name: str, content: bytes) -> dg.MetadataValue[Any]:
    uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    if len(uri) > _LARGEST:
        return dg.MetadataValue.text(f"too large for this page: {_artifact(name)} in MLflow")
    return dg.MetadataValue.md(f"![{name}]({uri})")


def _daily_curve(daily: Daily, stage: Stage, _output: Output, _models: Mapping[str, Any]) -> bytes:
    pin = stage.data[stage.asset].commit
    before = _version_before(stage, pin)
    return plots.daily_curve(
        _total_by_day(daily, stage, pin),
        _total_by_day(daily, stage, before) if before else None,
        (f"version {pin.version}", f"version {before.version}" if before else ""),
        daily.noun,
    )


def _version_before(stage: Stage, pin: CommitPin) -> CommitPin | None:
    """The newest earlier version in which a row changed; None where there is none or it is gone."""
    earlier = [
        commit.version
        for commit in stage.raw_tables.history(pin.table)
        if commit.changes_rows and commit.version < pin.version
    ]
    try:
        return stage.raw_tables.pin(pin.table, earlier[-1]) if earlier else None
    except ReproError as trouble:
        stage.context.log.warning(f"Drawn without the version before: {trouble}")
        return None


def _total_by_day(daily: Daily, stage: Stage, pin: CommitPin) -> dict[date, int]:
    from pyspark.sql import functions as f

    with stage.raw_tables.reading(pin):
        frame = stage.raw_tables.read(stage.spark, pin).where(f.col(daily.total).isNotNull())
        rows = frame.groupBy(daily.day).agg(f.sum(daily.total).alias("total")).orderBy(daily.day).collect()
    return {row[daily.day]: int(row["total"]) for row in rows}


def _class_balance(stage: Stage, output: Output, _models: Mapping[str, Any]) -> bytes:
    counts: dict[str, dict[str, int]] = {}
    for part in PEOPLE:
        column = stage.lake.read_table(output, part)[TARGET]
        found = {entry["values"]: entry["counts"] for entry in column.value_counts().to_pylist()}
        labels = {0: f"{TARGET} 0", 1: f"{TARGET} 1", None: "unlabelled"}
        counts[part] = {labels[value]: found[value] for value in labels if value in found}
    return plots.class_balance(counts)


def _importance(stage: Stage, _output: Output, models: Mapping[str, Any]) -> bytes | None:
    return plots.importance(
        models[EXPERIMENT.estimators[0].name], stage.lake.read_table(stage.upstream["features"], "features")
    )


def _roc(stage: Stage, output: Output, _models: Mapping[str, Any]) -> bytes:
    return plots.roc(stage.lake.read_table(output, "predictions"))


def _calibration(stage: Stage, output: Output, _models: Mapping[str, Any]) -> bytes:
    return plots.calibration(stage.lake.read_table(output, "predictions"))


_PLOTS: dict[str, dict[str, Draw]] = {
    **{
        table.name: {f"{table.daily.noun}_curve": partial(_daily_curve, table.daily)}
        for table in EXPERIMENT.raw_tables
        if table.daily is not None
    },
    "train_test_snapshot": {"class_balance": _class_balance},
    "model": {"importance": _importance},
    "predictions": {"roc": _roc, "calibration": _calibration},
}
