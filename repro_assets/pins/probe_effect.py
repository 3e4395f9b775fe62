"""Whether what a probe varied took effect, by the receipt of what ran: a setting that nobody heeds moves nothing.

OpenBLAS falls back without a word from a kernel that it does not have, numpy from a feature that it does not dispatch on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from repro_assets.pins.tolerance import Variant

_MASTER = "spark.master"
_KERNEL = "OPENBLAS_CORETYPE"
_DISPATCH = "NPY_DISABLE_CPU_FEATURES"


def effective(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """What of a receipt a probe varies.

    Args:
        receipt: `effective` of a manifest's compute pin.

    Returns:
        `master`, `executors`, `parallelism`; `kernels` and `threads` of the BLAS libraries; `numpy_dispatch`. What an
        older receipt does not state is left out.
    """
    spark, libraries = receipt.get("spark") or {}, receipt.get("blas") or ()
    stated = {
        "master": spark.get("master"),
        "executors": spark.get("executors"),
        "parallelism": spark.get("default_parallelism"),
        "kernels": sorted({str(one["architecture"]) for one in libraries if one.get("architecture")}),
        "threads": sorted({int(one["num_threads"]) for one in libraries if one.get("num_threads")}),
        "numpy_dispatch": list((receipt.get("cpu") or {}).get("numpy_dispatch") or ()),
    }
    return {name: value for name, value in stated.items() if value}


def not_as_asked(variant: Variant, receipt: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What of a variant is not what ran, a phrase each; nothing of what the receipt does not state.

    Args:
        variant: As it was asked for.
        receipt: Of the trial; None where it came to none.
    """
    return (
        () if receipt is None else tuple(f"what ran is not what was asked for: {it}" for it in _wrong(variant, receipt))
    )


def _wrong(variant: Variant, receipt: Mapping[str, Any]) -> Iterator[str]:
    found = effective(receipt)
    settings = (receipt.get("spark") or {}).get("settings") or {}
    for name, asked in variant.settings.items():
        stored = found.get("master") if name == _MASTER else settings.get(name)
        # Java options are added to those that the file has.
        if stored is not None and not (asked == stored or (_is_options(name) and _words(asked) <= _words(stored))):
            yield f"{name} is {stored}, not {asked}"
    if variant.threads is not None and found.get("threads", [variant.threads]) != [variant.threads]:
        yield f"the number libraries use {found['threads']} threads, not {variant.threads}"
    kernel = variant.variables.get(_KERNEL)
    if kernel is not None and receipt.get("blas") and found.get("kernels") != [kernel]:
        yield f"the BLAS kernel is {', '.join(found.get('kernels', ['one that no library names']))}, not {kernel}"
    disabled = set(variant.variables.get(_DISPATCH, "").split())
    if still := sorted(disabled & set(found.get("numpy_dispatch", ()))):
        yield f"numpy dispatches on {' '.join(still)}"
    yield from _without_options(variant, receipt)


def _without_options(variant: Variant, receipt: Mapping[str, Any]) -> Iterator[str]:
    """Executors that were not started with Java's options: what the driver was given says nothing about them."""
    asked = {word for name, options in variant.settings.items() if _is_options(name) for word in _words(options)}
    for member in (receipt.get("spark") or {}).get("members") or ():
        if missing := sorted(asked - set(member.get("java_options", asked))):
            yield f"executor {member['executor']} runs without {' '.join(missing)}"


def _is_options(name: str) -> bool:
    return name.endswith("JavaOptions")


def _words(options: str) -> set[str]:
    return set(options.split())
