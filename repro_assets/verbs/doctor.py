"""`repro doctor`: what is wrong with this installation, each with what to do about it; changes nothing."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from repro_assets.errors import DataDamaged, Outside, ReproError
from repro_assets.experiment import EXPERIMENT
from repro_assets.feeds.delta_commit import PERSONS_PROPERTIES
from repro_assets.pins.compute import parse_cluster
from repro_assets.pins.preflight import RETENTION_PROPERTIES, retention
from repro_assets.pins.version_file import read_digests, verify_file
from repro_assets.resources import storage
from repro_assets.resources.raw.raw_version import table_properties
from repro_assets.settings import DEFAULT_CLUSTER, DEFAULT_ENVIRONMENT, Settings

if TYPE_CHECKING:
    from repro_assets.resources.raw.raw_tables import RawTables

SCHEMA = "repro-doctor/1"
# A run writes some MB; Spark's shuffles and an environment need the rest.
_ROOM = 2 * 1000**3
_KEPT_FOR = "interval 3650 days"
_KEPT_LONG = timedelta(days=3650)
_LONG_OPEN = timedelta(hours=24)
_JAVA = (17, 21)


class Unwell(ReproError):
    """Something is wrong with this installation."""

    exit_code = 1


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong.

    Attributes:
        what: The sentence.
        fix: What to do.
    """

    what: str
    fix: str


@dataclass(frozen=True)
class Diagnosis:
    """One check: its name and what it found; nothing found is well."""

    name: str
    complaints: tuple[Complaint, ...]


Check = Callable[[Settings, "RawTables"], Iterator[Complaint]]


def examine(settings: Settings, raw_tables: RawTables, checks: dict[str, Check] | None = None) -> list[Diagnosis]:
    """Look at everything; what stops one check does not stop the others.

    Args:
        settings: Of this installation.
        raw_tables: As they stand now.
        checks: By name; all there are by default.
    """
    found = []
    for name, check in (CHECKS if checks is None else checks).items():
        complaints: list[Complaint] = []
        try:
            complaints.extend(check(settings, raw_tables))
        except ReproError as error:
            complaints.append(Complaint(str(error), error.fix or "See the message"))
        found.append(Diagnosis(name, tuple(complaints)))
    return found


def document(found: Sequence[Diagnosis]) -> dict[str, Any]:
    """The `doctor` document."""
    checks = [
        {"name": one.name, "ok": not one.complaints, "wrong": [asdict(c) for c in one.complaints]} for one in found
    ]
    return {"schema": SCHEMA, "ok": all(check["ok"] for check in checks), "checks": checks}


def require_well(found: Sequence[Diagnosis]) -> None:
    """Turn complaints into an exit code, after everything was printed.

    Raises:
        Unwell: There is one.
    """
    wrong = [one.name for one in found if one.complaints]
    if wrong:
        raise Unwell("something is wrong with this installation", stored=", ".join(wrong), fix="All is listed above")


def retention_statement(uri: str, wanting: Sequence[str]) -> str:
    """The statement that makes a raw table keep its versions for ten years.

    Args:
        uri: Of the table.
        wanting: Properties that are to be set; what is longer than that stays as it is.
    """
    return _statement(uri, dict.fromkeys(wanting, _KEPT_FOR))


def _statement(uri: str, wanted: Mapping[str, str]) -> str:
    properties = ", ".join(f"'{name}' = '{value}'" for name, value in wanted.items())
    path = uri.removeprefix("file://").replace("`", "``")
    return f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ({properties});"


def _java(*_: object) -> Iterator[Complaint]:
    from repro_assets.resources.environments.conda_env import java_major

    found = java_major()
    if not _JAVA[0] <= found <= _JAVA[1]:
        yield Complaint(f"Java {found} is not one that Spark was tried with", f"Install Java {_JAVA[0]}, set JAVA_HOME")


def _jars(settings: Settings, _: object) -> Iterator[Complaint]:
    from repro_assets.resources.spark.jars import jar_paths

    path = settings.envs / "clusters" / f"{DEFAULT_CLUSTER}.json"
    for jar in parse_cluster(DEFAULT_CLUSTER, path.read_text()).jars if path.exists() else ():
        try:
            jar_paths([jar], settings.jars)
        except (DataDamaged, Outside) as error:
            yield Complaint(str(error), error.fix or "Run `make setup`")


def _envs(settings: Settings, _: object) -> Iterator[Complaint]:
    known = read_digests(settings.envs)
    if not any(name.startswith(f"conda/{DEFAULT_ENVIRONMENT}.") for name in known):
        yield Complaint(f"no environment {DEFAULT_ENVIRONMENT} at {settings.envs}", "Set REPRO_ENVS, or restore envs/")
    for name in known:
        if not (settings.envs / name).is_file():
            yield Complaint(f"{settings.envs / name} is gone", "Restore it: results refer to it")
            continue
        try:
            verify_file(settings.envs / name)
        except ReproError as error:
            yield Complaint(str(error), error.fix or "Restore it")


def _dotenv(settings: Settings, _: object) -> Iterator[Complaint]:
    if not (settings.project / "pyproject.toml").exists():
        return  # installed from a wheel: whoever starts it sets the variables
    path = settings.project / ".env"
    if not path.exists():
        yield Complaint(f"{path} is missing: Dagster's own tools find another history", "Run `make setup`")


def _state(settings: Settings, raw_tables: RawTables) -> Iterator[Complaint]:
    for lake in dict.fromkeys((settings.lake, raw_tables.records)):
        probe = storage.join(lake, "_doctor", uuid.uuid4().hex)
        storage.write_bytes(probe, b"")
        storage.remove(storage.join(lake, "_doctor"))
    for folder in (settings.var, settings.capsules):
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(there).free
        if free < _ROOM:
            yield Complaint(f"{free / 1000**3:.1f} GB are free at {folder}", "`repro gc` and `repro vacuum` make room")


def _databases(settings: Settings, _: object) -> Iterator[Complaint]:
    from repro_assets.resources.dagster_home import open_instance
    from repro_assets.resources.tracking.store import connect, sqlite_file

    open_instance(settings).dispose()
    database = sqlite_file(settings.mlflow_tracking_uri)
    if database is None or database.exists():
        connect(settings.mlflow_tracking_uri)  # another schema, or no answer, is an error of its own
    yield from ()


def _runs(settings: Settings, _: object) -> Iterator[Complaint]:
    """Runs that no reaper closes: nothing says on which host and in which process they were."""
    from repro_assets.resources.dagster_home import open_instance
    from repro_assets.resources.keeping.unfinished_runs import unfinished_dagster, unfinished_mlflow

    before = datetime.now(UTC) - _LONG_OPEN
    instance = open_instance(settings)
    try:
        found = [*unfinished_dagster(instance, before), *unfinished_mlflow(settings, EXPERIMENT.name, before)]
    finally:
        instance.dispose()
    for name, fix in found:
        yield Complaint(f"{name} has been open for more than a day, and its process is not known here", fix)


def _raw_tables(_: object, raw_tables: RawTables) -> Iterator[Complaint]:
    for table in EXPERIMENT.table_names:
        if not raw_tables.versions(table):
            continue
        uri = raw_tables.uri(table)
        properties = table_properties(uri, table)
        wanting = [name for name in RETENTION_PROPERTIES if _kept_for(name, properties) < _KEPT_LONG]
        if not wanting:
            continue
        missing = [name for name in wanting if name not in properties]
        said = (
            f"{table} keeps old versions for Delta's default time only: {', '.join(missing)} not set"
            if missing
            else f"{table} keeps old versions for less than {_KEPT_LONG.days} days: "
            + ", ".join(f"{name} is {properties[name]!r}" for name in wanting)
        )
        yield Complaint(said, retention_statement(uri, wanting))


def _persons(_: object, raw_tables: RawTables) -> Iterator[Complaint]:
    """Of the table of persons: smallest and largest ids in the log outlive whoever is forgotten."""
    table = EXPERIMENT.split_table.name
    if not raw_tables.versions(table):
        return
    uri = raw_tables.uri(table)
    properties = table_properties(uri, table)
    wanting = {name: value for name, value in PERSONS_PROPERTIES.items() if properties.get(name) != value}
    if wanting:
        said = ", ".join(f"{name} is {properties.get(name, 'not set')}" for name in wanting)
        yield Complaint(
            f"the log of {table} keeps the smallest and the largest id of each file, whoever is forgotten: {said}",
            _statement(uri, wanting),
        )


def _kept_for(name: str, properties: Mapping[str, str]) -> timedelta:
    kept = retention({one: value for one, value in properties.items() if one == name})
    return {RETENTION_PROPERTIES[0]: kept.log, RETENTION_PROPERTIES[1]: kept.deleted_files}[name]


CHECKS: dict[str, Check] = {
    "Java": _java,
    "jars": _jars,
    "envs": _envs,
    ".env": _dotenv,
    "state": _state,
    "databases": _databases,
    "runs": _runs,
    "raw tables": _raw_tables,
    "persons": _persons,
}
