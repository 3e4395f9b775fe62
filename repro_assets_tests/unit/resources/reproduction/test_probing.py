"""A trial: a reproduction under a variant's cluster file and variables, and what its verdict says of distance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, Outside
from repro_assets.pins.closeness import Closeness
from repro_assets.pins.compute import ClusterFile
from repro_assets.pins.contract import Result
from repro_assets.pins.run_record import StageRecord
from repro_assets.pins.tolerance import Trial, Variant
from repro_assets.pins.verdict import StageComparison, Verdict
from repro_assets.resources.reproduction import probing
from repro_assets.resources.reproduction.probing import standard_variants
from repro_assets.resources.reproduction.reproducing import Conditions, Reproduction, Way
from repro_assets.resources.spark.spark_cluster import load_cluster
from repro_assets_tests.unit.pins.run_records import KEY, run_record

HERE = settings_module.load()
CLUSTER = load_cluster("local-v1", HERE)
WORKERS = load_cluster("standalone-2x1-v1", HERE)
WAY = Way(HERE, lambda _: None, lambda _: [])
EQUAL = (StageComparison("features", "f", "f"), StageComparison("predictions", "p", "p"))
FAR = Closeness(3e-16, 2e-16, 1, False, ("probabilities differ",), {"probability": 0.0, "score": 0.0})


class Reproductions:
    """Stands for `reproduce`: gives verdicts, and keeps under which conditions it was asked for them."""

    def __init__(self, *verdicts: Verdict, result: Result | None = None) -> None:
        self.verdicts: list[Verdict] = list(verdicts)
        self.asked: list[Conditions] = []
        self.result = result

    def __call__(self, client: Any, parent: Any, way: Way) -> Reproduction:
        self.asked.append(way.conditions)
        return Reproduction(self.verdicts.pop(0), run_record(), self.result)


def tried(
    monkeypatch: pytest.MonkeyPatch,
    verdict: Verdict,
    variant: Variant,
    cluster: ClusterFile = CLUSTER,
    result: Result | None = None,
) -> tuple[Trial, Conditions]:
    """One trial on a run of `local-v1`, or of another cluster."""
    fake = Reproductions(verdict, result=result)
    monkeypatch.setattr(probing, "reproduce", fake)
    monkeypatch.setattr(probing, "own_cluster", lambda client, parent: cluster)
    trial, record = probing.try_variant(None, None, variant, WAY)  # type: ignore[arg-type] # the fakes need neither
    assert record is not None
    return trial, fake.asked[0]


def verdict(stages: Sequence[StageComparison], **more: Any) -> Verdict:
    return replace(Verdict("IDENTICAL", "run", KEY, tuple(stages)), **more)


def test_a_variant_without_settings_leaves_the_cluster_file_alone(monkeypatch) -> None:
    _, asked = tried(monkeypatch, verdict(EQUAL), Variant("x", variables={"PYTHONHASHSEED": "1"}))

    assert asked == Conditions(variables={"PYTHONHASHSEED": "1"})


def test_settings_become_a_cluster_file_of_another_name(monkeypatch) -> None:
    _, asked = tried(monkeypatch, verdict(EQUAL), Variant("x", settings={"spark.master": "local[1]"}))

    assert asked.cluster is not None
    name, content = asked.cluster
    assert name == "local-v1-probe"
    assert json.loads(content)["repro"] == {**json.loads(CLUSTER.text)["repro"], "master": "local[1]"}


def test_another_cluster_s_file_is_taken_as_it_is_and_its_digest_kept(monkeypatch) -> None:
    trial, asked = tried(monkeypatch, verdict(EQUAL), Variant("x", cluster="local-v1"))

    assert asked.cluster == ("local-v1", CLUSTER.text.encode())
    assert trial.as_document()["cluster_sha256"] == CLUSTER.sha256


def test_the_run_s_own_cluster_is_not_named_again(monkeypatch) -> None:
    trial, _ = tried(monkeypatch, verdict(EQUAL), Variant("x"))

    assert "cluster_sha256" not in trial.as_document()


def test_a_cluster_that_there_is_not_is_refused_before_anything_runs(monkeypatch) -> None:
    with pytest.raises(BadInput, match="no such cluster file"):
        tried(monkeypatch, verdict(EQUAL), Variant("x", cluster="moon-v1"))


@pytest.fixture
def clusters(monkeypatch) -> list[str]:
    """What is done to standalone clusters, in order."""
    done: list[str] = []
    monkeypatch.setattr(probing, "up", lambda cluster, *_: done.append(f"up {cluster.name} {cluster.sha256}"))
    monkeypatch.setattr(probing, "end", lambda name, *_: done.append(f"down {name}"))
    return done


@pytest.mark.parametrize("variant", standard_variants(), ids=lambda variant: variant.name)
def test_a_run_on_workers_is_varied_on_a_cluster_that_is_up_for_the_trial_alone(monkeypatch, clusters, variant) -> None:
    if not probing.fits(variant, WORKERS):
        assert variant.name == "one core"
        return
    trial, asked = tried(monkeypatch, verdict(EQUAL), variant, WORKERS)

    if asked.cluster is None:
        assert (variant.settings, variant.threads, clusters) == ({}, None, [])
        return
    name = asked.cluster[0]
    assert name.startswith("standalone-2x1-v1-probe-")
    assert clusters == [f"up {name} {trial.cluster_sha256}", f"down {name}"]


def test_a_varied_cluster_is_ended_where_its_trial_fails(monkeypatch, clusters) -> None:
    def fail(*_: Any) -> None:
        raise Outside("the capsule failed")

    monkeypatch.setattr(probing, "own_cluster", lambda client, parent: WORKERS)
    monkeypatch.setattr(probing, "reproduce", fail)
    with pytest.raises(Outside):
        probing.try_variant(None, None, Variant("2 threads", threads=2), WAY)  # type: ignore[arg-type] # likewise
    assert [step.split()[0] for step in clusters] == ["up", "down"]


def test_options_of_java_reach_the_executors_where_there_are_any() -> None:
    variant = Variant("x", settings={"spark.driver.extraJavaOptions": "-XX:MaxVectorSize=16"})
    found = [json.loads(probing.varied(json.loads(one.text), variant))["spark_conf"] for one in (CLUSTER, WORKERS)]

    assert [
        [str(settings.get(f"spark.{side}.extraJavaOptions", "")).endswith("-XX:MaxVectorSize=16") for settings in found]
        for side in ("driver", "executor")
    ] == [[True, True], [False, True]]


def test_a_variant_that_took_no_effect_is_no_measurement(monkeypatch) -> None:
    manifest = {"pins": {"compute": {"effective": {"blas": [{"architecture": "SkylakeX", "num_threads": 1}]}}}}
    result = Result({"predictions": StageRecord("predictions", "run", manifest)})
    variant = Variant("BLAS kernel Nehalem", variables={"OPENBLAS_CORETYPE": "Nehalem"})

    trial, _ = tried(monkeypatch, verdict(EQUAL), variant, result=result)

    assert trial.reasons == ("what ran is not what was asked for: the BLAS kernel is SkylakeX, not Nehalem",)
    assert trial.as_document()["effective"] == {"kernels": ["SkylakeX"], "threads": [1]}


def test_equal_outputs_are_at_distance_zero(monkeypatch) -> None:
    trial, _ = tried(monkeypatch, verdict(EQUAL, seconds=3.0), Variant("x"))

    assert trial == Trial(Variant("x"), {"features": "f", "predictions": "p"}, seconds=3.0)


def test_a_distance_is_the_verdict_s(monkeypatch) -> None:
    stages = (EQUAL[0], StageComparison("predictions", "p", "q"))

    trial, _ = tried(monkeypatch, verdict(stages, closeness=FAR), Variant("x"))

    assert (trial.moved, trial.probability, trial.score, trial.decisions) == (("predictions",), 3e-16, 2e-16, 1)


def test_a_distance_that_nobody_measured_is_not_zero(monkeypatch) -> None:
    stages = (EQUAL[0], StageComparison("predictions", "p", "q"))

    trial, _ = tried(monkeypatch, verdict(stages), Variant("x"))

    assert (trial.probability, trial.score) == (None, None)


def test_what_no_tolerance_covers_and_what_was_not_compared_is_kept(monkeypatch) -> None:
    stages = (EQUAL[0], StageComparison("predictions", "p", "q"))
    other = replace(FAR, probability=0.0, score=0.0, uncovered=("1 rows are missing, 0 are new",))

    trial, _ = tried(monkeypatch, verdict(stages, closeness=other, not_compared=("features: gone",)), Variant("x"))

    assert trial.uncovered == ("1 rows are missing, 0 are new", "not compared: features: gone")


def test_what_stopped_a_trial_is_kept(monkeypatch) -> None:
    trial, _ = tried(monkeypatch, verdict((), reasons=("not up",)), Variant("x"))

    assert trial.reasons == ("not up",)
    assert trial.digests == {}
