"""Spark ML behind the same moves: one result whatever the rows' order and partitions, stored and loaded checked."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, DataDamaged
from repro_assets.pins.champion import Champion, ChampionFile
from repro_assets.pins.output import Output, output_digest
from repro_assets.pins.spark_model import spark_model_digest
from repro_assets.resources.outputs.lake import Lake, new_attempt
from repro_assets.resources.outputs.spark_model_file import checked_files, folder_digest, load_pipeline, save_pipeline
from repro_assets.resources.reproduction.champion_models import located, read_champion
from repro_assets.resources.spark.receipt import compute_receipt
from repro_assets.resources.tracking.models import SPARK_FOLDER, log_spark_model
from repro_assets.resources.tracking.store import connect, initialise
from repro_assets.steps import plots
from repro_assets.steps.feature_columns import CASE_COLUMNS, FEATURE_COLUMNS
from repro_assets.steps.model_inference import predict
from repro_assets.steps.model_params import SPARK_FAMILIES, ModelParams
from repro_assets.steps.spark_estimator import SparkEstimator
from repro_assets.steps.spark_fit import fit_on_spark
from repro_assets_tests.unit.steps.feature_table import feature_table, shuffled

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

QUICK: dict[str, dict[str, Any]] = {"spark_logistic_regression": {}, "spark_gbt": {"max_iter": 2, "max_depth": 2}}
FEATURES = feature_table(400)


class Fitted:
    """One family, fitted and stored once."""

    def __init__(self, spark: SparkSession, family: str, folder: Path) -> None:
        self.params = ModelParams.from_settings({"family": family, **QUICK[family]})
        self.models = fit_on_spark(spark, FEATURES, self.params)
        self.uri = f"file://{folder / family}"
        self.files = save_pipeline(self.models["full"], self.uri)
        self.digest = spark_model_digest(self.files, self.uri)


@pytest.fixture(scope="module")
def fitted(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fitted]:
    folder = tmp_path_factory.mktemp("models")
    return {family: Fitted(spark, family, folder) for family in SPARK_FAMILIES}


def sha256s(files: dict[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def saved(model: SparkEstimator, folder: Path) -> str:
    uri = f"file://{folder}"
    return spark_model_digest(save_pipeline(model, uri), uri)


@pytest.mark.parametrize("family", SPARK_FAMILIES)
def test_neither_row_order_nor_partitions_change_the_state(spark, fitted, family, tmp_path) -> None:
    one = fitted[family]
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "11")
    try:
        again = fit_on_spark(spark, shuffled(FEATURES), one.params)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", "2")
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")

    assert saved(again["full"], tmp_path / "again") == one.digest
    assert saved(again["without_cases"], tmp_path / "blind") != one.digest


def test_the_receipt_names_what_the_jvm_multiplies_with(spark, fitted) -> None:
    """After a fit, so that a native library would have been loaded."""
    found = compute_receipt(spark)["spark"]["blas"]

    assert found["java"].startswith("dev.ludovic.netlib.blas.")
    assert isinstance(found["native"], list)


@pytest.mark.parametrize("family", SPARK_FAMILIES)
def test_a_stored_model_predicts_as_the_fitted_one(spark, fitted, family) -> None:
    one = fitted[family]
    loaded = load_pipeline(one.uri, sha256s(one.files), spark)
    expected = predict(one.models, FEATURES, 0.5)

    found = predict({**one.models, "full": loaded}, shuffled(FEATURES), 0.5)

    assert found == expected
    test = expected.filter(pc.field("part") == "test")
    changing, staying = (pc.mean(test.filter(pc.field("target") == side)["probability"]).as_py() for side in (1, 0))
    assert changing > staying + 0.1


def test_an_estimator_takes_its_own_columns_only(fitted) -> None:
    models = fitted["spark_logistic_regression"].models

    assert tuple(models["full"].feature_names_in_) == FEATURE_COLUMNS
    assert set(FEATURE_COLUMNS) - set(models["without_cases"].feature_names_in_) == set(CASE_COLUMNS)


def test_a_category_that_nobody_in_train_has_is_no_reason_to_fail(fitted) -> None:
    unknown = FEATURES.set_column(
        FEATURES.column_names.index("gender"), "gender", pa.array(["unheard of"] * FEATURES.num_rows)
    )

    assert predict(fitted["spark_logistic_regression"].models, unknown, 0.5).num_rows > 0


def test_a_fit_that_does_not_converge_is_refused(spark) -> None:
    params = ModelParams.from_settings({"family": "spark_logistic_regression", "max_iter": 10, "reg_param": 0.0})

    with pytest.raises(BadInput, match="did not converge"):
        fit_on_spark(spark, FEATURES, params)


@pytest.mark.long
def test_what_columns_are_worth_is_drawn_for_spark_too(fitted) -> None:
    picture = plots.importance(fitted["spark_logistic_regression"].models["full"], FEATURES)

    assert picture is not None
    assert picture.startswith(b"\x89PNG")


class Copy:
    """A stored model that a test may spoil."""

    def __init__(self, one: Fitted, folder: Path) -> None:
        self.folder = folder / "model"
        shutil.copytree(one.uri.removeprefix("file://"), self.folder)
        self.uri = f"file://{self.folder}"
        self.recorded = sha256s(one.files)

    def metadata(self, stage: str) -> Path:
        return next(self.folder.glob(f"{stage}/metadata/part-*"))

    def rewritten(self, path: Path, content: bytes) -> None:
        """Change a file and its record, as somebody would who can write both."""
        path.write_bytes(content)
        self.recorded[path.relative_to(self.folder).as_posix()] = hashlib.sha256(content).hexdigest()


@pytest.fixture
def copy(fitted: dict[str, Fitted], tmp_path: Path) -> Copy:
    return Copy(fitted["spark_logistic_regression"], tmp_path)


def test_a_changed_byte_is_found_before_spark_loads(spark, copy) -> None:
    data = next(copy.folder.glob("stages/5_*/data/*.parquet"))
    data.write_bytes(data.read_bytes()[:-1] + b"x")

    with pytest.raises(DataDamaged, match="not the one that was recorded"):
        load_pipeline(copy.uri, copy.recorded, spark)


@pytest.mark.parametrize("change", ["one more", "one less"])
def test_files_that_were_not_recorded_are_refused(spark, copy, change) -> None:
    data = next(copy.folder.glob("stages/5_*/data/*.parquet"))
    if change == "one more":
        shutil.copy(data, data.with_name("part-00001.snappy.parquet"))
    else:
        data.unlink()

    with pytest.raises(DataDamaged, match="other files than were recorded"):
        load_pipeline(copy.uri, copy.recorded, spark)


def test_a_class_that_is_not_on_the_list_is_not_loaded(spark, copy) -> None:
    path = copy.metadata("stages/4_*")
    document = json.loads(path.read_bytes())
    copy.rewritten(path, json.dumps({**document, "class": "org.apache.spark.ml.feature.SQLTransformer"}).encode())

    with pytest.raises(BadInput, match=r"not allowed.*SQLTransformer"):
        load_pipeline(copy.uri, copy.recorded, spark)


@pytest.mark.long
def test_the_folder_in_mlflow_is_the_lake_s_and_its_spark_flavor_loads_it(spark, fitted, tmp_path, monkeypatch) -> None:
    import mlflow

    one = fitted["spark_gbt"]
    settings = settings_module.load({"REPRO_VAR": str(tmp_path)})
    experiment = initialise(settings, "spark models")
    client = connect(settings.mlflow_tracking_uri)
    run = client.create_run(experiment)
    columns = [(str(name), "double") for name in one.models["full"].feature_names_in_]

    logged = log_spark_model(
        client, run.info.run_id, one.files, name="full", requirements=["pyspark==4.2.0"], input_columns=columns
    )

    folder = Path(logged.location.removeprefix("file://"))
    pipeline = folder / SPARK_FOLDER
    stored = {
        path.relative_to(pipeline).as_posix(): path.read_bytes() for path in pipeline.rglob("*") if path.is_file()
    }
    assert stored == one.files
    assert folder_digest(stored) == logged.sha256
    assert (folder / "requirements.txt").read_text() == "pyspark==4.2.0\n"
    monkeypatch.setenv("MLFLOW_DFS_TMP", str(tmp_path / "dfs"))
    loaded = SparkEstimator(mlflow.spark.load_model(str(folder)), spark)
    assert predict({**one.models, "full": loaded}, FEATURES, 0.5) == predict(one.models, FEATURES, 0.5)


@pytest.mark.long
def test_a_champion_of_spark_is_read_with_all_its_files_checked(spark, fitted, tmp_path) -> None:
    lake = Lake(uri=f"file://{tmp_path / 'lake'}")
    attempt = new_attempt(lake.folder("model", "key", "identity"))
    one = fitted["spark_logistic_regression"]
    files = save_pipeline(one.models["full"], f"{attempt}/full")
    part = lake.model_folder(attempt, "full", files, one.digest)
    digest = output_digest({"full": part.digest})
    output = lake.complete(Output("model", "key", "identity", digest, (part,), {}, {}, "r", "r", "r", "m"))
    lake.verify(output)
    uri, members = lake.locate_model_folder(output, "full")
    document = Champion("key", "identity", digest, "r", {}, {"full": ChampionFile("gone", "0" * 64, one.digest)})

    champion = located(document.as_document(), lake)

    assert champion.files["full"].path == uri
    assert champion.files["full"].members == members
    assert Champion.from_document(json.loads(json.dumps(champion.as_document())), "here") == champion
    model = read_champion(champion, "full", lambda: spark)
    assert predict({**one.models, "full": model}, FEATURES, 0.5) == predict(one.models, FEATURES, 0.5)
    assert checked_files(uri, members) == files
    next(Path(uri.removeprefix("file://")).glob("stages/5_*/data/*.parquet")).write_bytes(b"")
    with pytest.raises(DataDamaged):
        read_champion(champion, "full", lambda: spark)
