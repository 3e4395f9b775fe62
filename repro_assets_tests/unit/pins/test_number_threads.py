"""Threads of loaded number libraries beside those of the cluster file."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from repro_assets.errors import ClusterMismatch
from repro_assets.pins.compute import ClusterFile
from repro_assets.pins.number_threads import require_threads
from repro_assets_tests.unit.pins.test_compute import CLUSTER

ALL_ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def cluster(**variables: str) -> ClusterFile:
    return dataclasses.replace(CLUSTER, spark_env_vars=variables)


def library(internal_api: str, threads: int | None, **more: str) -> dict[str, Any]:
    return {"internal_api": internal_api, "num_threads": threads, "version": None, **more}


@pytest.mark.parametrize("internal_api", ["openmp", "openblas", "mkl", "blis"])
def test_a_library_that_works_in_more_threads_than_declared_is_named_with_both_counts(internal_api) -> None:
    with pytest.raises(ClusterMismatch, match=rf"{internal_api} works in 2 threads, declared 1"):
        require_threads(cluster(**ALL_ONE), [library(internal_api, 2)], {2}, ALL_ONE)


def test_all_that_differ_are_named_with_their_version() -> None:
    libraries = [library("openblas", 2, version="0.3.30"), library("openblas", 1), library("openmp", 4)]

    with pytest.raises(ClusterMismatch, match=r"openblas 0\.3\.30 works in 2 threads, declared 1; openmp works in 4"):
        require_threads(cluster(**ALL_ONE), libraries, {2}, ALL_ONE)


def test_what_works_as_declared_passes() -> None:
    require_threads(cluster(**ALL_ONE), [library("openblas", 1), library("openmp", 1)], {2}, ALL_ONE)


@pytest.mark.parametrize("found", [8, 4, 2], ids=["as declared", "all cores", "all physical cores"])
def test_a_library_bounded_by_the_host_s_cores_is_no_false_alarm(found) -> None:
    require_threads(cluster(**dict.fromkeys(ALL_ONE, "8")), [library("mkl", found)], {4, 2}, ALL_ONE)


@pytest.mark.parametrize("found", [1, 3, 9])
def test_fewer_threads_than_declared_and_than_the_host_has_were_asked_for_by_somebody(found) -> None:
    with pytest.raises(ClusterMismatch, match=f"works in {found} threads, declared 8"):
        require_threads(cluster(**dict.fromkeys(ALL_ONE, "8")), [library("openblas", found)], {4, 2}, ALL_ONE)


def test_a_library_takes_its_own_variable_and_openmp_s_where_that_is_not_set() -> None:
    both = cluster(OMP_NUM_THREADS="3", OPENBLAS_NUM_THREADS="2")

    require_threads(both, [library("openblas", 2), library("blis", 3), library("openmp", 3)], {4}, ALL_ONE)


def test_a_file_that_says_openmp_s_variable_alone_leaves_the_others_to_the_entry_point() -> None:
    alone = cluster(OMP_NUM_THREADS="4")

    require_threads(alone, [library("openmp", 4), library("openblas", 1), library("mkl", 1)], {4}, ALL_ONE)
    with pytest.raises(ClusterMismatch, match=r"openblas works in 4 threads, declared 1"):
        require_threads(alone, [library("openblas", 4)], {4}, ALL_ONE)


def test_openblas_on_openmp_takes_openmp_s_variable() -> None:
    both = cluster(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="2")

    require_threads(both, [library("openblas", 1, threading_layer="openmp")], {4}, ALL_ONE)


@pytest.mark.parametrize(
    ("variables", "threads"),
    [({}, 4), ({"OMP_NUM_THREADS": "4,2"}, 3), (ALL_ONE, None)],
    ids=["nothing declared", "a list of levels", "a library that does not say"],
)
def test_what_can_t_be_compared_is_not(variables, threads) -> None:
    require_threads(cluster(**variables), [library("flexiblas", threads)], {4}, ALL_ONE)
