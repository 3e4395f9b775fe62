"""A Spark model's folder without Spark: what it would load, and a digest that only its state changes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repro_assets.errors import BadInput
from repro_assets.pins.spark_model import spark_model_digest, stage_classes

SCALER = "org.apache.spark.ml.feature.StandardScalerModel"
TREES = "org.apache.spark.ml.classification.GBTClassificationModel"
WHERE = "model"

Files = dict[str, bytes]


def metadata(class_name: str, uid: str, params: dict[str, Any], *, timestamp: int = 1, **more: Any) -> bytes:
    document = {"class": class_name, "timestamp": timestamp, "sparkVersion": "4.2.0", "uid": uid, "paramMap": params}
    return json.dumps({**document, "defaultParamMap": {"outputCol": f"{uid}__output"}, **more}).encode()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), content)
    return content.getvalue()


def node(tree: int, number: int, prediction: float) -> dict[str, Any]:
    return {"treeID": tree, "nodeData": {"id": number, "prediction": prediction, "stats": [1.0, prediction]}}


NODES = [node(0, 0, 0.25), node(0, 1, -0.5), node(1, 0, 0.125)]


def folder(
    salt: str = "a",
    *,
    timestamp: int = 1,
    mean: tuple[float, ...] = (0.5, 1.5),
    with_mean: bool = True,
    nodes: tuple[list[dict[str, Any]], ...] = (NODES,),
    stages: Callable[[list[str]], list[str]] = list,
    seed: int | None = 1,
    default_seed: int = 7,
) -> Files:
    """A pipeline of a scaler and trees, saved under other ids for another salt."""
    uids = [f"StandardScaler_{salt}1", f"GBTClassifier_{salt}2"]
    scaler, trees = (f"stages/{place}_{uid}" for place, uid in enumerate(uids))
    seeds: dict[str, Any] = {} if seed is None else {"seed": seed}
    more: dict[str, Any] = {"timestamp": timestamp, "defaultParamMap": {"maxBins": 32, "seed": default_seed}}
    tree = metadata("org.apache.spark.ml.regression.Tree", f"dtr_{salt}", seeds, **more).decode()
    pipeline = metadata(
        "org.apache.spark.ml.PipelineModel", f"PipelineModel_{salt}", {"stageUids": stages(uids)}, timestamp=timestamp
    )
    return {
        "metadata/part-00000.txt": pipeline,
        "metadata/_SUCCESS": b"",
        f"{scaler}/metadata/part-00000.txt": metadata(SCALER, uids[0], {"withMean": with_mean}, timestamp=timestamp),
        f"{scaler}/data/part-00000.parquet": parquet([{"mean": {"type": 1, "values": list(mean)}}]),
        f"{trees}/metadata/part-00000.txt": metadata(TREES, uids[1], seeds, numTrees=2, **more),
        f"{trees}/treesMetadata/part-00000.parquet": parquet([{"_1": 0, "_2": tree.replace(": ", ":")}]),
        **{f"{trees}/data/part-{number:05d}-{salt}.parquet": parquet(rows) for number, rows in enumerate(nodes)},
    }


def test_the_classes_of_all_stages_are_told_by_their_place() -> None:
    assert stage_classes(folder(), WHERE) == {
        "": "org.apache.spark.ml.PipelineModel",
        "stages/0_StandardScaler_a1": SCALER,
        "stages/1_GBTClassifier_a2": TREES,
    }


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(folder("b"), id="other ids"),
        pytest.param(folder(timestamp=2), id="saved at another time"),
        pytest.param(folder(nodes=(NODES[::-1],)), id="rows in another order"),
        pytest.param(folder(nodes=(NODES[1:], NODES[:1])), id="rows in two files"),
        pytest.param(folder(default_seed=8), id="another default of a seed that was given"),
        pytest.param({**folder(), "metadata/.part-00000.txt.crc": b"sum"}, id="files that Spark hides"),
    ],
)
def test_one_state_has_one_digest_however_it_is_stored(again: Files) -> None:
    assert spark_model_digest(again, WHERE) == spark_model_digest(folder(), WHERE)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(folder(mean=(0.5, 1.5000000000000002)), id="one bit of a number"),
        pytest.param(folder(mean=(1.5, 0.5)), id="order within a row"),
        pytest.param(folder(with_mean=False), id="a parameter"),
        pytest.param(folder(seed=2), id="another seed"),
        pytest.param(folder(seed=None), id="no seed, so its default"),
        pytest.param(folder(nodes=(NODES[:2],)), id="a node less"),
        pytest.param(folder(nodes=([*NODES, NODES[0]],)), id="a node twice"),
        pytest.param(folder(nodes=([NODES[0], NODES[1], node(0, 0, 0.125)],)), id="a node of another tree"),
    ],
)
def test_another_state_has_another_digest(other: Files) -> None:
    assert spark_model_digest(other, WHERE) != spark_model_digest(folder(), WHERE)


def test_the_default_of_a_seed_counts_where_none_was_given() -> None:
    found = {spark_model_digest(folder(seed=None, default_seed=default), WHERE) for default in (7, 8)}

    assert len(found) == 2


def without(path: str) -> Files:
    return {name: content for name, content in folder().items() if name != path}


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="nothing"),
        pytest.param(without("metadata/part-00000.txt"), id="no pipeline"),
        pytest.param({**folder(), "metadata/part-00001.txt": b"{}"}, id="a second file of metadata"),
        pytest.param({**folder(), "metadata/a=1/part-00000.txt": b"{}"}, id="metadata in a folder below"),
        pytest.param({**folder(), "metadata/part-00000.txt": b"not JSON"}, id="no JSON"),
        pytest.param({**folder(), "metadata/part-00000.txt": b"{}"}, id="no class"),
        pytest.param(folder(stages=lambda uids: [*uids, "../elsewhere"]), id="a stage outside"),
        pytest.param(folder(stages=lambda uids: uids[:1]), id="a stage that is not named"),
        pytest.param(folder(stages=lambda uids: uids[::-1]), id="stages in another order"),
    ],
)
def test_a_folder_that_spark_would_read_differently_is_refused(files: Files) -> None:
    with pytest.raises(BadInput, match=r"a Spark model with .* \[model\]"):
        stage_classes(files, WHERE)


def test_a_pipeline_of_python_stages_is_refused() -> None:
    pipeline = json.loads(folder()["metadata/part-00000.txt"])
    pipeline["paramMap"]["language"] = "Python"

    with pytest.raises(BadInput, match="no pipeline of Spark's own stages"):
        stage_classes({**folder(), "metadata/part-00000.txt": json.dumps(pipeline).encode()}, WHERE)
