"""`repro probe`: which variants there are, what each changes, and what is made of what came of them. No JVM."""

from __future__ import annotations

import json

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, Blocked, ClusterUnavailable
from repro_assets.pins.compute import parse_cluster
from repro_assets.pins.tolerance import Trial, Variant, obstacle
from repro_assets.resources.reproduction import probing
from repro_assets.resources.reproduction.probing import standard_variants, varied
from repro_assets.resources.spark.spark_cluster import load_cluster
from repro_assets.verbs import probe
from repro_assets.verbs.probe import NoTolerance, Probe, fitting, plan, require_reachable, require_tolerance
from repro_assets.verbs.probe_printing import table
from repro_assets_tests.unit.pins.run_records import ORDER, run_record

CLUSTER = load_cluster("local-v1", settings_module.load())
WORKERS = load_cluster("standalone-2x1-v1", settings_module.load())


def changed(variant: Variant) -> dict[str, tuple[str | None, str | None]]:
    """Settings and variables of the cluster file that a variant replaces: before and after."""
    found = parse_cluster("local-v1-probe", varied(json.loads(CLUSTER.text), variant).decode())
    before = {**CLUSTER.settings(), **CLUSTER.spark_env_vars}
    after = {**found.settings(), **found.spark_env_vars}
    assert found.jars == CLUSTER.jars
    return {
        name: (before.get(name), after.get(name)) for name in {*before, *after} if before.get(name) != after.get(name)
    }


def test_the_first_variant_changes_nothing() -> None:
    first = standard_variants()[0]

    assert first == Variant("as it was")
    assert changed(first) == {}


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        pytest.param(
            Variant("x", settings={"spark.master": "local[1]"}), {"spark.master": ("local[2]", "local[1]")}, id="master"
        ),
        pytest.param(
            Variant("x", settings={"spark.sql.shuffle.partitions": "7"}),
            {"spark.sql.shuffle.partitions": ("2", "7")},
            id="a setting of the file",
        ),
        pytest.param(
            Variant("x", settings={"spark.sql.files.maxPartitionBytes": "65536"}),
            {"spark.sql.files.maxPartitionBytes": (None, "65536")},
            id="a setting that is not in the file",
        ),
        pytest.param(
            Variant("x", threads=4),
            {f"{library}_NUM_THREADS": ("1", "4") for library in ("OMP", "OPENBLAS", "MKL")},
            id="threads",
        ),
    ],
)
def test_a_variant_changes_what_it_names(variant: Variant, expected: dict[str, object]) -> None:
    assert changed(variant) == expected


def test_java_options_are_added_to_those_of_the_file() -> None:
    found = changed(Variant("x", settings={"spark.driver.extraJavaOptions": "-XX:MaxVectorSize=16"}))

    ((before, after),) = found.values()
    assert after == f"{before} -XX:MaxVectorSize=16"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "riscv64"])
def test_variants_have_names_of_their_own_on_every_machine(monkeypatch, machine) -> None:
    monkeypatch.setattr(probing.platform, "machine", lambda: machine)

    names = [variant.name for variant in standard_variants()]

    assert len(set(names)) == len(names)
    assert any(name.startswith("BLAS kernel") for name in names) == (machine != "riscv64")


def test_named_variants_alone_are_tried_and_clusters_are_added() -> None:
    found = plan(["hash seed 1", "as it was"], ["standalone-3x1-v1"])

    assert [variant.name for variant in found] == ["hash seed 1", "as it was", "cluster standalone-3x1-v1"]
    assert found[2].cluster == "standalone-3x1-v1"


def test_without_a_name_all_are_tried() -> None:
    assert plan([], []) == standard_variants()


@pytest.mark.parametrize(
    ("names", "clusters", "expected"),
    [
        pytest.param([], [], ["cluster standalone-2x1-v1"], id="nothing named"),
        pytest.param([], ["standalone-3x1-v1"], ["cluster standalone-3x1-v1"], id="a cluster named"),
        pytest.param(["one core"], [], [], id="a variant named"),
    ],
)
def test_clusters_that_are_up_are_tried_where_nothing_was_named(names, clusters, expected) -> None:
    found = plan(names, clusters, ["standalone-2x1-v1"])

    assert [variant.name for variant in found if variant.cluster] == expected


@pytest.mark.parametrize(
    ("cluster", "error", "told"),
    [
        pytest.param("standalone-2x1-v1", ClusterUnavailable, "its cluster is down.*repro cluster up", id="down"),
        pytest.param("databricks-15-4-v1", BadInput, "is one of Databricks", id="of Databricks"),
        pytest.param("not-there", BadInput, "no such cluster file", id="no such file"),
    ],
)
def test_a_cluster_that_can_t_be_reached_is_said_with_its_variant_before_anything_is_tried(
    state, cluster, error, told
) -> None:
    variants = plan(["as it was"], [cluster])

    with pytest.raises(error, match=f"variant `cluster {cluster}` can't be tried.*{told}"):
        require_reachable(variants, state)


def test_of_a_run_on_workers_the_master_is_not_varied_and_that_is_said() -> None:
    said: list[str] = []
    left = fitting(standard_variants(), WORKERS, said.append)

    assert [variant.name for variant in standard_variants() if variant not in left] == ["one core"]
    assert [line.split(":")[0] for line in said] == ["one core"]
    with pytest.raises(BadInput, match="nothing is left to try"):
        fitting([standard_variants()[1]], WORKERS, said.append)


@pytest.mark.parametrize("name", ["as it was", "hash seed 1"])
def test_a_run_s_own_cluster_has_to_be_up_before_anything_is_tried(state, name) -> None:
    with pytest.raises(ClusterUnavailable, match="cluster standalone-2x1-v1 is not up"):
        require_reachable(plan([name], []), state, WORKERS)


def test_a_cluster_of_its_own_needs_no_other_to_be_up(state) -> None:
    require_reachable(plan(["seven shuffle partitions", "2 threads"], []), state, WORKERS)


def test_what_a_variant_meets_on_its_way_is_its_reason_and_not_the_end(monkeypatch) -> None:
    def gone(*_: object) -> None:
        raise ClusterUnavailable("cluster far is not whole", stored="1", expected="2")

    monkeypatch.setattr(probe, "try_variant", gone)

    trial, read = probe._tried(None, None, Variant("cluster far", cluster="far"), None)

    assert read
    assert obstacle([trial], ()) == (
        "cluster far did not come to its end: ClusterUnavailable: cluster far is not whole: stored 1, expected 2"
    )


def test_a_variant_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match="no such variant: stored full moon, expected as it was, one core"):
        plan(["full moon"], [])


DIGESTS = {asset: f"digest of {asset}" for asset in ORDER}
STILL = Trial(Variant("one core"), DIGESTS, seconds=41.6)
MOVED = Trial(Variant("2 threads"), {**DIGESTS, "model": "c0ffee00c0ffee"}, ("model",), probability=2.2e-16, score=0.0)
STOPPED = Trial(Variant("cluster far"), {"covid_cases": DIGESTS["covid_cases"]}, reasons=("it is not up",))


def test_the_table_has_a_row_per_variant_and_a_column_per_output() -> None:
    head, _, itself, *rows = table(Probe(run_record(), [STILL, MOVED, STOPPED], None))

    assert head.startswith(f"| variant | {' | '.join(ORDER)} |")
    assert itself.startswith("| the run itself | `digest o` |")
    assert rows[0] == "| one core | = | = | = | = | = | = | 0 | 0 | 0 | 42 |"
    assert rows[1] == "| 2 threads | = | = | = | = | `c0ffee00` | = | 2.2e-16 | 0 | 0 | 0 |"
    assert "not reached" in rows[2]


@pytest.mark.parametrize(
    ("trials", "error"),
    [pytest.param([MOVED], NoTolerance, id="moved"), pytest.param([STOPPED], Blocked, id="stopped")],
)
def test_without_a_tolerance_the_answer_is_no_or_blocked(trials, error) -> None:
    with pytest.raises(error, match="no tolerance follows"):
        require_tolerance(Probe(run_record(), trials, "because"))


def test_with_a_tolerance_it_is_done() -> None:
    require_tolerance(Probe(run_record(), [STILL], None, "f.json", True, {"probability": 0.0, "score": 0.0}))
