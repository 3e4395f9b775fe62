"""The talk's example as a table: every output digest under every kind of compute, and a naive version beside it.

    .venv/bin/python benchmarks/compute_table.py [VARIANT…] [--family FAMILY]…

Each row is a `repro run` in processes and with a lake of its own, on the same raw rows: nothing is reused. A further
family of models is fitted on the row's own features. Standalone clusters are started and ended for their row.
After OPTIMIZE the raw tables are read at new versions, all of whose files are others and hold the rows in another order.
Exits 1 where a digest of the project differs between rows, or the naive version does not; or where a row that is to cut
the raw tables otherwise reads them in as many partitions as the first row did.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from repro_assets import settings as settings_module
from repro_assets.pins.tolerance import Variant
from repro_assets.pins.version_file import register
from repro_assets.resources.reproduction.probing import varied
from repro_assets.sample.generate import generate

REPRO = Path(sys.executable).parent / "repro"
LOCAL = "local-v1"
FITTED = ("model", "predictions")
# What the rows are clustered by when the raw tables are rewritten: neither is the order in which they were written.
_ORDERS = {"covid_cases": ["confirmed", "date"], "job_changes": ["training_hours", "city"]}


@dataclass(frozen=True)
class Row:
    """One kind of compute.

    Attributes:
        cluster: Cluster file that it starts from.
        settings: Spark settings in the place of the file's.
        optimized: Whether the raw tables are rewritten before.
        recut: Whether Spark reads the raw tables in more partitions.
    """

    cluster: str = LOCAL
    settings: Mapping[str, str] = field(default_factory=dict)
    optimized: bool = False
    recut: bool = False


ROWS: dict[str, Row] = {
    "local[2]": Row(),
    "local[1]": Row(settings={"spark.master": "local[1]", "spark.default.parallelism": "1"}),
    "three workers": Row("standalone-3x1-v1"),
    "two workers": Row("standalone-2x1-v1"),
    "maxPartitionBytes 8k": Row(settings={"spark.sql.files.maxPartitionBytes": "8192"}, recut=True),
    "seven shuffle partitions": Row(settings={"spark.sql.shuffle.partitions": "7", "spark.default.parallelism": "7"}),
    "after OPTIMIZE": Row(optimized=True),
}


@dataclass(frozen=True)
class Found:
    """What one row came to.

    Attributes:
        digests: Output digest by asset.
        naive: What the naive version finds.
        partitions: Into how many Spark cut each raw table when it read it.
        families: Output digest by family and asset, of further families.
    """

    digests: dict[str, str]
    naive: dict[str, Any]
    partitions: dict[str, int]
    families: dict[str, str]


class Bench:
    """A source of raw rows, and a fresh installation per row that reads them."""

    def __init__(self, folder: Path, families: Sequence[str] = ()) -> None:
        self.folder, self.families = folder, families
        self.source = self._fresh("source")
        feed = generate(folder / "feed", versions=2)
        for table, files in (("covid_cases", feed.covid_files), ("job_changes", feed.job_files)):
            self._repro(self.source, {}, "ingest", table, *map(str, files))

    def row(self, name: str, row: Row) -> Found:
        """Compute a row from nothing."""
        var = self._fresh(re.sub(r"\W+", "-", name).strip("-"))  # Spark takes brackets in a path for a pattern
        raw, cluster = self.source / "lake", row.cluster
        environ = {"REPRO_RAW": str(raw)}
        if row.settings:
            cluster, environ["REPRO_ENVS"] = self._varied(var, row)
        if row.optimized:
            raw = optimized(raw, var / "raw-lake")
            environ["REPRO_RAW"] = str(raw)
        standalone = cluster.startswith("standalone")
        if standalone:
            self._repro(var, environ, "cluster", "up", cluster)
        try:
            command = ("run", self._key(var, environ, optimized=row.optimized), "--cluster", cluster)
            digests = self._computed(var, environ, command)
            beside = self._naive(var, environ, cluster, raw)
            families = {
                f"{family} {asset}": digest
                for family in self.families
                for asset, digest in self._computed(
                    var, environ, (*command, "--set", f"model.family={family}"), FITTED
                ).items()
            }
        finally:
            if standalone:
                self._repro(var, environ, "cluster", "down", cluster)
        return Found(digests, beside["result"], beside["partitions"], families)

    def _computed(
        self, var: Path, environ: Mapping[str, str], command: Sequence[str], wanted: Sequence[str] = ()
    ) -> dict[str, str]:
        """Output digests of a run by asset, all or the wanted ones; every one of them was computed."""
        (run,) = json.loads(self._repro(var, environ, *command, "--json"))["runs"]
        assets = {asset: found for asset, found in run["assets"].items() if asset in (wanted or run["assets"])}
        reused = [asset for asset, found in assets.items() if found["state"] != "computed"]
        if reused:
            raise SystemExit(f"{' '.join(command)}: {', '.join(reused)} reused")
        return {asset: found["output_digest"] for asset, found in assets.items()}

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

    def _key(self, var: Path, environ: Mapping[str, str], *, optimized: bool) -> str:
        if not optimized:
            return str(json.loads(self._repro(var, environ, "versions", "--json"))["versions"][-1]["key"])
        from deltalake import DeltaTable

        tables = sorted((Path(environ["REPRO_RAW"]) / "raw").iterdir())
        pins = [f"{table.name}@{DeltaTable(str(table)).version()}" for table in tables]
        return str(json.loads(self._repro(var, environ, "pin", *pins, "--json"))["key"])

    def _naive(self, var: Path, environ: Mapping[str, str], cluster: str, raw: Path) -> dict[str, Any]:
        command = [sys.executable, "-m", "repro_assets_tests.naive_steps", cluster, str(raw / "raw")]
        return json.loads(_output(command, var, environ))

    def _repro(self, var: Path, environ: Mapping[str, str], *arguments: str) -> str:
        return _output([str(REPRO), *arguments], var, environ)


def optimized(raw: Path, copy: Path) -> Path:
    """A copy of the raw tables whose newest version holds the same rows in other files, in another order.

    Raises:
        SystemExit: A file is still the one that it was.
    """
    from deltalake import DeltaTable

    shutil.copytree(raw / "raw", copy / "raw")
    for path in sorted((copy / "raw").iterdir()):
        before = set(DeltaTable(str(path)).file_uris())
        done = DeltaTable(str(path)).optimize.z_order(_ORDERS[path.name])
        kept = before & set(DeltaTable(str(path)).file_uris())
        if kept or not done["numFilesRemoved"]:
            raise SystemExit(f"{path.name}: OPTIMIZE rewrote {done['numFilesRemoved']} of {len(before)} files")
        sys.stderr.write(f"  {path.name}: {len(before)} files rewritten as {done['numFilesAdded']}\n")
    return copy


def _output(command: list[str], var: Path, environ: Mapping[str, str]) -> str:
    """What a command that has to succeed printed."""
    wanted = {**os.environ, **settings_module.kernel_variables({}), "REPRO_VAR": str(var), **environ}
    done = subprocess.run(command, env=wanted, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout


def main(arguments: list[str]) -> int:
    """Compute the rows, print them as Markdown, and compare them."""
    parser = argparse.ArgumentParser(description="Every output digest under every kind of compute.")
    parser.add_argument("variants", metavar="VARIANT", nargs="*", help=", ".join(ROWS))
    parser.add_argument("--family", metavar="FAMILY", action="append", default=[], help="Of models; also fitted.")
    asked = parser.parse_args(arguments)
    found: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), asked.family)
        for name in asked.variants or list(ROWS):
            sys.stderr.write(f"{name}\n")
            found[name] = bench.row(name, ROWS[name])
            # An interrupted table keeps its rows.
            sys.stderr.write(f"  {json.dumps(asdict(found[name]))}\n")
    tables = {"the project": {name: row.digests for name, row in found.items()}}
    tables |= {"further families": {name: row.families for name, row in found.items()}} if asked.family else {}
    naive = {name: row.naive for name, row in found.items()}
    for table in tables.values():
        _print(table, 8)
    _print(naive, 22)
    _print({name: row.partitions for name, row in found.items()}, 22)
    uncut = [name for name, row in found.items() if ROWS[name].recut and not _is_cut_finer(row, found)]
    for name in uncut:
        sys.stdout.write(f"{name}: reads the raw tables in as many partitions as the others\n")
    for title, table in tables.items():
        sys.stdout.write(f"{title}: {'all equal' if _equal(table) else 'UNEQUAL'}\n")
    sys.stdout.write(f"naive: {'EQUAL' if _equal(naive) else 'unequal'}\n")
    return 0 if all(map(_equal, tables.values())) and not _equal(naive) and not uncut else 1


def _is_cut_finer(row: Found, found: Mapping[str, Found]) -> bool:
    """Whether both raw tables were read in more partitions than in any row that does not ask for it."""
    others = [other.partitions for name, other in found.items() if not ROWS[name].recut]
    return all(count > other[table] for other in others for table, count in row.partitions.items())


def _equal(rows: Mapping[str, Mapping[str, Any]]) -> bool:
    return all(row == next(iter(rows.values())) for row in rows.values())


def _print(rows: Mapping[str, Mapping[str, Any]], width: int) -> None:
    columns = list(next(iter(rows.values())))
    lines = [["compute", *columns], ["---"] * (len(columns) + 1)]
    lines += [[name, *(str(found[column])[:width] for column in columns)] for name, found in rows.items()]
    sys.stdout.writelines(f"| {' | '.join(line)} |\n" for line in lines)
    sys.stdout.write("\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
