"""`repro cluster list | show | check | diff`: the files of `envs/clusters`, without a process."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput, EditedUnderOldName
from repro_assets.settings import Settings
from repro_assets.verbs import commands_cluster
from repro_assets.verbs.cluster import check, diff, end, list_clusters, show, standing_clusters

COMMITTED = settings_module.load({}).envs / "clusters"
THREE, TWO = "standalone-3x1-v1", "standalone-2x1-v1"


@pytest.fixture
def here(state: Settings, tmp_path: Path) -> Settings:
    """An installation with an `envs/` of its own: the committed cluster files, to damage."""
    envs = tmp_path / "envs"
    (envs / "clusters").mkdir(parents=True)
    for path in COMMITTED.glob("*.json"):
        (envs / "clusters" / path.name).write_bytes(path.read_bytes())
    register(envs)
    return dataclasses.replace(state, envs=envs)


def register(envs: Path) -> None:
    """Make `digests.lock` name every file as it stands."""
    paths = sorted((envs / "clusters").iterdir())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  clusters/{path.name}\n" for path in paths]
    (envs / "digests.lock").write_text("".join(lines))


def edit(here: Settings, name: str, **fields: object) -> None:
    path = here.envs / "clusters" / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_all_files_are_listed_with_their_kind_and_how_they_stand(here) -> None:
    found = {row.name: (row.kind, row.workers, row.state) for row in list_clusters(here)}

    assert found == {
        "databricks-15-4-v1": ("databricks", 2, None),
        "local-v1": ("local", 0, None),
        TWO: ("standalone", 2, "down"),
        THREE: ("standalone", 3, "down"),
    }


def test_a_file_that_can_t_be_used_is_listed_with_the_reason(here) -> None:
    edit(here, TWO, num_workers=5)
    (row,) = [row for row in list_clusters(here) if row.trouble]

    assert row.name == TWO
    assert "edited under its old name" in row.trouble


def test_a_cluster_is_shown_as_declared_and_as_it_stands(here) -> None:
    document = show(THREE, here)

    assert document["declared"]["num_workers"] == 3
    assert (document["state"], document["workers"], document["processes"]) == ("down", 0, {})
    assert document["applications"] == []


def test_what_is_never_started_has_no_state(here) -> None:
    assert show("local-v1", here)["state"] is None


def test_two_clusters_differ_field_by_field(here) -> None:
    found = {row["field"]: (row["from"], row["to"]) for row in diff(THREE, TWO, here)["differences"]}

    assert found == {
        "cluster_name": (THREE, TWO),
        "num_workers": (3, 2),
        "spark_conf.spark.cores.max": ("3", "2"),
        "spark_conf.spark.default.parallelism": ("3", "2"),
        "spark_conf.spark.sql.shuffle.partitions": ("3", "2"),
    }


def test_a_field_that_one_side_lacks_is_a_difference_too(here) -> None:
    (row,) = [row for row in diff("local-v1", TWO, here)["differences"] if row["field"].endswith("spark.cores.max")]

    assert (row["from"], row["to"]) == (None, "2")


def test_a_cluster_does_not_differ_from_itself(here) -> None:
    assert diff(TWO, TWO, here)["differences"] == []


def test_a_registered_file_with_an_unknown_field_is_refused_by_its_name(here) -> None:
    edit(here, "databricks-15-4-v1", colour="red")
    register(here.envs)

    with pytest.raises(BadInput, match="colour is no field"):
        check("databricks-15-4-v1", here)


def test_what_was_registered_by_hand_with_an_unknown_field_is_refused_by_every_verb(here) -> None:
    edit(here, TWO, colour="red")
    register(here.envs)

    for act in (lambda: check(TWO, here), lambda: show(TWO, here), lambda: diff(THREE, TWO, here)):
        with pytest.raises(BadInput, match="colour is no field"):
            act()
    (row,) = [row for row in list_clusters(here) if row.trouble]
    assert row.name == TWO


def test_a_range_of_workers_is_listed_as_one(here, monkeypatch, capsys) -> None:
    path = here.envs / "clusters" / "databricks-15-4-v1.json"
    document = json.loads(path.read_text())
    del document["num_workers"]
    path.write_text(json.dumps({**document, "autoscale": {"min_workers": 1, "max_workers": 8}}))
    register(here.envs)
    monkeypatch.setattr(commands_cluster.settings_module, "load", lambda: here)

    commands_cluster.cluster_list(json=True)
    (row,) = [row for row in json.loads(capsys.readouterr().out)["clusters"] if row["kind"] == "databricks"]
    assert (row["workers"], row["autoscale"]) == (None, [1, 8])

    commands_cluster.cluster_list(json=False)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "databricks-15-4-v1" in line]
    assert line.split()[3] == "1-8"


def test_an_edited_file_is_refused_by_every_verb(here) -> None:
    edit(here, TWO, num_workers=5)

    for act in (lambda: check(TWO, here), lambda: show(TWO, here), lambda: diff(THREE, TWO, here)):
        with pytest.raises(EditedUnderOldName, match=TWO):
            act()


def test_all_that_is_left_is_ended_and_nothing_left_is_no_trouble(here) -> None:
    folder = here.var / "clusters" / "no-file-of-this-name"
    folder.mkdir(parents=True)

    assert end(None, here, print, every=True) == {"no-file-of-this-name": 0}
    assert not folder.exists()
    assert end(None, here, print, every=True) == {}


def test_a_cluster_whose_file_was_edited_can_be_ended(here) -> None:
    edit(here, TWO, num_workers=7)
    (here.var / "clusters" / TWO).mkdir(parents=True)

    assert end(TWO, here, print, every=False) == {TWO: 0}


@pytest.mark.parametrize(
    ("name", "every", "told"),
    [
        pytest.param("not-there", False, "no such cluster file", id="of which nothing is there"),
        pytest.param(None, False, "which cluster is to end", id="no name"),
        pytest.param(TWO, True, "which cluster is to end", id="a name and all"),
    ],
)
def test_what_can_t_be_ended_is_said(here, name, every, told) -> None:
    with pytest.raises(BadInput, match=told):
        end(name, here, print, every=every)


def test_no_cluster_stands_where_none_was_started(here) -> None:
    assert standing_clusters(here) == []


def test_a_cluster_file_is_shown_line_by_line(state, monkeypatch, capsys) -> None:
    monkeypatch.setattr(settings_module, "load", lambda: dataclasses.replace(state, envs=COMMITTED.parent))

    commands_cluster.cluster_show("local-v1", json=False)

    assert '  "spark_version": "4.2.0",' in capsys.readouterr().err.splitlines()
