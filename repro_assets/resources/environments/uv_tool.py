"""uv, the installer: where it is, which Python it may use, and what its refusals mean.

Here belongs everything that starts uv or looks for a Python.
What does not: which environment is made, where, and when it counts as made (`resources.built_environments`).

Indexes, mirrors, certificates and proxies are the user's own configuration of uv: the environment variables of this
process are passed on, and nothing here names an address.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from repro_assets.errors import EnvironmentUnavailable, Outside

_PATIENCE_SECONDS = 30
_TAIL = 40
# What would let another interpreter's modules into the builds and queries of uv.
_LEFT_OUT = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX")
_WHO = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], sys.version.split()[0])"
_NAMED = re.compile(r"`?([A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9._+!-]*[A-Za-z0-9])")
# Multiplication sign, box drawings and arrow heads, with which uv frames its messages.
_FRAMES = re.compile("[\u00d7\u2500-\u257f\u25b6]+")
# uv's words for: this version, or this file of it, is not to be had.
_NOT_THERE = re.compile(
    r"hash mismatch|no solution found|not found in|no version of|no wheels with|unsatisfiable", re.I
)


def find_uv(project: Path, environ: Mapping[str, str] | None = None) -> Path | None:
    """Find uv where `scripts/setup.sh` finds or puts it: on PATH, else in the project's `.tools`.

    Args:
        project: Folder of the project.
        environ: Environment variables; by default those of this process.
    """
    values = os.environ if environ is None else environ
    found = shutil.which("uv", path=values.get("PATH", os.defpath))
    own = project / ".tools" / "uv" / "bin" / "uv"
    return Path(found) if found else own if os.access(own, os.X_OK) else None


def find_python(minor: str, uv: Path | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """Find a CPython of a minor version that is installed; nothing is downloaded.

    The order: the one that `PYTHON` names, the running one, PATH, what uv installed.
    uv's own search is not asked for PATH: it gives up at the first program there that is no Python.

    Args:
        minor: For example `3.11`.
        uv: uv, where there is one.
        environ: Environment variables; by default those of this process.
    """
    values = os.environ if environ is None else environ
    return next((python for python in _candidates(minor, uv, values) if _is_python(python, minor)), None)


def full_version(python: Path) -> str | None:
    """The full version of a Python; None where it can't be started."""
    answer = _answer(python)
    return answer[2] if answer else None


def create_venv(uv: Path, python: Path, folder: Path) -> None:
    """Make an empty environment that works after its folder was renamed: no script of it names the folder.

    Args:
        uv: uv.
        python: The interpreter it stands on.
        folder: Where; not there yet.

    Raises:
        Outside: uv failed.
    """
    _run([uv, "venv", "--quiet", "--no-project", "--relocatable", "--python", python, folder])


def install(
    uv: Path, folder: Path, lock: Path, constraints: Path, project: Path, progress: Callable[[str], None]
) -> None:
    """Install exactly what a lock lists into an environment.

    Files are copied out of uv's cache. uv's default on Linux are hard links, by which a file changed in one environment
    changes in the cache and in every other one; where the file system can, a copy shares its blocks.

    Args:
        uv: uv.
        folder: The environment.
        lock: Hashed requirements.
        constraints: Versions of build backends, for packages that are source only; may be missing.
        project: Folder of the project, where uv looks for a configuration as `make setup` lets it.
        progress: Gets a line per step.

    Raises:
        EnvironmentUnavailable: A package can't be had in its version with its hash.
        Outside: uv failed in another way, for example at the network.
    """
    command: list[str | Path] = [
        uv,
        "pip",
        "sync",
        "--python",
        folder,
        "--require-hashes",
        "--link-mode",
        "copy",
        "--compile-bytecode",
    ]
    if constraints.is_file():
        command += ["--build-constraints", constraints]
    _run([*command, lock], project, progress)


def _candidates(minor: str, uv: Path | None, environ: Mapping[str, str]) -> Iterator[Path]:
    named = [environ["PYTHON"]] if environ.get("PYTHON") else []
    own = getattr(sys, "_base_executable", None) or sys.executable
    for program in (*named, own):
        found = shutil.which(program, path=environ.get("PATH", os.defpath))
        if found:
            yield Path(found)
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which(f"python{minor}", path=folder) if folder else None
        if found:
            yield Path(found)
    if uv is not None:
        done = _query([str(uv), "python", "find", "--managed-python", "--no-python-downloads", "--no-project", minor])
        if done:
            yield Path(done.strip())


def _is_python(program: Path, minor: str) -> bool:
    answer = _answer(program)
    return answer is not None and answer[:2] == ["cpython", minor]


def _answer(program: Path) -> list[str] | None:
    text = _query([str(program), "-I", "-c", _WHO])
    words = text.split() if text else []
    return words if len(words) == 3 else None


def _query(command: list[str]) -> str | None:
    """What a program prints; None where it can't be started, fails or hangs: then it is not what is looked for."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False, env=_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}


def _run(command: list[str | Path], cwd: Path | None = None, progress: Callable[[str], None] | None = None) -> None:
    words = [str(word) for word in command]
    try:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise Outside("uv can't be started", where=words[0], stored=error.strerror or error) from error
    lines: list[str] = []
    try:
        for line in process.stderr or ():
            lines.append(line.rstrip())
            # One line per package is for uv's log, not for a person who waits.
            if progress and line.strip() and not line.startswith((" + ", " - ", " ~ ")):
                progress(line.strip())
        code = process.wait()
    finally:
        # Interrupted: uv must not go on writing into a folder that is about to be removed.
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()
    if code != 0:
        raise _translated(" ".join(words[1:3]), lines[-_TAIL:])


def _translated(what: str, lines: list[str]) -> EnvironmentUnavailable | Outside:
    text = " ".join(_FRAMES.sub(" ", " ".join(lines)).split())
    package = _NAMED.search(text)
    if _NOT_THERE.search(text):
        return EnvironmentUnavailable(
            "a package can't be had as the lock has it",
            where=package[1] if package else None,
            stored=text[-500:],
            fix="Configure an index or a cache of uv that still has this file; another version is never taken",
        )
    return Outside(
        f"`uv {what}` failed",
        where=package[1] if package else None,
        stored=text[-500:] or "no message",
        fix="Look at the network and at uv's configuration; started again, what was fetched is not fetched twice",
    )
