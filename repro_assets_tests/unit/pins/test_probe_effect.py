"""Whether what a probe varied is what ran."""

from __future__ import annotations

from typing import Any

import pytest

from repro_assets.pins.probe_effect import effective, not_as_asked
from repro_assets.pins.tolerance import Variant

RECEIPT: dict[str, Any] = {
    "spark": {
        "master": "local[1]",
        "executors": 1,
        "default_parallelism": 2,
        "settings": {
            "spark.sql.shuffle.partitions": "7",
            "spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:MaxVectorSize=16",
        },
    },
    "blas": [
        {"internal_api": "openblas", "architecture": "Nehalem", "num_threads": 2},
        {"internal_api": "openblas", "architecture": "Nehalem", "num_threads": 2},
        {"internal_api": "openmp", "num_threads": 2},
    ],
    "cpu": {"numpy_dispatch": ["SSE", "SSE2"]},
}


def test_what_a_probe_varies_is_read_from_the_receipt() -> None:
    assert effective(RECEIPT) == {
        "master": "local[1]",
        "executors": 1,
        "parallelism": 2,
        "kernels": ["Nehalem"],
        "threads": [2],
        "numpy_dispatch": ["SSE", "SSE2"],
    }


@pytest.mark.parametrize(
    ("asked", "ran_otherwise"),
    [
        pytest.param(
            {"settings": {"spark.master": "local[1]"}}, {"settings": {"spark.master": "local[2]"}}, id="the master"
        ),
        pytest.param(
            {"settings": {"spark.sql.shuffle.partitions": "7"}},
            {"settings": {"spark.sql.shuffle.partitions": "8"}},
            id="a setting",
        ),
        pytest.param(
            {"settings": {"spark.driver.extraJavaOptions": "-XX:MaxVectorSize=16"}},
            {"settings": {"spark.driver.extraJavaOptions": "-XX:MaxVectorSize=32"}},
            id="an option of Java",
        ),
        pytest.param(
            {"settings": {"spark.driver.extraJavaOptions": "-XX:MaxVectorSize=16"}},
            {"settings": {"spark.driver.extraJavaOptions": "-XX:MaxVectorSize=1"}},
            id="an option that another one begins with",
        ),
        pytest.param({"threads": 2}, {"threads": 4}, id="threads"),
        pytest.param(
            {"variables": {"OPENBLAS_CORETYPE": "Nehalem"}},
            {"variables": {"OPENBLAS_CORETYPE": "Haswell"}},
            id="the kernel",
        ),
        pytest.param(
            {"variables": {"NPY_DISABLE_CPU_FEATURES": "AVX2 AVX512F"}},
            {"variables": {"NPY_DISABLE_CPU_FEATURES": "AVX2 SSE2"}},
            id="numpy",
        ),
    ],
)
def test_a_variant_is_as_asked_or_it_is_said_what_ran(asked, ran_otherwise) -> None:
    assert not_as_asked(Variant("x", **asked), RECEIPT) == ()
    (said,) = not_as_asked(Variant("x", **ran_otherwise), RECEIPT)
    assert said.startswith("what ran is not what was asked for: ")


@pytest.mark.parametrize("receipt", [None, {}, {"spark": None, "blas": [], "cpu": {}}], ids=["none", "empty", "older"])
def test_what_a_receipt_does_not_state_is_not_held_against_a_variant(receipt) -> None:
    everything = Variant(
        "x",
        settings={"spark.master": "local[1]", "spark.sql.shuffle.partitions": "7"},
        variables={"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "AVX2"},
        threads=2,
    )
    assert not_as_asked(everything, receipt) == ()


def test_an_executor_without_an_option_that_the_driver_has_is_said() -> None:
    members = [
        {"executor": "0", "java_options": ["-XX:+UseSerialGC", "-XX:MaxVectorSize=16"]},
        {"executor": "1", "java_options": ["-XX:+UseSerialGC"]},
    ]
    variant = Variant("x", settings={"spark.driver.extraJavaOptions": "-XX:MaxVectorSize=16"})

    (said,) = not_as_asked(variant, {**RECEIPT, "spark": {**RECEIPT["spark"], "members": members}})

    assert said.endswith("executor 1 runs without -XX:MaxVectorSize=16")


def test_an_executor_inside_the_driver_has_no_options_of_its_own() -> None:
    members = [{"executor": "driver", "cores": 2, "megabytes": None}]
    variant = Variant("x", settings={"spark.driver.extraJavaOptions": "-XX:MaxVectorSize=16"})

    assert not_as_asked(variant, {**RECEIPT, "spark": {**RECEIPT["spark"], "members": members}}) == ()


def test_a_library_that_does_not_name_its_kernel_is_not_known_to_have_the_one_asked_for() -> None:
    variant = Variant("x", variables={"OPENBLAS_CORETYPE": "Nehalem"})

    (said,) = not_as_asked(variant, {**RECEIPT, "blas": [{"internal_api": "mkl", "num_threads": 1}]})

    assert said.endswith("the BLAS kernel is one that no library names, not Nehalem")
