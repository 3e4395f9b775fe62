"""What is written down of a standalone cluster while it is up: its processes, its addresses, its secret.

Below `var/clusters/NAME`, a folder for its owner only:

| file | holds |
| --- | --- |
| `state.json` | the cluster file's digest, the master's address and page, every process with its start time |
| `daemons.conf` | the settings of master and workers, the secret and the key of their pages among them (mode 600) |
| `client.conf` | the secret alone, for whoever joins (mode 600); read by Spark's launcher, so it is on no command line |
| `*.log`, `work/`, `local/` | what the processes write |

Here belong these files and the questions about them; processes are started and ended in `resources.standalone_cluster`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
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
PAGE_KEY_SETTING = "spark.org.apache.spark.ui.JWSFilter.param.secretKey"
MASTER = "master"

_STATE, _DAEMONS, _CLIENT = "state.json", "daemons.conf", "client.conf"
_SECRET_BYTES = 32
# Spark serves pages of master and workers, and through them whatever executors print; they can't be switched off.
# This filter of its own answers nobody without a token that is signed with the key (org.apache.spark.ui.JWSFilter).
_PAGES = {"spark.ui.filters": "org.apache.spark.ui.JWSFilter"}
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
    page_key = _base64(secrets.token_bytes(_SECRET_BYTES))
    settings = {**settings_of_daemons(cluster), **_ONLY_DAEMONS, **_PAGES, PAGE_KEY_SETTING: page_key}
    lines = [f"{name} {value}\n" for name, value in sorted(settings.items())]
    _write_private(folder / _DAEMONS, "".join([*lines, f"{SECRET_SETTING} {secret}\n"]))
    _write_private(folder / _CLIENT, f"{SECRET_SETTING} {secret}\n")
    return hashlib.sha256(secret.encode()).hexdigest()


def daemon_settings(folder: Path) -> Path:
    """The settings file of master and workers; its path is on their command lines and names the cluster they are of."""
    return folder / _DAEMONS


def page_token(folder: Path) -> str | None:
    """What opens the pages of a cluster's processes: a JSON web token, signed with the key that they know.

    Returns:
        None where there is no such key, or it can't be read.

    Source: RFC 7515 and 7519; `HS256`, no claims.
    """
    try:
        lines = daemon_settings(folder).read_text(encoding="utf-8").splitlines()
        keys = [line.removeprefix(f"{PAGE_KEY_SETTING} ") for line in lines if line.startswith(f"{PAGE_KEY_SETTING} ")]
        key = base64.urlsafe_b64decode(keys[0] + "=" * (-len(keys[0]) % 4)) if keys else b""
    except (OSError, ValueError):  # it may be damaged: no text, or no base64
        return None
    if not key:
        return None
    signed = f"{_base64(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{_base64(b'{}')}"
    return f"{signed}.{_base64(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


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
        # What is damaged and no text is another secret.
        mode, text = stat.S_IMODE(path.stat().st_mode), path.read_text(encoding="utf-8", errors="replace")
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


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _write_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as sink:
        sink.write(text)
