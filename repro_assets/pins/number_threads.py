"""In how many threads the loaded number libraries work, beside what a cluster file says.

A variable binds when a library is loaded: set afterwards it changes nothing, and a step can ask for other threads itself.
So the libraries' own counts are compared, and not only the variables (`pins.compute.require_variables`).
Sources: https://www.openmp.org/spec-html/5.0/openmpse50.html, OpenBLAS' and oneMKL's pages on their runtime variables.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from repro_assets.errors import ClusterMismatch
from repro_assets.pins.compute import ClusterFile

_OPENMP = "OMP_NUM_THREADS"
# Each asks for its own variable first, and then for OpenMP's.
_OWN_VARIABLES = {"openblas": "OPENBLAS_NUM_THREADS", "mkl": "MKL_NUM_THREADS", "blis": "BLIS_NUM_THREADS"}


def require_threads(
    cluster: ClusterFile,
    libraries: Sequence[Mapping[str, Any]],
    cores: Collection[int],
    defaults: Mapping[str, str],
) -> None:
    """Compare the threads of each loaded library with those that the file's variables give it.

    A library takes no more threads than the host has cores, whatever it was told: fewer are right where they are as
    many as those.

    Args:
        cluster: The declared side.
        libraries: As `threadpoolctl.threadpool_info` lists them.
        cores: How many cores the host has, by every way of counting them: a library may see the physical ones only.
        defaults: Variables that every entry point sets where they are unset: a library's own one among them wins over
            OpenMP's, whether the file says it or not.

    Raises:
        ClusterMismatch: Names every library that differs, with both counts.
    """
    wrong = []
    for library in libraries:
        declared, found = _declared(cluster.spark_env_vars, defaults, library), library.get("num_threads")
        if declared is None or found is None:
            continue
        if found not in {declared, *(min(declared, count) for count in cores)}:
            wrong.append(f"{_name(library)} works in {found} threads, declared {declared}")
    if wrong:
        raise ClusterMismatch(
            f"cluster {cluster.name} is not what its file says",
            stored="; ".join(wrong),
            fix="Start a fresh process: a library takes its threads when it is loaded, and a step must not change them",
        )


def _declared(variables: Mapping[str, str], defaults: Mapping[str, str], library: Mapping[str, Any]) -> int | None:
    """Threads that the file's variables give a library; None where they say nothing of it that is a number."""
    # Built on OpenMP, OpenBLAS asks for OpenMP's variable alone.
    own = None if library.get("threading_layer") == "openmp" else _OWN_VARIABLES.get(str(library.get("internal_api")))
    if not (variables.get(own or _OPENMP) or variables.get(_OPENMP)):
        return None
    given = {**defaults, **variables}
    said = given.get(own or _OPENMP) or given[_OPENMP]
    return int(said) if said.isascii() and said.isdigit() and int(said) else None


def _name(library: Mapping[str, Any]) -> str:
    return " ".join(str(library[name]) for name in ("internal_api", "version") if library.get(name))
