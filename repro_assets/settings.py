"""Where state lives: every environment variable of the project and its default, in one place.

| variable | default | what |
| --- | --- | --- |
| `REPRO_VAR` | `var/` beside `pyproject.toml` | the folder of everything below |
| `REPRO_LAKE` | `$REPRO_VAR/lake` | URI of raw tables and outputs |
| `REPRO_RAW` | `$REPRO_LAKE` | URI of the lake whose raw tables are read, where it is another one |
| `REPRO_CAPSULES` | `$REPRO_VAR/capsules` | folder of code capsules |
| `MLFLOW_TRACKING_URI` | `sqlite:///$REPRO_VAR/mlflow/mlflow.db` | MLflow store or server |
| `DAGSTER_HOME` | `$REPRO_VAR/dagster` | Dagster's databases |
| `REPRO_ENVS` | `envs/` beside `pyproject.toml` | environment and cluster files |
| `REPRO_REAL_DATA` | none | real inputs for the tests |
| `MLFLOW_HTTP_REQUEST_MAX_RETRIES`, `MLFLOW_HTTP_REQUEST_TIMEOUT` | 1, 5 | a dead server fails within seconds |
| `MLFLOW_DISABLE_TELEMETRY` | true | MLflow reports to nobody |
| `MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR` | false | no bar for each document that is read |
| `MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT` | true | no address of a run, with the server's password, on stdout |
| `REPRO_MLFLOW_PAGE` | `http://127.0.0.1:5000` | where links from Dagster's page lead |
| `REPRO_ON_FAILURE` | none | `package.module:function`, called when a run fails |
| `REPRO_PROJECT` | the folder above the package | the source tree that is captured |
| `OMP_NUM_THREADS`, `OPENBLAS_NUM_THREADS`, `MKL_NUM_THREADS` | 1 | number kernels; bound when a process starts |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from repro_assets.errors import BadInput
from repro_assets.one_line import without_password
from repro_assets.pins.redaction import redact

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# Variables whose value is a place, a store or a page.
_LOCATIONS = (
    *("REPRO_PROJECT", "REPRO_VAR", "REPRO_LAKE", "REPRO_RAW", "REPRO_CAPSULES", "REPRO_ENVS", "REPRO_MLFLOW_PAGE"),
    *("DAGSTER_HOME", "MLFLOW_TRACKING_URI"),
)
_LONGEST_LOCATION = 2_000
_LONGEST_NAME = 255

LOCATION = f"printable characters on one line, at most {_LONGEST_LOCATION}, {_LONGEST_NAME} bytes between slashes"

DEFAULT_ENVIRONMENT = "ml-v1"
DEFAULT_CLUSTER = "local-v1"


@dataclass(frozen=True)
class Settings:
    """Absolute locations of one installation."""

    project: Path
    var: Path
    lake: str
    raw: str
    capsules: Path
    mlflow_tracking_uri: str
    dagster_home: Path
    envs: Path

    @property
    def jars(self) -> Path:
        """Folder of the cluster files' jars: downloads, so a state of its own shares those of the project."""
        own = self.var / "jars"
        return own if own.is_dir() else self.project / "var" / "jars"

    @property
    def mlflow_artifacts(self) -> Path:
        """Artifact root of a store that this installation owns."""
        return self.var / "mlflow" / "artifacts"

    def variables(self) -> dict[str, str]:
        """The environment that makes every other tool find the same state (the generated `.env`)."""
        return {
            "REPRO_VAR": str(self.var),
            "REPRO_LAKE": self.lake,
            **({"REPRO_RAW": self.raw} if self.raw != self.lake else {}),
            "REPRO_CAPSULES": str(self.capsules),
            "REPRO_ENVS": str(self.envs),
            "MLFLOW_TRACKING_URI": self.mlflow_tracking_uri,
            "DAGSTER_HOME": str(self.dagster_home),
            **kernel_variables(os.environ),
            **MLFLOW_PATIENCE,
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }


# A dead MLflow server must fail within 15 s; MLflow's own defaults wait four minutes.
MLFLOW_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


def kernel_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Thread variables as they stand, 1 where unset."""
    return {name: environ.get(name, "1") for name in THREAD_VARIABLES}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment; nothing is created.

    Raises:
        BadInput: A location holds what can't be printed, is longer than a path can be, or holds a password or a token.
    """
    values = os.environ if environ is None else environ
    for name in _LOCATIONS:
        _refuse_location(name, values.get(name) or "")
    project = Path(values.get("REPRO_PROJECT") or Path(__file__).resolve().parents[1]).absolute()
    var = Path(values.get("REPRO_VAR") or project / "var").absolute()
    lake = _as_uri(values.get("REPRO_LAKE") or str(var / "lake"))
    here = Settings(
        project=project,
        var=var,
        lake=lake,
        raw=_as_uri(values.get("REPRO_RAW") or lake),
        capsules=Path(values.get("REPRO_CAPSULES") or var / "capsules").absolute(),
        mlflow_tracking_uri=values.get("MLFLOW_TRACKING_URI") or f"sqlite:///{var / 'mlflow' / 'mlflow.db'}",
        dagster_home=Path(values.get("DAGSTER_HOME") or var / "dagster").absolute(),
        envs=Path(values.get("REPRO_ENVS") or project / "envs").absolute(),
    )
    _refuse_secrets({**values, **here.variables(), "REPRO_PROJECT": str(here.project)})
    return here


def can_be_a_location(text: str) -> bool:
    """Whether a text can be a path or an address: `LOCATION` says in words what is asked for."""
    longest = max(len(part.encode("utf-8", "surrogatepass")) for part in text.split("/"))
    return text.isprintable() and len(text) <= _LONGEST_LOCATION and longest <= _LONGEST_NAME


def _refuse_location(name: str, value: str) -> None:
    """A location goes into paths, `.env` and every manifest: it is one printable line and holds no secret.

    A tracking server's address is the exception: there is no other place for its password that every tool reads. It is
    written into `.env`, for its owner alone, and nowhere else.
    """
    if not can_be_a_location(value):
        raise BadInput("not a location", where=name, stored=ascii(value)[:80], expected=LOCATION)
    if value != without_password(value) and name != "MLFLOW_TRACKING_URI":
        raise BadInput(
            "a location holds a user or a password, and it would stand in every manifest",
            where=name,
            stored=without_password(value),
            fix="Leave them out: a store's own variables hold its credentials, e.g. AWS_ACCESS_KEY_ID",
        )


def _refuse_secrets(locations: Mapping[str, str]) -> None:
    """A folder may be called like a token, also the project's own, which no variable names."""
    for name in _LOCATIONS:
        # Without the scheme: behind one, a folder's `@` would be an address's user.
        value = (locations.get(name) or "").rpartition("://")[2]
        if name != "MLFLOW_TRACKING_URI" and value != redact(value):
            raise BadInput(
                "a location holds what looks like a secret, and it would stand in every manifest",
                where=name,
                stored=redact(value),
                fix="Rename the folder, or name another one",
            )


def _as_uri(location: str) -> str:
    if "://" in location:
        return location.rstrip("/")
    # Unquoted: fsspec, Spark and Delta all take a local path as it is, and none of them would decode `%20`.
    return f"file://{Path(location).absolute()}"
