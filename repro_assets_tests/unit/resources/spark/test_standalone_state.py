"""What is written down of a standalone cluster: for its owner only, and a secret that is proved before it is used."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import os
import stat
from pathlib import Path

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, ClusterUnavailable
from repro_assets.pins.compute import ClusterFile
from repro_assets.resources.process_owner import current_owner
from repro_assets.resources.spark.spark_cluster import load_cluster
from repro_assets.resources.spark.standalone_state import (
    PAGE_KEY_SETTING,
    ClusterState,
    client_settings,
    daemon_settings,
    folder_of,
    make_folder,
    page_token,
    read_state,
    write_state,
)


@pytest.fixture
def cluster() -> ClusterFile:
    return load_cluster("standalone-2x1-v1", settings_module.load({}))


@pytest.fixture
def made(cluster: ClusterFile, tmp_path: Path) -> tuple[Path, ClusterState]:
    folder = tmp_path / "clusters" / cluster.name
    secret = make_folder(folder, cluster)
    gone = {**current_owner(), "started": 1.0}
    state = ClusterState(
        cluster.name, cluster.sha256, "4.2.0", 17, {"master": current_owner(), "worker-1": gone}, secret, 5.0
    )
    write_state(folder, state)
    return folder, state


def test_the_state_is_read_as_it_was_written(made) -> None:
    folder, state = made

    assert read_state(folder) == state


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"name": "x"}', '{"colour": 1}'], ids=repr)
def test_a_state_that_is_not_there_or_not_whole_is_none(tmp_path: Path, content) -> None:
    if content is not None:
        (tmp_path / "state.json").write_text(content)

    assert read_state(tmp_path) is None


def test_a_process_is_alive_by_its_id_and_its_start(made) -> None:
    _, state = made

    assert state.alive == ("master",)


def test_everything_is_for_its_owner_only(made) -> None:
    folder, _ = made

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "client.conf": 0o600,
        "daemons.conf": 0o600,
        "state.json": 0o600,
    }


def test_the_processes_know_the_secret_and_have_the_open_port_off(made) -> None:
    folder, _ = made
    settings = dict(line.split() for line in daemon_settings(folder).read_text().splitlines())

    assert len(settings.pop("spark.authenticate.secret")) == 64
    assert settings["spark.authenticate"] == settings["spark.network.crypto.enabled"] == "true"
    assert settings["spark.master.rest.enabled"] == "false"


def test_pages_of_the_processes_ask_for_a_token_that_the_owner_can_make(made) -> None:
    folder, _ = made
    settings = dict(line.split() for line in daemon_settings(folder).read_text().splitlines())
    token = page_token(folder)
    assert token is not None
    signed, _, signature = token.rpartition(".")
    key = base64.urlsafe_b64decode(settings[PAGE_KEY_SETTING] + "=")

    assert settings["spark.ui.filters"] == "org.apache.spark.ui.JWSFilter"
    assert len(key) == 32
    assert base64.urlsafe_b64decode(signature + "=") == hmac.new(key, signed.encode(), hashlib.sha256).digest()
    assert settings["spark.authenticate.secret"] not in token


@pytest.mark.parametrize(
    "content",
    [None, b"spark.authenticate true\n", b"\xff\xfe", f"{PAGE_KEY_SETTING} a\n".encode()],
    ids=["no file", "no key", "no text", "no base64"],
)
def test_a_cluster_without_a_key_of_pages_has_no_token(made, content) -> None:
    folder, _ = made
    if content is None:
        daemon_settings(folder).unlink()
    else:
        daemon_settings(folder).write_bytes(content)

    assert page_token(folder) is None


def test_the_state_holds_a_digest_and_not_the_secret(made) -> None:
    folder, state = made
    secret = client_settings(folder, state).read_text().split()[1]

    assert secret not in (folder / "state.json").read_text()
    assert secret not in json.dumps(dataclasses.asdict(state))


def test_two_clusters_never_share_a_secret(cluster, tmp_path: Path) -> None:
    assert make_folder(tmp_path / "one", cluster) != make_folder(tmp_path / "other", cluster)


def test_a_secret_that_others_may_read_is_refused(made) -> None:
    folder, state = made
    os.chmod(folder / "client.conf", 0o640)

    with pytest.raises(BadInput, match=r"stored mode 640, expected 600"):
        client_settings(folder, state)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"spark.authenticate.secret another", b"\xff\xfe"],
    ids=["missing", "empty", "other", "no text"],
)
def test_a_secret_that_is_not_the_cluster_s_is_known_before_spark_asks(made, content) -> None:
    folder, state = made
    path = folder / "client.conf"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)

    with pytest.raises(ClusterUnavailable) as refused:
        client_settings(folder, state)

    assert "secret" in str(refused.value)
    assert "repro cluster up standalone-2x1-v1" in str(refused.value)


def test_a_cluster_s_files_are_below_var(cluster) -> None:
    here = settings_module.load({"REPRO_VAR": "/state"})

    assert folder_of(cluster.name, here) == Path("/state/clusters/standalone-2x1-v1")
