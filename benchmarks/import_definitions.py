"""What importing `repro_assets.definitions` costs beside importing dagster alone, measured side by side.

    .venv/bin/python benchmarks/import_definitions.py [PAIRS]

Each import is timed inside a fresh interpreter, the two in turn, so that a busy machine slows both alike; the figure
is the median of the pairs' ratios. The interpreter's own start is not counted: it would flatter the ratio.
Exits 1 where the ratio is above its limit, or where importing the definitions loaded an engine.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PAIRS = 10
LIMIT = 1.6
ENGINES = ("pyspark", "py4j", "mlflow", "sklearn")
PROJECT = Path(__file__).resolve().parents[1]
_TIMED = """
import json, sys, time
started = time.perf_counter()
import {module}
print(json.dumps([time.perf_counter() - started, sorted(sys.modules)]))
"""


@dataclass(frozen=True)
class Imported:
    """One import in an interpreter of its own.

    Attributes:
        seconds: Wall time of the import statement.
        modules: Names of all modules that were loaded at its end.
    """

    seconds: float
    modules: frozenset[str]


def imported(module: str) -> Imported:
    """Import a module in a fresh interpreter, from the project's folder.

    Raises:
        subprocess.CalledProcessError: It can't be imported; the interpreter's own message is on stderr.
    """
    done = subprocess.run(
        [sys.executable, "-c", _TIMED.format(module=module)], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True
    )
    seconds, modules = json.loads(done.stdout)
    return Imported(seconds, frozenset(modules))


def main(arguments: list[str]) -> int:
    """Measure and print; returns the exit code."""
    pairs = int(arguments[0]) if arguments else PAIRS
    names = ("dagster", "repro_assets.definitions")
    for name in names:
        imported(name)  # writes the byte code and warms the file cache
    alone, ours = zip(*([imported(name) for name in names] for _ in range(pairs)), strict=True)
    ratio = statistics.median(our.seconds / other.seconds for our, other in zip(ours, alone, strict=True))
    loaded = [name for name in ENGINES if any(name in each.modules for each in ours)]
    lines = [
        f"{f'milliseconds, median of {pairs}, in turn':44}{'dagster':>12}{'definitions':>14}   ratio",
        f"{'import in a fresh interpreter':44}{_milliseconds(alone):>12.0f}{_milliseconds(ours):>14.0f}{ratio:>8.2f}",
        f"{'modules loaded':44}{len(alone[0].modules):>12}{len(ours[0].modules):>14}",
        f"engines loaded: {', '.join(loaded) or 'none'}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(ratio > LIMIT or bool(loaded))


def _milliseconds(measured: tuple[Imported, ...]) -> float:
    return statistics.median(each.seconds for each in measured) * 1000


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
