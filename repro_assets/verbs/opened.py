"""What a command opens before its verb runs: the instance, Spark on demand, another environment; and a line for people."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from repro_assets import settings as settings_module
from repro_assets.one_line import printable
from repro_assets.resources.dagster_home import open_instance
from repro_assets.resources.known_secrets import clean

if TYPE_CHECKING:
    import dagster as dg
    from pyspark.sql import SparkSession


def say(line: str) -> None:
    """One line for people, without a secret in it and without what steers a terminal."""
    sys.stderr.write(f"{printable(clean(line))}\n")


def in_environment(name: str, record: bool) -> None:
    """Go on in an environment of that name, where it is made and not the running one; `--record` means this one."""
    from repro_assets.verbs.other_environment import go_on_in

    if not record:
        go_on_in(name, sys.argv[1:], settings_module.load(), say)


def tidy_instance(here: settings_module.Settings) -> dg.DagsterInstance:
    """The instance, after what killed processes left open was closed."""
    from repro_assets.verbs.reap import reap

    instance = open_instance(here)
    for line in reap(instance, here):
        say(line)
    return instance


def spark_opener(here: settings_module.Settings) -> Callable[[], SparkSession]:
    """Opens the default cluster's session when it is first called, and the same one afterwards."""

    @functools.cache
    def open_spark() -> Any:
        from repro_assets.resources.spark.spark_cluster import open_session

        say("starting Spark")
        return open_session(settings=here)

    return open_spark
