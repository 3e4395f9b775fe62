"""The receipt of compute: what this process really runs on, read back after the fact."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.settings import THREAD_VARIABLES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SECRET_SETTING = re.compile(
    r"secret|passw|passphrase|token|credential|[._-]key\b|[._-]key[._-]|[a-z]key\b|sas\b|sas[._]", re.IGNORECASE
)
REDACTED = "(redacted)"


def compute_receipt(session: SparkSession | None) -> dict[str, Any]:
    """What this process computes with.

    Args:
        session: The open session, or None where no Spark was needed.

    Returns:
        `cpu` (model, digest of its flags, numpy's dispatch), `blas` (library, kernel, threads), `threads`
        (variables as they stand) and `spark` (versions, master, executors, cores, memory, settings; None without).
    """
    return {
        "host": {"system": platform.system(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu": cpu(),
        "blas": blas(),
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
        "spark": spark(session) if session is not None else None,
    }


@functools.cache
def cpu() -> dict[str, Any]:
    """CPU model, digest of its flags and the vector features that numpy dispatches on."""
    from numpy._core._multiarray_umath import __cpu_features__ as features  # numpy publishes its dispatch nowhere else

    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    flags = sorted((_field(text, "flags") or _field(text, "Features") or "").split())
    return {
        "model": _field(text, "model name") or platform.processor() or platform.machine(),
        "flags_sha256": hashlib.sha256(" ".join(flags).encode()).hexdigest(),
        "numpy_dispatch": sorted(name for name, present in features.items() if present),
        "cores": os.cpu_count(),
    }


def blas() -> list[dict[str, Any]]:
    """Number libraries loaded by now: API, version, kernel, threads."""
    import threadpoolctl

    kept = ("user_api", "internal_api", "version", "architecture", "threading_layer", "num_threads")
    found = [
        {name: library.get(name) for name in kept if name in library} for library in threadpoolctl.threadpool_info()
    ]
    return sorted(found, key=lambda library: sorted((key, str(value)) for key, value in library.items()))


def spark(session: SparkSession) -> dict[str, Any]:
    """Versions, master, executors, cores, memory and settings of the session, secrets left out."""
    context = session.sparkContext
    java = context._jvm.java.lang  # type: ignore[union-attr] # the context is open, so its JVM side is there
    return {
        "version": context.version,
        "scala": context._jvm.scala.util.Properties.versionNumberString(),  # type: ignore[union-attr] # as above
        "java": java.System.getProperty("java.version"),
        "master": context.master,
        "default_parallelism": context.defaultParallelism,
        "executors": context._jsc.sc().getExecutorMemoryStatus().size(),
        "driver_max_memory": java.Runtime.getRuntime().maxMemory(),
        "settings": redact(dict(context.getConf().getAll())),
    }


def redact(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings with the values of secrets replaced, by the setting's name."""
    return {name: REDACTED if _SECRET_SETTING.search(name) else value for name, value in sorted(settings.items())}


def _field(text: str, name: str) -> str | None:
    match = re.search(rf"^{re.escape(name)}\s*:\s*(.*)$", text, re.MULTILINE)
    return match[1].strip() if match else None
