"""The jars of a cluster file: fetched once through Spark's own resolver, checked against the file's SHA-256.

`python -m repro_assets.resources.spark.jars NAME` is what `make setup` calls.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from repro_assets.errors import BadInput, DataDamaged, Outside
from repro_assets.pins.compute import Jar

_NOT_IN_A_PATH = ",#[]{}*?\\"


def jar_paths(jars: Sequence[Jar], folder: Path) -> list[Path]:
    """Paths of the jars, each checked.

    Raises:
        Outside: A jar has not been fetched.
        DataDamaged: A jar's bytes are not those of the cluster file.
    """
    return [_checked(jar, folder / jar.file_name) for jar in jars]


def as_setting(paths: Sequence[Path]) -> str:
    """Paths of jars as `spark.jars` takes them.

    Raises:
        BadInput: A path holds what Spark takes for the end of it, or for a pattern: executors would get such a jar and
            the driver's class path not, whether it is written as a path or as a URI.
    """
    for path in paths:
        if found := sorted(set(_NOT_IN_A_PATH) & set(str(path))):
            raise BadInput(
                "Spark can't load a jar from below a folder of this name",
                where=path.parent,
                stored=" ".join(found),
                expected=f"none of {' '.join(_NOT_IN_A_PATH)}",
                fix="Choose another folder by REPRO_VAR",
            )
    return ",".join(map(str, paths))


def fetch_missing(jars: Sequence[Jar], folder: Path) -> list[str]:
    """Fetch what is not in `folder` yet; returns the coordinates that were fetched."""
    missing = [jar for jar in jars if not (folder / jar.file_name).exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            _resolve(missing, Path(scratch))
            for jar in missing:
                fetched = Path(scratch) / "jars" / jar.file_name
                _checked(jar, fetched)
                os.replace(fetched, folder / jar.file_name)
            shutil.rmtree(scratch, ignore_errors=True)
    jar_paths(jars, folder)
    return [jar.coordinate for jar in missing]


def _checked(jar: Jar, path: Path) -> Path:
    if not path.exists():
        raise Outside("a jar of the cluster file is missing", where=path, fix="Run `make setup`")
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise Outside("a jar can't be read", where=path, stored=str(error), fix="Look at its permissions") from error
    if found != jar.sha256:
        raise DataDamaged(
            "a jar is not the one of the cluster file",
            where=path,
            stored=found,
            expected=jar.sha256,
            fix="Remove it and run `make setup`",
        )
    return path


def _resolve(jars: Sequence[Jar], scratch: Path) -> None:
    """Let Spark resolve each coordinate alone: what it would pull in besides is not needed."""
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.jars.ivy", str(scratch))
        .config("spark.sql.warehouse.dir", str(scratch / "warehouse"))
        .getOrCreate()
    )
    try:
        for jar in jars:
            session.sql(f"ADD JAR 'ivy://{jar.coordinate}?transitive=false'")
    except PySparkException as error:
        first_line = str(error).strip().splitlines()[0]
        raise Outside(
            "a jar can't be fetched",
            where=jar.coordinate,
            stored=first_line,
            fix="Check the network or Spark's ivySettings",
        ) from error
    finally:
        session.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the jars of the cluster files named on the command line."""
    from repro_assets import settings
    from repro_assets.resources.spark.spark_cluster import load_cluster

    here = settings.load()
    for name in arguments if arguments is not None else sys.argv[1:]:
        for coordinate in fetch_missing(load_cluster(name, here).jars, here.jars):
            sys.stderr.write(f"fetched {coordinate}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
