"""The receipt of compute: what this process really runs on, read back after the fact."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from repro_assets.pins.redaction import redact_settings
from repro_assets.pins.standalone import Member
from repro_assets.resources.known_secrets import clean, known_values
from repro_assets.resources.spark.cluster_members import members
from repro_assets.resources.spark.effective_settings import other_than_default
from repro_assets.settings import THREAD_VARIABLES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SYSCTL = Path("/usr/sbin/sysctl")
# Not `libnetlibblasjni…`, which only looks for one.
_BLAS = re.compile(r"lib(open)?blas|libmkl_|libblis")


def compute_receipt(session: SparkSession | None, declared: Collection[str] = ()) -> dict[str, Any]:
    """What this process computes with.

    Args:
        session: The open session, or None where no Spark was needed.
        declared: Names of settings to state also where they are Spark's defaults.

    Returns:
        `cpu` (model, digest of its flags, numpy's dispatch), `blas` (library, kernel, threads), `threads`
        (variables as they stand) and `spark` (versions, master, executors with their cores and heaps
        and, where they are processes, options and BLAS, digests of
        jars, settings that are not Spark's defaults, the JVM's BLAS; None without).
    """
    return {
        "host": {"system": platform.system(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu": cpu(),
        "blas": blas(),
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
        "spark": spark(session, declared) if session is not None else None,
    }


@functools.cache
def cpu() -> dict[str, Any]:
    """CPU model, digest of its flags (None where the system does not list them) and what numpy dispatches on."""
    from numpy._core._multiarray_umath import __cpu_features__ as features  # numpy publishes its dispatch nowhere else

    model, flags = described(Path("/proc/cpuinfo"), _SYSCTL)
    return {
        "model": model or platform.processor() or platform.machine(),
        "flags_sha256": hashlib.sha256(" ".join(flags).encode()).hexdigest() if flags else None,
        "numpy_dispatch": sorted(name for name, present in features.items() if present),
        "cores": os.cpu_count(),
    }


def described(cpuinfo: Path, sysctl: Path) -> tuple[str | None, list[str]]:
    """Model and flags of the CPU as the system states them: Linux in a file, macOS by a program.

    Args:
        cpuinfo: `/proc/cpuinfo`.
        sysctl: `/usr/sbin/sysctl`; asked where there is no such file. `hw.optional` lists features as 0 or 1.
    """
    if cpuinfo.exists():
        text = cpuinfo.read_text()
        return _field(text, "model name"), sorted((_field(text, "flags") or _field(text, "Features") or "").split())
    said = {name: _sysctl(sysctl, *name.split()) for name in ("-n machdep.cpu.brand_string", "hw.optional")}
    optional = said["hw.optional"].splitlines()
    return said["-n machdep.cpu.brand_string"] or None, sorted(line[:-3] for line in optional if line.endswith(": 1"))


def _sysctl(program: Path, *arguments: str) -> str:
    if not program.exists():
        return ""
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def blas() -> list[dict[str, Any]]:
    """Number libraries loaded by now: API, version, kernel, threads."""
    import threadpoolctl

    kept = ("user_api", "internal_api", "version", "architecture", "threading_layer", "num_threads")
    found = [
        {name: library.get(name) for name in kept if name in library} for library in threadpoolctl.threadpool_info()
    ]
    return sorted(found, key=lambda library: sorted((key, str(value)) for key, value in library.items()))


def host_cores() -> frozenset[int]:
    """How many cores there are, by every way in which a number library counts them: all, physical, this process's."""
    import psutil

    # macOS has no affinity.
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return frozenset(count for count in (os.cpu_count(), psutil.cpu_count(logical=False), allowed) if count)


def spark(session: SparkSession, declared: Collection[str] = ()) -> dict[str, Any]:
    """Versions, master, executors, cores, memory, jars and settings of the session, secrets left out."""
    context = session.sparkContext
    java = context._jvm.java.lang  # type: ignore[union-attr] # the context is open, so its JVM side is there
    found = members(session)
    return {
        "version": context.version,
        "scala": context._jvm.scala.util.Properties.versionNumberString(),  # type: ignore[union-attr] # as above
        "java": java.System.getProperty("java.version"),
        "master": clean(str(context.master)),
        "default_parallelism": context.defaultParallelism,
        "executors": len(found),
        "cores": sum(member.cores for member in found),
        "members": [_member(member) for member in found],
        "driver_max_memory": java.Runtime.getRuntime().maxMemory(),
        "jars": jar_digests(context.getConf().get("spark.jars", "") or ""),
        "settings": redact_settings(other_than_default(session, declared), known_values()),
        "blas": java_blas(context._jvm),
    }


def java_blas(jvm: Any) -> dict[str, Any]:
    """What the driver's JVM multiplies with, which is what Spark ML adds up by.

    Args:
        jvm: The JVM side of an open context.

    Returns:
        `java`: class of the Java implementation. `native`: names of the native libraries that the JVM has loaded by
        now, empty where it has none; None where the system does not say. Asked of the process's memory: asking the
        implementation would load it.
    """
    implementation = jvm.dev.ludovic.netlib.blas.JavaBLAS.getInstance().getClass().getName()
    return {"java": implementation, "native": _mapped_blas(jvm.java.lang.ProcessHandle.current().pid())}


def _member(member: Member) -> dict[str, Any]:
    """An executor; where it is a process of its own, its options and the native BLAS that it has mapped by now."""
    found = {"executor": member.executor, "cores": member.cores, "megabytes": member.megabytes}
    if member.pid is None:
        return found
    return {**found, "java_options": list(member.java_options), "native_blas": _mapped_blas(member.pid)}


def _mapped_blas(pid: int) -> list[str] | None:
    """What a process multiplies with beside Java; None where the system does not say, or the process has ended."""
    try:
        return native_blas(Path(f"/proc/{pid}/maps").read_text())
    except OSError:
        return None


def native_blas(maps: str) -> list[str]:
    """File names of the BLAS libraries among the files that a process has mapped.

    Args:
        maps: Lines of `/proc/PID/maps`.
    """
    names = {Path(fields[5]).name for line in maps.splitlines() if len(fields := line.split(maxsplit=5)) > 5}
    return sorted(name for name in names if _BLAS.match(name))


def jar_digests(jars: str) -> dict[str, str]:
    """SHA-256 of each jar that a session was given, by file name.

    Args:
        jars: Paths or file URIs, as `spark.jars` has them.
    """
    paths = [_jar_path(jar) for jar in jars.split(",") if jar]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def loaded_files(session: SparkSession) -> dict[str, str | None]:
    """What a session really has and gives to its executors: digest by name; None of one it was not given.

    Of jars, and of files and archives, `addPyFile`'s among them, of which it is given none.
    """
    context: Any = session.sparkContext
    given = jar_digests(context.getConf().get("spark.jars", "") or "")
    scala = context._jsc.sc()
    listed = [scala.listJars(), scala.listFiles(), scala.listArchives()]
    names = [unquote(one.rpartition("/")[2]) for some in listed for one in some.mkString("\n").splitlines()]
    return {name: given.get(name) for name in names}


def _jar_path(jar: str) -> Path:
    return Path(unquote(urlsplit(jar).path) if jar.startswith("file:") else jar)


def _field(text: str, name: str) -> str | None:
    match = re.search(rf"^{re.escape(name)}\s*:\s*(.*)$", text, re.MULTILINE)
    return match[1].strip() if match else None
