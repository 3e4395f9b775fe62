"""The talk's example as a table: every output digest under every kind of compute, and a naive version beside it.

    .venv/bin/python benchmarks/compute_table.py [VARIANT…]

Each row is a `repro run` in processes and with a lake of its own, on the same raw rows: nothing is reused.
Standalone clusters are started and ended for their row. After OPTIMIZE the raw tables are read at new versions, from
other files. Exits 1 where a digest of the project differs between rows, or the naive version does not.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repro_assets import settings as settings_module
from repro_assets.pins.tolerance import Variant
from repro_assets.pins.version_file import register
from repro_assets.resources.probing import varied
from repro_assets.sample.generate import generate

REPRO = Path(sys.executable).parent / "repro"
LOCAL = "local-v1"


@dataclass(frozen=True)
class Row:
    """One kind of compute.

    Attributes:
        cluster: Cluster file that it starts from.
        settings: Spark settings in the place of the file's.
        optimized: Whether the raw tables are rewritten before.
    """

    cluster: str = LOCAL
    settings: Mapping[str, str] = field(default_factory=dict)
    optimized: bool = False


ROWS: dict[str, Row] = {
    "local[2]": Row(),
    "local[1]": Row(settings={"spark.master": "local[1]", "spark.default.parallelism": "1"}),
    "three workers": Row("standalone-3x1-v1"),
    "two workers": Row("standalone-2x1-v1"),
    "maxPartitionBytes 64k": Row(settings={"spark.sql.files.maxPartitionBytes": "65536"}),
    "seven shuffle partitions": Row(settings={"spark.sql.shuffle.partitions": "7", "spark.default.parallelism": "7"}),
    "after OPTIMIZE": Row(optimized=True),
}


class Bench:
    """A source of raw rows, and a fresh installation per row that reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = self._fresh("source")
        feed = generate(folder / "feed", versions=2)
        for table, files in (("covid_cases", feed.covid_files), ("job_changes", feed.job_files)):
            self._repro(self.source, {}, "ingest", table, *map(str, files))

    def row(self, name: str, row: Row) -> tuple[dict[str, str], dict[str, Any]]:
        """Output digests by asset, and what the naive version finds."""
        var = self._fresh(re.sub(r"\W+", "-", name).strip("-"))  # Spark takes brackets in a path for a pattern
        raw, cluster = self.source / "lake", row.cluster
        environ = {"REPRO_RAW": str(raw)}
        if row.settings:
            cluster, environ["REPRO_ENVS"] = self._varied(var, row)
        if row.optimized:
            raw = self._optimized(var)
            environ["REPRO_RAW"] = str(raw)
        standalone = cluster.startswith("standalone")
        if standalone:
            self._repro(var, environ, "cluster", "up", cluster)
        try:
            key = self._key(var, environ, optimized=row.optimized)
            run = json.loads(self._repro(var, environ, "run", key, "--cluster", cluster, "--json"))["runs"][0]
            naive = self._naive(var, environ, cluster, raw)
        finally:
            if standalone:
                self._repro(var, environ, "cluster", "down", cluster)
        if {asset["state"] for asset in run["assets"].values()} != {"computed"}:
            raise SystemExit(f"{name}: something was reused")
        return {asset: found["output_digest"] for asset, found in run["assets"].items()}, naive

    def _fresh(self, name: str) -> Path:
        var = self.folder / name
        var.mkdir()
        for shared in ("jars", "envs"):
            (settings_module.load().var / shared).mkdir(parents=True, exist_ok=True)
            (var / shared).symlink_to(settings_module.load().var / shared)
        return var

    def _varied(self, var: Path, row: Row) -> tuple[str, str]:
        """A cluster file with other settings, in a copy of `envs`."""
        envs = var / "varied-envs"
        shutil.copytree(settings_module.load().envs, envs)
        name = f"{row.cluster}-varied"
        text = (envs / "clusters" / f"{row.cluster}.json").read_text()
        (envs / "clusters" / f"{name}.json").write_bytes(varied(json.loads(text), Variant(name, settings=row.settings)))
        register(envs)
        return name, str(envs)

    def _optimized(self, var: Path) -> Path:
        """A copy of the raw tables whose newest version holds the same rows in other files."""
        from deltalake import DeltaTable

        copy = var / "raw-lake"
        shutil.copytree(self.source / "lake" / "raw", copy / "raw")
        for table in sorted((copy / "raw").iterdir()):
            DeltaTable(str(table)).optimize.compact()
        return copy

    def _key(self, var: Path, environ: Mapping[str, str], *, optimized: bool) -> str:
        if not optimized:
            return str(json.loads(self._repro(var, environ, "versions", "--json"))["versions"][-1]["key"])
        from deltalake import DeltaTable

        tables = sorted((Path(environ["REPRO_RAW"]) / "raw").iterdir())
        pins = [f"{table.name}@{DeltaTable(str(table)).version()}" for table in tables]
        return str(json.loads(self._repro(var, environ, "pin", *pins, "--json"))["key"])

    def _naive(self, var: Path, environ: Mapping[str, str], cluster: str, raw: Path) -> dict[str, Any]:
        command = [sys.executable, "-m", "repro_assets_tests.naive_steps", cluster, str(raw / "raw" / "job_changes")]
        return json.loads(_output(command, var, environ))

    def _repro(self, var: Path, environ: Mapping[str, str], *arguments: str) -> str:
        return _output([str(REPRO), *arguments], var, environ)


def _output(command: list[str], var: Path, environ: Mapping[str, str]) -> str:
    """What a command that has to succeed printed."""
    wanted = {**os.environ, **settings_module.kernel_variables({}), "REPRO_VAR": str(var), **environ}
    done = subprocess.run(command, env=wanted, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout


def main(names: list[str]) -> int:
    """Compute the rows, print them as Markdown, and compare them."""
    digests: dict[str, dict[str, str]] = {}
    naive: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for name in names or list(ROWS):
            sys.stderr.write(f"{name}\n")
            digests[name], naive[name] = bench.row(name, ROWS[name])
            sys.stderr.write(
                f"  {json.dumps({**digests[name], **naive[name]})}\n"
            )  # an interrupted table keeps its rows
    _print(digests, 8)
    sys.stdout.write("\n")
    _print(naive, 22)
    equal = all(found == next(iter(digests.values())) for found in digests.values())
    moves = any(found != next(iter(naive.values())) for found in naive.values())
    sys.stdout.write(
        f"\nthe project: {'all equal' if equal else 'UNEQUAL'}; naive: {'unequal' if moves else 'EQUAL'}\n"
    )
    return 0 if equal and moves else 1


def _print(rows: Mapping[str, Mapping[str, Any]], width: int) -> None:
    columns = list(next(iter(rows.values())))
    lines = [["compute", *columns], ["---"] * (len(columns) + 1)]
    lines += [[name, *(str(found[column])[:width] for column in columns)] for name, found in rows.items()]
    sys.stdout.writelines(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
