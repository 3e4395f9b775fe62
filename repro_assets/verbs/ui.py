"""`repro ui`: Dagster's page and daemon, and MLflow's page, on loopback; all stopped cleanly.

Webserver and daemon are started by themselves and below `var/`: `dg dev` lets the project's `.env` win over the
environment, so that a state elsewhere (`REPRO_VAR`) would not be the one that is shown.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from repro_assets.errors import BadInput, Outside
from repro_assets.experiment import EXPERIMENT
from repro_assets.resources.dagster_home import open_instance
from repro_assets.resources.tracking.store import initialise
from repro_assets.settings import Settings
from repro_assets.verbs.reap import reap

_LOOPBACK = "127.0.0.1"
_PATIENCE_SECONDS = 120.0
_GRACE_SECONDS = 20.0


def commands(settings: Settings, dagster_port: int, mlflow_port: int) -> dict[str, list[str]]:
    """The processes to start, by name; the daemon has no page."""
    bin_folder = Path(sys.executable).parent
    workspace = ["-w", str(settings.project / "workspace.yaml")]
    return {
        "Dagster": [
            *(str(bin_folder / "dagster-webserver"), "--host", _LOOPBACK, "--port", str(dagster_port)),
            *workspace,
        ],
        "daemon": [str(bin_folder / "dagster-daemon"), "run", *workspace],
        "MLflow": [
            *(str(bin_folder / "mlflow"), "server", "--host", _LOOPBACK, "--port", str(mlflow_port)),
            *("--workers", "1", "--default-artifact-root", settings.mlflow_artifacts.as_uri()),
        ],
    }


def variables(settings: Settings, mlflow_port: int) -> dict[str, str]:
    """The environment of all three.

    The store's address is in it and not on a command line, which every user of the machine can read: it may hold a
    password.
    """
    return {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": settings.mlflow_tracking_uri,
        "REPRO_MLFLOW_PAGE": f"http://{_LOOPBACK}:{mlflow_port}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # six worker processes for features that nothing here uses
    }


def serve(settings: Settings, dagster_port: int, mlflow_port: int) -> None:
    """Start both pages, print their addresses when they answer, wait for Ctrl-C, stop both.

    Raises:
        BadInput: A port is taken, or both are the same.
        Outside: A page ended by itself or did not answer in time.
    """
    ports = {"Dagster": dagster_port, "MLflow": mlflow_port}
    if dagster_port == mlflow_port:
        raise BadInput("both pages have the same port", stored=dagster_port)
    for name, port in ports.items():
        _refuse_taken(name, port)
    instance = open_instance(settings)
    for line in reap(instance, settings):
        sys.stderr.write(f"{line}\n")
    instance.dispose()
    initialise(settings, EXPERIMENT.name)
    processes = _start(settings, commands(settings, dagster_port, mlflow_port), variables(settings, mlflow_port))
    restored = signal.signal(signal.SIGTERM, _interrupt)
    try:
        for name, port in ports.items():
            _wait_until_it_answers(name, processes[name], port, settings)
            sys.stderr.write(f"{name:8} http://{_LOOPBACK}:{port}\n")
        sys.stderr.write("Ctrl-C stops both.\n")
        _wait(processes, settings)
    except KeyboardInterrupt:
        sys.stderr.write("stopping\n")
    finally:
        _stop(processes)
        signal.signal(signal.SIGTERM, restored)


def _start(
    settings: Settings, wanted: Mapping[str, Sequence[str]], environment: Mapping[str, str]
) -> dict[str, subprocess.Popen[bytes]]:
    logs = settings.var / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    started: dict[str, subprocess.Popen[bytes]] = {}
    for name, command in wanted.items():
        with open(_log(settings, name), "wb") as log:
            # A group of its own: what the page starts in turn ends with it. SIGINT is restored because a shell that
            # starts us with `&` has it ignored, and that is inherited.
            started[name] = subprocess.Popen(
                command,
                cwd=settings.var,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                restore_signals=True,
                preexec_fn=_restore_interrupt,
            )
    return started


def _restore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _wait_until_it_answers(name: str, process: subprocess.Popen[bytes], port: int, settings: Settings) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        _refuse_ended(name, process, settings)
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((_LOOPBACK, port)) == 0:
                return
        time.sleep(0.2)
    raise Outside(
        f"{name}'s page does not answer", where=_log(settings, name), expected=f"within {_PATIENCE_SECONDS:g} s"
    )


def _wait(processes: Mapping[str, subprocess.Popen[bytes]], settings: Settings) -> None:
    while True:
        for name, process in processes.items():
            _refuse_ended(name, process, settings)
        time.sleep(0.5)


def _refuse_ended(name: str, process: subprocess.Popen[bytes], settings: Settings) -> None:
    if process.poll() is not None:
        raise Outside(
            f"{name}'s page ended by itself", where=_log(settings, name), stored=f"exit code {process.returncode}"
        )


def _stop(processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for process in processes.values():
            _signal_group(process, sent)
        deadline = time.monotonic() + _GRACE_SECONDS
        for process in processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
        if not any(_group_lives(process) for process in processes.values()):
            return


def _signal_group(process: subprocess.Popen[bytes], sent: signal.Signals) -> None:
    try:
        os.killpg(process.pid, sent)
    except ProcessLookupError:
        return


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _refuse_taken(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if port == 0:
                raise OverflowError("port must be 1-65535")
            probe.bind((_LOOPBACK, port))
        except (OSError, OverflowError) as error:
            option = f"--{name.lower()}-port"
            raise BadInput(
                f"{name}'s port can't be used", stored=f"{port}: {error}".rstrip("."), fix=f"Choose another by {option}"
            ) from error


def _log(settings: Settings, name: str) -> Path:
    return settings.var / "logs" / f"{name.lower()}.log"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
