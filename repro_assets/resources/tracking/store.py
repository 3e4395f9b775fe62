"""The way to an MLflow store: connect within seconds, set up a fresh database once, and speak of failures in one line.

Everything that can go wrong between this project and MLflow becomes a `ReproError` here, in `speaking_of`.
No runs are made here (see `tracking_runs`), and importing this module imports no mlflow.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from repro_assets.errors import BadInput, Outside, ReproError, TrackingUnreachable
from repro_assets.settings import MLFLOW_PATIENCE, Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

# The first touch of a fresh database takes about four seconds of migrations; a busy machine some more.
_SET_UP_SECONDS = 120

# Loggers that narrate the creation of a database.
_NARRATORS = ("mlflow.store.db.utils", "alembic.runtime.migration")


def connect(uri: str) -> MlflowClient:
    """Open a client and prove that the store answers.

    Args:
        uri: Tracking URI; the registry is the same store.

    Returns:
        A client bound to `uri`, whatever the process-wide tracking URI is.

    Raises:
        TrackingUnreachable: No answer within 15 seconds.
        Outside: The database can't be read, or belongs to another MLflow version.
    """
    quiet_environment()
    with speaking_of(uri), warnings.catch_warnings():
        # Raised once per process, when MLflow's own tables are mapped; nothing here can be written differently.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=DeprecationWarning)
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return client


def quiet_environment() -> None:
    """Bind what MLflow reads when it is imported or first used: its patience, and that it reports to nobody.

    Nor does it draw a bar for each small document that is read back, or print a run's address on stdout, which would
    hold the server's password and stand in the middle of a JSON document.
    """
    bound = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    for name, value in {**MLFLOW_PATIENCE, **bound}.items():
        os.environ.setdefault(name, value)


def load_model_formats() -> None:
    """Import what every model flavor builds on; MLflow warns about its own classes while it does, to nobody's use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        import mlflow.pyfunc  # noqa: F401 - imported for its effect: later imports find it loaded


def initialise(settings: Settings, experiment: str) -> str:
    """Make sure that the store and the experiment exist; safe for any number of processes at once.

    Two processes that first touch a fresh sqlite database together can break it for good, so that database is only
    ever set up under a lock in `<var>/locks`.

    Args:
        settings: Names the store (`mlflow_tracking_uri`), the locks' and the artifacts' folder.
        experiment: The experiment's name.

    Returns:
        The experiment's id.

    Raises:
        TrackingUnreachable: The server does not answer.
        Outside: The store can't be set up or read.
        BadInput: An experiment of this name was deleted.
    """
    database = sqlite_file(settings.mlflow_tracking_uri)
    if database is None:
        return _experiment_id(connect(settings.mlflow_tracking_uri), settings.mlflow_tracking_uri, experiment, None)
    with locked(settings.var / "locks" / "mlflow.lock", _SET_UP_SECONDS), _silenced(_NARRATORS):
        _make_folder(database.parent, settings.mlflow_tracking_uri)
        client = connect(settings.mlflow_tracking_uri)
        artifacts = _artifact_root(settings, database).as_uri()
        return _experiment_id(client, settings.mlflow_tracking_uri, experiment, artifacts)


def redacted(uri: str) -> str:
    """The URI as it may stand in a message: without user, password and query values."""
    parts = urlsplit(uri)
    if parts.scheme == "sqlite" or not parts.netloc:
        return uri
    place = parts.netloc.rpartition("@")[2]
    netloc = f"***@{place}" if "@" in parts.netloc else place
    return urlunsplit((parts.scheme, netloc, parts.path, "***" if parts.query else "", ""))


def sqlite_file(uri: str) -> Path | None:
    """The database file of a sqlite URI, absolute; None for any other store."""
    match = re.match(r"sqlite:///(?:file:)?(?P<path>[^?]+)", uri)
    return Path(match["path"]).absolute() if match else None


@contextmanager
def speaking_of(uri: str) -> Iterator[None]:
    """Turn whatever MLflow, its database or its network raises into one line of this project's own."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ReproError:
        raise
    except (MlflowException, SQLAlchemyError, OSError) as error:
        # `from None`: MLflow's own messages repeat the URI with its password, and Dagster shows every cause.
        raise _translated(error, uri) from None


@contextmanager
def process_default(uri: str) -> Iterator[None]:
    """Point what MLflow asks of the process-wide store (`mlflow.get_run`, `models:/…`) at this one for a while."""
    import mlflow

    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None  # type: ignore[no-untyped-call] # mlflow's gap
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type] # None unsets it, which mlflow's annotation leaves out


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Hold a lock between processes.

    Raises:
        Outside: Another process held it for longer than `seconds`.
    """
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Outside(
            "the state can't be written", where=path.parent, stored=str(error), fix="Set REPRO_VAR"
        ) from error
    try:
        with FileLock(path, timeout=seconds):
            yield
    except Timeout:
        raise Outside(
            "another process holds the lock",
            where=path,
            stored=f"held for over {seconds:g} s",
            fix="Wait for that process, or end it",
        ) from None


def _translated(error: Exception, uri: str) -> ReproError:
    where, text = redacted(uri), str(error)
    reason = _reason(text, uri)
    if re.search(r"API request to|Max retries|Connection(Error| refused)|timed out", text):
        return TrackingUnreachable(
            "the MLflow store does not answer",
            where=where,
            stored=reason,
            fix="Start that server, or set MLFLOW_TRACKING_URI",
        )
    if "out-of-date database schema" in text or "Can't locate revision" in text:
        return Outside(
            "the MLflow database belongs to another MLflow version",
            where=where,
            stored=reason,
            fix="Use the MLflow that wrote it, or back it up and run `mlflow db upgrade`",
        )
    if re.search(r"readonly database|unable to open database|Permission denied|Read-only file system", text):
        return Outside(
            "the MLflow database can't be written",
            where=where,
            stored=reason,
            fix="Give this user the right to write it and its folder, or set MLFLOW_TRACKING_URI",
        )
    if "database is locked" in text:
        return Outside("the MLflow database is busy", where=where, stored=reason, fix="Try again in a moment")
    return Outside("MLflow refused", where=where, stored=reason)


def _reason(text: str, uri: str) -> str:
    """The first line, short, and without the user and password that MLflow's messages repeat."""
    line = text.strip().splitlines()[0] if text.strip() else "no reason given"
    line = re.sub(r"//[^/@\s]+@", "//***@", line.replace(uri, redacted(uri)))
    refused = re.search(r"Connection refused|Name or service not known|timed out|No route to host", line)
    return refused[0].lower() if refused else re.split(r"(?<=\))\. |; |\. Take ", line)[0][:300]


def _experiment_id(client: MlflowClient, uri: str, name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    with speaking_of(uri):
        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                return client.create_experiment(name, artifact_location=artifacts)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            # A server takes no lock of ours: another process created it in between.
            found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise BadInput(
            "the MLflow experiment was deleted",
            where=f"{name} in {redacted(uri)}",
            fix="Restore it (`mlflow experiments restore`)",
        )
    return found.experiment_id


def _artifact_root(settings: Settings, database: Path) -> Path:
    """Artifacts of a foreign sqlite store lie beside it, not in this installation's folder."""
    return settings.mlflow_artifacts if database.is_relative_to(settings.var) else database.parent / "artifacts"


def _make_folder(folder: Path, uri: str) -> None:
    with speaking_of(uri):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _silenced(names: tuple[str, ...]) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
