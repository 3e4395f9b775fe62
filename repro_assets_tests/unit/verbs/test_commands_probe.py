"""What `repro probe` says before its first trial."""

from __future__ import annotations

from typing import Any

import pytest

from repro_assets.errors import BadInput
from repro_assets.verbs import cluster, commands_probe, probe

NONE_IS_UP = "no standalone cluster is up: none is tried"


def said(monkeypatch: pytest.MonkeyPatch, variants: list[str], clusters: list[str], standing: list[str]) -> str:
    """What is said where the probe itself refuses at once."""
    lines: list[str] = []

    def refuse(*_: Any, **__: Any) -> None:
        raise BadInput("no such run")

    monkeypatch.setattr(commands_probe, "say", lines.append)
    monkeypatch.setattr(commands_probe, "tidy_instance", lambda _: None)
    monkeypatch.setattr(cluster, "standing_clusters", lambda _: standing)
    monkeypatch.setattr(probe, "probe", refuse)
    with pytest.raises(BadInput):
        commands_probe.probe("run", variants, clusters, True, False)
    return "\n".join(lines)


def test_where_nothing_is_named_and_no_cluster_is_up_that_is_said(monkeypatch) -> None:
    assert said(monkeypatch, [], [], []).startswith(NONE_IS_UP)


@pytest.mark.parametrize(
    ("variants", "clusters", "standing"),
    [
        pytest.param(["as it was"], [], [], id="a variant is named"),
        pytest.param([], ["standalone-2x1-v1"], [], id="a cluster is named"),
        pytest.param([], [], ["standalone-2x1-v1"], id="a cluster is up"),
    ],
)
def test_where_something_is_named_or_up_nothing_is_missed(monkeypatch, variants, clusters, standing) -> None:
    assert said(monkeypatch, variants, clusters, standing) == ""
