"""The compute pin: a versioned cluster file in Databricks' cluster JSON, and what was really used beside it.

The `repro` section is ours: `master`, `driver_memory`, `jars` with their digests; `master` alone where it is `databricks`.
Source of the other fields: Databricks REST API, clusters/create. The vendor's own types check them in
`resources.cluster_check`; what a standalone cluster needs besides is in `pins.standalone`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from repro_assets.errors import BadInput, ClusterMismatch
from repro_assets.pins.cluster_rules import plain_text, read_settings, read_variables, refuse_secrets
from repro_assets.pins.redaction import redact_settings

_OWN_SECTION = "repro"
_OWN_FIELDS = {"master", "driver_memory", "jars"}
_OWN_FIELDS_ON_DATABRICKS = {"master"}
_OWN_SETTINGS = {"spark.master", "spark.driver.memory"}
# Nothing is computed by these: Delta notes which version it has committed last, and `builder.appName(…)`, as every
# example of a step has it, gives the session that is there another title.
_COMPUTE_NOTHING = {"spark.databricks.delta.lastCommitVersionInSession", "spark.app.name"}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

LOCAL, STANDALONE, DATABRICKS = "local", "standalone", "databricks"
_KINDS = {
    LOCAL: re.compile(r"local(\[(\d+|\*)\])?"),
    # Loopback alone: `repro cluster up` starts it on this host. Port 0: a free one is chosen then.
    STANDALONE: re.compile(r"spark://127\.0\.0\.1:\d{1,5}"),
    DATABRICKS: re.compile(r"databricks"),
}


@dataclass(frozen=True)
class Jar:
    """A jar of the cluster file: Maven coordinate `group:artifact:version` and SHA-256 of its bytes."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name under which Spark's resolver stores it: `group_artifact-version.jar`."""
        group, artifact, version = self.coordinate.split(":")
        return f"{group}_{artifact}-{version}.jar"


@dataclass(frozen=True)
class ClusterFile:
    """A parsed cluster file.

    Attributes:
        name: The file's name without `.json`.
        sha256: Of the file's bytes: the pin, and part of identities.
        text: The file as it stands, for the artifact.
        spark_version: Version that the running Spark must have.
        spark_conf: Settings as declared; those that name a variable are not among them.
        spark_env_vars: Variables that must be set when the process starts.
        master: Spark master URL; of a standalone cluster with port 0, until `at` names the real one.
        driver_memory: Heap of the driver, e.g. `2g`; becomes the JVM's `-Xmx`. Empty on Databricks.
        jars: Jars beside Spark's own.
        num_workers: Workers beside the driver; 0 where the driver computes itself.
        variables: Name of an environment variable per setting that is read from one (`{"env": "NAME"}`).
    """

    name: str
    sha256: str
    text: str
    spark_version: str
    spark_conf: Mapping[str, str]
    spark_env_vars: Mapping[str, str]
    master: str
    driver_memory: str
    jars: tuple[Jar, ...]
    num_workers: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """`local`, `standalone` or `databricks`."""
        return next(kind for kind, master in _KINDS.items() if master.fullmatch(self.master))

    def settings(self) -> dict[str, str]:
        """All Spark settings that the file declares, the `repro` section included; none that a variable holds."""
        own = {"spark.master": self.master, "spark.driver.memory": self.driver_memory}
        return {**self.spark_conf, **{name: value for name, value in own.items() if value}}

    def resolved(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The settings that variables hold; asked for as late as can be, and never written down.

        Raises:
            ClusterMismatch: A variable is not set.
        """
        missing = sorted({name for name in self.variables.values() if not environ.get(name)})
        if missing:
            wanted = ", ".join(setting for setting, name in sorted(self.variables.items()) if name in missing)
            raise ClusterMismatch(
                f"cluster {self.name} reads {wanted} from the environment",
                where=f"envs/clusters/{self.name}.json",
                stored=f"{', '.join(missing)} not set",
                fix="Set it where the command, or Dagster, is started",
            )
        return {setting: environ[name] for setting, name in self.variables.items()}

    def at(self, master: str) -> ClusterFile:
        """The same cluster where it can be reached now; its digest stays that of the file."""
        return replace(self, master=master)


def check_name(name: str, kind: str) -> str:
    """Return `name` if it can be a file's name under `envs/`.

    Raises:
        BadInput: It holds anything but lower-case letters, digits and dashes.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadInput(f"not a {kind} name", stored=repr(name)[:80], expected="[a-z0-9-], at most 63 characters")
    return name


def parse_cluster(name: str, text: str) -> ClusterFile:
    """Read a cluster file.

    Raises:
        BadInput: It is not JSON, or a field is missing, unknown in the `repro` section or of another type.
    """
    where = f"envs/clusters/{name}.json"
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput("a cluster file is not JSON", where=where, stored=str(error)) from error
    refuse_secrets(text, where)
    own = _section(document, _OWN_SECTION, where)
    expected = _OWN_FIELDS_ON_DATABRICKS if own.get("master") == DATABRICKS else _OWN_FIELDS
    if set(own) != expected:
        raise BadInput(
            "a cluster file's `repro` section has other fields",
            where=where,
            stored=sorted(own),
            expected=sorted(expected),
        )
    twice = sorted(_OWN_SETTINGS & set(_section(document, "spark_conf", where)))
    if twice:
        raise BadInput(
            "a cluster file says a setting twice",
            where=where,
            stored=f"spark_conf {', '.join(twice)}",
            fix="Leave it to `master` and `driver_memory` of the `repro` section",
        )
    spark_conf, variables = read_settings(_section(document, "spark_conf", where), where, text)
    return ClusterFile(
        name=name,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
        spark_version=_text(document, "spark_version", where),
        spark_conf=spark_conf,
        spark_env_vars=_variables(document, where, text),
        master=_master(own, where),
        driver_memory=_text(own, "driver_memory", where) if "driver_memory" in own else "",
        jars=_jars(own.get("jars", []), where),
        num_workers=_number(document.get("num_workers", 0), "num_workers", where),
        variables=variables,
    )


def require_effective(
    cluster: ClusterFile,
    effective: Mapping[str, Mapping[str, str | None]],
    resolved: Mapping[str, str] | None = None,
) -> None:
    """Compare what the file declares with what was read back, from every place it was read.

    Args:
        cluster: The declared side.
        effective: Place it was read (`SparkContext`, `session`, `hadoop`, `jvm`) → setting → value.
        resolved: Settings that variables hold, as they were asked for; compared, and never named in a message.

    Raises:
        ClusterMismatch: All settings that differ, in one line.
    """
    hidden = resolved or {}
    declared = {**cluster.settings(), **hidden}
    wrong = [
        f"{setting} is not what {cluster.variables[setting]} holds in {place}"
        if setting in hidden
        else f"{setting} is {value!r} in {place}, declared {declared[setting]!r}"
        for place, settings in sorted(effective.items())
        for setting, value in sorted(settings.items())
        if setting in declared and value != declared[setting]
    ]
    if wrong:
        raise ClusterMismatch(
            f"cluster {cluster.name} is not what its file says",
            stored="; ".join(wrong),
            fix="Start a fresh process: one process holds one Spark cluster",
        )


def require_files(cluster: ClusterFile, loaded: Mapping[str, str | None]) -> None:
    """Compare the jars, files and archives that a session really has with the jars of its file.

    Args:
        cluster: The declared side.
        loaded: SHA-256 by file name; None of what somebody added.

    Raises:
        ClusterMismatch: Names all that is missing, another one, or not the file's.
    """
    declared = {jar.file_name: jar.sha256 for jar in cluster.jars}
    wrong = [
        *(f"{name} is missing" for name in sorted(declared.keys() - loaded.keys())),
        *(f"{name} was added" for name in sorted(loaded.keys() - declared.keys())),
        *(f"{name} is another one" for name in sorted(declared.keys() & loaded) if loaded[name] != declared[name]),
    ]
    if wrong:
        raise ClusterMismatch(
            f"the session of cluster {cluster.name} has other jars or files than its file names",
            stored="; ".join(wrong),
            fix="Start a fresh process; a jar belongs into `jars` of a cluster file, Python into the source tree",
        )


def require_unchanged(
    cluster: ClusterFile, opened: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]
) -> None:
    """Compare all settings of a session, declared or not, with how they stood when it opened.

    A setting that the file leaves to Spark determines a result, too, and one that a step leaves behind stands for the
    next data version of a warm process.

    Args:
        cluster: The session's.
        opened: Place → setting → value, when it opened.
        now: The same, now.

    Raises:
        ClusterMismatch: Every setting that was added, changed or unset, with both values, in one line.
    """
    hidden = {name.removeprefix(prefix) for name in cluster.variables for prefix in ("", "spark.hadoop.")}
    wrong = [
        _change(setting, place, opened[place].get(setting), settings.get(setting), hidden=setting in hidden)
        for place, settings in sorted(now.items())
        for setting in sorted({*settings, *opened[place]} - _COMPUTE_NOTHING)
        if settings.get(setting) != opened[place].get(setting)
    ]
    if wrong:
        raise ClusterMismatch(
            f"settings of cluster {cluster.name} were changed since its session opened",
            stored="; ".join(wrong),
            fix="Leave them to the cluster file, and start a fresh process: these stand for all that it computes next",
        )


def require_variables(cluster: ClusterFile, environ: Mapping[str, str]) -> None:
    """Check the variables that bind at process start.

    Raises:
        ClusterMismatch: One is unset or other, with the command that sets it.
    """
    wrong = {name: value for name, value in cluster.spark_env_vars.items() if environ.get(name) != value}
    if wrong:
        command = " ".join(f"{name}={value}" for name, value in sorted(wrong.items()))
        raise ClusterMismatch(
            f"cluster {cluster.name} needs other variables, and they bind when a process starts",
            stored={name: environ.get(name) for name in sorted(wrong)},
            expected=dict(sorted(wrong.items())),
            fix=f"Run `env {command} repro …`, or set it where Dagster is started (`.env`)",
        )


def _change(setting: str, place: str, before: str | None, now: str | None, *, hidden: bool) -> str:
    """What became of a setting; of a secret only that it is another one."""
    values = {value for value in (before, now) if value is not None}
    if hidden or any(redact_settings({setting: value}) != {setting: value} for value in values):
        return f"{setting} is another one in {place} than it was"
    shown = ["not set" if value is None else repr(value) for value in (now, before)]
    return f"{setting} is {shown[0]} in {place}, was {shown[1]}"


def _section(document: Any, field: str, where: str) -> dict[str, Any]:
    value = document.get(field) if isinstance(document, dict) else None
    if not isinstance(value, dict):
        raise BadInput(f"a cluster file needs the object `{field}`", where=where, stored=type(value).__name__)
    return value


def _master(own: Mapping[str, Any], where: str) -> str:
    master = _text(own, "master", where)
    if not any(pattern.fullmatch(master) for pattern in _KINDS.values()):
        raise BadInput(
            "a cluster file's `master` is none that this project can start or reach",
            where=where,
            stored=master,
            expected="local[N], spark://127.0.0.1:0 or databricks",
        )
    return master


def _number(value: Any, field: str, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadInput(f"a cluster file's `{field}` must be a number", where=where, stored=repr(value))
    return value


def _text(document: Mapping[str, Any], field: str, where: str) -> str:
    return plain_text(document.get(field), field, where)


def _variables(document: Mapping[str, Any], where: str, text: str) -> dict[str, str]:
    values = document.get("spark_env_vars", {})
    if not isinstance(values, dict):
        raise BadInput("a cluster file's `spark_env_vars` must be an object", where=where, stored=type(values).__name__)
    return read_variables(values, where, text)


def _jars(values: Any, where: str) -> tuple[Jar, ...]:
    if not isinstance(values, list):
        raise BadInput("a cluster file's `jars` must be a list", where=where, stored=type(values).__name__)
    return tuple(_jar(value, where) for value in values)


def _jar(value: Any, where: str) -> Jar:
    if not isinstance(value, dict) or set(value) != {"coordinate", "sha256"}:
        raise BadInput("a jar needs exactly `coordinate` and `sha256`", where=where, stored=repr(value))
    coordinate, sha256 = _text(value, "coordinate", where), _text(value, "sha256", where)
    if not re.fullmatch(r"[\w.-]+:[\w.-]+:[\w.-]+", coordinate, re.ASCII) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise BadInput("not a jar coordinate with its SHA-256", where=where, stored=repr(value))
    return Jar(coordinate, sha256)
