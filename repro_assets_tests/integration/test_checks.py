"""The chain on the sample feed in this process: what the page shows of it, and that a planted fault stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow.compute as pc
import pytest

from repro_assets import settings as settings_module
from repro_assets.definitions import defs
from repro_assets.defs.assets import features as features_module
from repro_assets.defs.assets import predictions as predictions_module
from repro_assets.defs.assets import train_test_snapshot as snapshot_module
from repro_assets.defs.chain_run import chain_config
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.sample.generate import generate
from repro_assets.verbs.ingest import ingest_files
from repro_assets.verbs.versions import register_all

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

CHAIN = ("covid_cases", "job_changes", "train_test_snapshot", "features", "model", "predictions")
Checks = dict[str, dg.AssetCheckEvaluation]


@dataclass(frozen=True)
class Chain:
    """A state of its own with two data versions, and a Dagster instance that lives as long as this process."""

    instance: dg.DagsterInstance
    keys: list[str]

    def run(self, key: str, *assets: str, force: bool = False, fails: bool = False) -> dg.ExecuteInProcessResult:
        config = {**chain_config(force=force)}
        config["ops"] = {name: config["ops"][name] for name in assets or CHAIN}
        result = defs.resolve_job_def("chain").execute_in_process(
            instance=self.instance,
            partition_key=key,
            run_config=config,
            asset_selection=[dg.AssetKey(name) for name in assets or CHAIN],
            raise_on_error=not fails,
        )
        assert result.success is not fails
        return result

    def metadata(self, asset: str, key: str) -> dict[str, Any]:
        found = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[key]), limit=1
        )
        return {name: value.value for name, value in found.records[0].asset_materialization.metadata.items()}


def checks_of(result: dg.ExecuteInProcessResult) -> Checks:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def red(result: dg.ExecuteInProcessResult) -> list[str]:
    return sorted(name for name, check in checks_of(result).items() if not check.passed)


def materialized(result: dg.ExecuteInProcessResult) -> list[str]:
    events = [event for event in result.all_events if event.is_step_materialization]
    return [event.asset_key.to_user_string() for event in events if event.asset_key]


@pytest.fixture(scope="module")
def chain(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    feed = generate(folder / "feed", versions=2, days=40, labelled=600, unlabelled=150)
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        for name in ("REPRO_LAKE", "REPRO_CAPSULES", "MLFLOW_TRACKING_URI", "DAGSTER_HOME"):
            patch.delenv(name, raising=False)
        jars = settings_module.load().jars
        patch.setenv("REPRO_VAR", str(folder / "var"))
        (folder / "var").mkdir()
        (folder / "var" / "jars").symlink_to(jars)
        for table, files in (("covid_cases", feed.covid_files), ("job_changes", feed.job_files)):
            ingest_files(
                table, files, settings=settings_module.load(), open_spark=lambda: spark, report=lambda _line: None
            )
        keys = [version.key for version in register_all(RawTables(), instance)]
        made = Chain(instance, keys)
        for key in keys[:2]:
            made.run(key)
        yield made


# --- what a person sees ---------------------------------------------------------------------------------------------


def test_every_check_is_green_and_belongs_to_its_data_version(chain: Chain) -> None:
    result = chain.run(chain.keys[1])
    evaluations = result.get_asset_check_evaluations()
    assert {check.partition for check in evaluations} == {chain.keys[1]}
    assert {(check.asset_key.to_user_string(), check.check_name) for check in evaluations} == {
        (key.asset_key.to_user_string(), key.name) for key in defs.resolve_asset_graph().asset_check_keys
    }
    assert not red(result)
    assert {check.metadata["evidence"].value for check in evaluations if "evidence" in check.metadata} == {
        "reused: checked again on what is stored"
    }


def test_until_there_is_a_verdict_predictions_are_not_yet_reproduced(chain: Chain) -> None:
    found = checks_of(chain.run(chain.keys[0], "predictions"))["reproduces"]
    assert (found.passed, found.description, found.blocking) == (True, "not yet reproduced", False)


def test_a_verdict_is_handed_on_when_the_same_result_is_materialized_again(chain: Chain) -> None:
    digest = chain.metadata("predictions", chain.keys[0])["output_digest"]

    @dg.op
    def judge(context):  # Dagster reads the annotation, and a text is none
        context.log_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("predictions"),
                check_name="reproduces",
                passed=False,
                description="DIVERGED at model",
                metadata={"verdict": "DIVERGED", "output_digest": digest},
                partition=chain.keys[0],
            )
        )

    @dg.job
    def reproduce() -> None:
        judge()

    reproduce.execute_in_process(instance=chain.instance)
    for _ in range(2):
        found = checks_of(chain.run(chain.keys[0], "predictions"))["reproduces"]
        assert (found.passed, found.description) == (False, "DIVERGED at model")
    other = checks_of(chain.run(chain.keys[1], "predictions"))["reproduces"]
    assert other.description == "not yet reproduced"


@pytest.mark.parametrize(
    ("asset", "names"),
    [
        ("covid_cases", ["case_curve"]),
        ("train_test_snapshot", ["class_balance"]),
        ("model", ["importance"]),
        ("predictions", ["roc", "calibration"]),
    ],
)
def test_plots_are_on_the_page_and_in_mlflow_also_where_the_output_was_reused(
    chain: Chain, asset: str, names: list[str]
) -> None:
    chain.run(chain.keys[1], asset)
    metadata = chain.metadata(asset, chain.keys[1])
    assert metadata["state"] == "reused"
    assert len(metadata["plots"]) < 1000  # longer Markdown is hidden behind a link
    for name in names:
        assert f"path=plots%2F{name}.png&run_uuid={metadata['mlflow_run_id']}" in metadata["plots"]
        assert metadata[name].startswith(f"![{name}](data:image/png;base64,")
        assert len(metadata[name]) < 100_000
        folder = settings_module.load().mlflow_artifacts
        assert [path.name for path in folder.rglob(f"{metadata['mlflow_run_id']}/**/plots/{name}.png")]


def test_a_plot_that_fails_is_said_and_changes_nothing(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = chain.metadata("train_test_snapshot", chain.keys[0])["output_digest"]
    monkeypatch.setattr("repro_assets.steps.plots.class_balance", lambda counts: 1 / 0)
    chain.run(chain.keys[0], "train_test_snapshot", force=True)
    metadata = chain.metadata("train_test_snapshot", chain.keys[0])
    assert metadata["class_balance"] == "could not be drawn: division by zero"
    assert metadata["output_digest"] == digest


def test_columns_and_their_lineage_are_on_the_page(chain: Chain) -> None:
    metadata = chain.metadata("features", chain.keys[0])
    assert [column.name for column in metadata["dagster/column_schema"].columns][:2] == ["enrollee_id", "part"]
    (source,) = metadata["dagster/column_lineage"].deps_by_column["gender"]
    assert (source.asset_key, source.column_name) == (dg.AssetKey("train_test_snapshot"), "gender")
    snapshot = chain.metadata("train_test_snapshot", chain.keys[0])["dagster/column_schema"].columns
    assert {column.description for column in snapshot} == {"as in covid_cases", "as in job_changes"}


# --- planted faults -------------------------------------------------------------------------------------------------


def twice_in_train(snapshot: Callable[..., dict[str, DataFrame]]) -> Callable[..., dict[str, DataFrame]]:
    def planted(*arguments: Any, **options: Any) -> dict[str, DataFrame]:
        parts = snapshot(*arguments, **options)
        return {**parts, "train": parts["train"].unionByName(parts["test"].limit(1))}

    return planted


def with_target_in(build: Callable[..., DataFrame]) -> Callable[..., DataFrame]:
    def planted(*arguments: Any, **options: Any) -> DataFrame:
        from pyspark.sql import functions as f

        return build(*arguments, **options).withColumn("training_hours", f.coalesce("target", f.lit(0).cast("bigint")))

    return planted


def without_gender(build: Callable[..., DataFrame]) -> Callable[..., DataFrame]:
    return lambda *arguments, **options: build(*arguments, **options).drop("gender")


def without_one(predict: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: predict(*arguments).slice(1)


def beyond_one(predict: Callable[..., Any]) -> Callable[..., Any]:
    def planted(*arguments: Any) -> Any:
        table = predict(*arguments)
        name = "probability_without_cases"
        return table.set_column(table.column_names.index(name), name, pc.add(table[name], 1.0))

    return planted


@pytest.mark.parametrize(
    ("module", "step", "plant", "asset", "expected"),
    [
        pytest.param(
            snapshot_module,
            "snapshot",
            twice_in_train,
            "train_test_snapshot",
            ["nothing_lost", "train_test_disjoint"],
            id="a person in train and test",
        ),
        pytest.param(
            features_module, "build_features", with_target_in, "features", ["no_target_leak"], id="target as a feature"
        ),
        pytest.param(
            features_module,
            "build_features",
            without_gender,
            "features",
            ["schema_as_model_expects"],
            id="a feature is missing",
        ),
        pytest.param(
            predictions_module, "predict", without_one, "predictions", ["one_row_per_person"], id="a person is lost"
        ),
        pytest.param(
            predictions_module, "predict", beyond_one, "predictions", ["probabilities_in_range"], id="no probability"
        ),
    ],
)
def test_a_planted_fault_turns_its_check_red_and_nothing_is_made_of_it(
    chain: Chain,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    step: str,
    plant: Callable[..., Any],
    asset: str,
    expected: list[str],
) -> None:
    from_here = CHAIN[CHAIN.index(asset) :]
    with monkeypatch.context() as patch:
        patch.setattr(module, step, plant(getattr(module, step)))
        result = chain.run(chain.keys[0], *from_here, force=True, fails=True)
    assert [name for name in red(result) if name != "reproduces"] == expected
    assert materialized(result) == [asset]
    assert chain.metadata(asset, chain.keys[0])["state"] == "refused"
    assert chain.metadata(asset, chain.keys[0])["refused_by"].split(", ")[0] in expected
    for later in from_here[1:2]:
        alone = chain.run(chain.keys[0], later, fails=True)
        assert "was refused by a check" in str(alone.failure_data_for_node(later).error.cause)
    chain.run(chain.keys[0], asset)
    assert chain.metadata(asset, chain.keys[0])["state"] == "reused"


def test_a_loss_of_roc_auc_is_a_warning_and_stops_nothing(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = predictions_module.evaluate
    before = chain.metadata("predictions", chain.keys[0])["roc_auc"]
    monkeypatch.setattr(predictions_module, "evaluate", lambda *given: {**evaluate(*given), "roc_auc": before - 0.03})
    result = chain.run(chain.keys[1], "predictions", force=True)
    found = checks_of(result)["roc_auc_not_worse"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert f"-0.0300 to {before:.4f} of {chain.keys[0]}" in str(found.description)


def test_a_rewritten_commit_turns_the_pin_red_and_the_run_says_why(chain: Chain) -> None:
    table = settings_module.load().var / "lake" / "raw" / "covid_cases" / "_delta_log"
    commit = Path(table, f"{0:020d}.json")
    content = commit.read_bytes()
    commit.write_bytes(content + b"\n")
    try:
        result = chain.run(chain.keys[0], "covid_cases", "train_test_snapshot", fails=True)
    finally:
        commit.write_bytes(content)
    history = chain.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("covid_cases"), "pin_still_true"), limit=1
    )
    assert history[0].run_id == result.run_id
    found = history[0].event.dagster_event.event_specific_data
    assert (found.passed, found.partition) == (False, chain.keys[0])
    assert "not the commit that was pinned" in str(found.description)
    assert materialized(result) == []


def test_a_row_whose_key_comes_twice_stops_the_chain_also_the_second_time(chain: Chain, spark: SparkSession) -> None:
    uri = RawTables().uri("job_changes")
    spark.read.format("delta").load(uri).limit(1).write.format("delta").mode("append").save(uri)
    key = register_all(RawTables(), chain.instance)[-1].key
    for _ in range(2):
        result = chain.run(key, fails=True)
        assert red(result) == ["keys_unique"]
        assert materialized(result) == ["covid_cases", "job_changes"]
