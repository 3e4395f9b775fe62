"""What is written down of a standalone cluster while it is up: its processes, its addresses, its secret.

Below `var/clusters/NAME`, a folder for its owner only:

| file | holds |
| --- | --- |
| `state.json` | the cluster file's digest, the master's address and page, every process with its start time |
| `daemons.conf` | the settings of master and workers, the secret among them (mode 600) |
| `client.conf` | the secret alone, for whoever joins (mode 600); read by Spark's launcher, so it is on no command line |
| `*.log`, `work/`, `local/` | what the processes write |

Here belong these files and the questions about them; processes are started and ended in `resources.standalone_cluster`.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from repro_assets.errors import BadInput, ClusterUnavailable
from repro_assets.pins.compute import ClusterFile
from repro_assets.pins.standalone import settings_of_daemons
from repro_assets.resources.process_owner import is_alive
from repro_assets.settings import Settings

SECRET_SETTING = "spark.authenticate.secret"  # noqa: S105 - the setting's name
MASTER = "master"

_STATE, _DAEMONS, _CLIENT = "state.json", "daemons.conf", "client.conf"
_SECRET_BYTES = 32
# The submission port is open to everybody even with authentication; stopping work from a page is nobody's need.
_ONLY_DAEMONS = {
    "spark.master.rest.enabled": "false",
    "spark.ui.killEnabled": "false",
    "spark.worker.cleanup.enabled": "true",
    "spark.worker.cleanup.interval": "600",
    "spark.worker.cleanup.appDataTtl": "3600",
}


@dataclass(frozen=True)
class ClusterState:
    """A standalone cluster as it was started.

    Attributes:
        name: Of its file.
        cluster_sha256: Digest of its file.
        spark_version: Of the package its processes run.
        java: Major version of the Java its processes run on.
        processes: `master`, `worker-1`, … → `host`, `pid`, `started`; only those that were started so far.
        master: Its URL; None until it said so.
        page: URL of the master's page on loopback; None until it said so.
        secret_sha256: Digest of the secret that its processes know.
        started: When it was started, seconds since the epoch.
        complete: Whether all workers had registered.
    """

    name: str
    cluster_sha256: str
    spark_version: str
    java: int
    processes: Mapping[str, Mapping[str, Any]]
    secret_sha256: str
    started: float
    master: str | None = None
    page: str | None = None
    complete: bool = False

    @property
    def alive(self) -> tuple[str, ...]:
        """Names of the processes that still run."""
        return tuple(name for name, owner in self.processes.items() if is_alive(owner))


def folder_of(name: str, settings: Settings) -> Path:
    """Where a cluster's files are while it is up."""
    return settings.var / "clusters" / name


def read_state(folder: Path) -> ClusterState | None:
    """The cluster that was started last; None where none was, or where what is there can't be read."""
    try:
        return ClusterState(**json.loads((folder / _STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_state(folder: Path, state: ClusterState) -> None:
    """Write the state whole or not at all."""
    _write_private(folder / f"{_STATE}.partial", json.dumps(asdict(state), indent=1))
    (folder / f"{_STATE}.partial").replace(folder / _STATE)


def make_folder(folder: Path, cluster: ClusterFile) -> str:
    """Make the folder with a new secret and the settings of the processes; returns the secret's digest."""
    folder.mkdir(parents=True, mode=0o700)
    secret = secrets.token_hex(_SECRET_BYTES)
    settings = {**settings_of_daemons(cluster), **_ONLY_DAEMONS}
    lines = [f"{name} {value}\n" for name, value in sorted(settings.items())]
    _write_private(folder / _DAEMONS, "".join([*lines, f"{SECRET_SETTING} {secret}\n"]))
    _write_private(folder / _CLIENT, f"{SECRET_SETTING} {secret}\n")
    return hashlib.sha256(secret.encode()).hexdigest()


def daemon_settings(folder: Path) -> Path:
    """The settings file of master and workers; its path is on their command lines and names the cluster they are of."""
    return folder / _DAEMONS


def scratch(folder: Path) -> Path:
    """Where master, workers and executors keep their scratch files; in the environment of each of them."""
    return folder / "local"


def client_settings(folder: Path, state: ClusterState) -> Path:
    """The settings file of whoever joins, its secret proved to be the cluster's.

    Spark asks a master whose secret it does not know for a minute before it gives up: this is known at once.

    Raises:
        BadInput: Others may read it.
        ClusterUnavailable: It is missing, or holds another secret than the cluster was started with.
    """
    path = folder / _CLIENT
    fix = f"Run `repro cluster down {state.name}` and `repro cluster up {state.name}`: that makes a new one"
    try:
        mode, text = stat.S_IMODE(path.stat().st_mode), path.read_text(encoding="utf-8")
    except OSError as error:
        raise ClusterUnavailable(
            "a cluster's secret can't be read", where=path, stored=error.strerror, fix=fix
        ) from error
    if mode & 0o077:
        raise BadInput(
            "others may read a cluster's secret", where=path, stored=f"mode {mode:o}", expected="600", fix=fix
        )
    found = hashlib.sha256(text.removeprefix(f"{SECRET_SETTING} ").strip().encode()).hexdigest()
    if found != state.secret_sha256:
        raise ClusterUnavailable(
            f"the secret of cluster {state.name} is not the one it was started with",
            where=path,
            fix=fix,
        )
    return path


def _write_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as sink:
        sink.write(text)
