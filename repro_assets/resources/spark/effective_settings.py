"""Settings read back from where they take effect: SparkContext, session, Hadoop, the JVM's own arguments.

`spark.conf` repeats what was asked even when the SparkContext kept something else, so every place is asked.
What they are compared with is in `pins.compute`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from repro_assets.pins.compute import ClusterFile
from repro_assets.pins.standalone import JAVA_OPTIONS as EXECUTOR_OPTIONS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_HADOOP = "spark.hadoop."
_DEFAULTS_FILE = "-default.xml"
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"


def effective_settings(cluster: ClusterFile, session: SparkSession) -> dict[str, dict[str, str | None]]:
    """Read every declared setting back from where it takes effect."""
    context = session.sparkContext
    declared = {**cluster.settings(), **cluster.variables}
    configuration = dict(context.getConf().getAll())
    hadoop = context._jsc.hadoopConfiguration()
    runtime = context._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean()  # type: ignore[union-attr] # the context is open, so its JVM side is there
    # Spark puts options of its own before those of executors too; theirs are compared in `pins.standalone`.
    kept = [name for name in declared if name not in (_JAVA_OPTIONS, EXECUTOR_OPTIONS)]
    return {
        "SparkContext": {name: configuration.get(name) for name in kept},
        "session": {name: session.conf.get(name, None) for name in kept},
        "hadoop": {name: hadoop.get(name.removeprefix(_HADOOP)) for name in declared if name.startswith(_HADOOP)},
        "jvm": _jvm_settings(list(runtime.getInputArguments()), declared.get(_JAVA_OPTIONS, "")),
    }


def standing_settings(session: SparkSession, known: Collection[str] | None = None) -> dict[str, dict[str, str]]:
    """Every setting as it stands now, by place: what is compared with how it stood when the session opened.

    Hadoop reads a file of its defaults (`hdfs-default.xml`) when it first loads a class that needs it: what comes in by
    one changes nothing that was asked before.

    Args:
        session: The open session.
        known: Names that Hadoop's configuration held when the session opened; None then.
    """
    context: Any = session.sparkContext
    text = context._jvm.java.io.StringWriter()
    context._jvm.org.apache.hadoop.conf.Configuration.dumpConfiguration(context._jsc.hadoopConfiguration(), text)
    properties = [
        one
        for one in json.loads(text.toString())["properties"]
        if known is None or one["key"] in known or not one["resource"].endswith(_DEFAULTS_FILE)
    ]
    return {
        "SparkContext": dict(context.getConf().getAll()),
        "session": dict(session.conf.getAll),
        "hadoop": {one["key"]: one["value"] for one in properties},
    }


def other_than_default(session: SparkSession, kept: Collection[str] = ()) -> dict[str, str]:
    """Settings of context and session whose values are not Spark's defaults, and those of `kept`.

    A default is what Spark's own entry of the setting says; a setting that Spark has no entry of is kept.
    """
    context: Any = session.sparkContext
    settings = {**dict(context.getConf().getAll()), **session.conf.getAll}
    entries = context._jvm.org.apache.spark.internal.config.ConfigEntry

    def is_default(name: str, value: str) -> bool:
        entry = entries.findEntry(name)
        return entry is not None and entry.defaultValueString() == value

    return {name: value for name, value in settings.items() if name in kept or not is_default(name, value)}


def _jvm_settings(arguments: list[str], options: str) -> dict[str, str | None]:
    """What the JVM was really started with; Spark puts options of its own before the declared ones."""
    heap = [argument.removeprefix("-Xmx") for argument in arguments if argument.startswith("-Xmx")]
    present = " ".join(option for option in options.split() if option in arguments)
    return {"spark.driver.memory": heap[-1] if heap else None, _JAVA_OPTIONS: present}
