"""Everything that a capsule is told: what a result is made of, component by component.

The recipe of a past run is what it recorded; with a component replaced it is that of a result nobody may have seen yet.
The same recipe is the same result expected, so that what is known under it need not be computed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from repro_assets.pins.canonical import digest
from repro_assets.pins.compute import ClusterFile
from repro_assets.pins.contract import Request
from repro_assets.pins.data import CommitPin
from repro_assets.pins.environment import EnvironmentPin
from repro_assets.pins.run_record import RunRecord

# Fields of a recipe that belong to each component.
_FIELDS = {
    "data": ("data_version", "tables"),
    "code": ("capsule",),
    "environment": ("environment", "yaml", "lock", "record"),
    "cluster": ("cluster",),
    "parameters": ("parameters", "champion"),
}


@dataclass(frozen=True)
class Recipe:
    """What a capsule is asked to do, and with what.

    Attributes:
        data_version: Key of the partition.
        tables: `table_id` and `commit_sha256` by raw table: a key names versions, and another table or another commit
            may stand there by now.
        capsule: Digest of the source tree.
        environment: Pin of the lock.
        yaml: Content of its conda file.
        lock: Content of its lock.
        record: Whether mismatches of the environment are written down instead of refused.
        cluster: The cluster file.
        parameters: By asset, as manifests have them.
        champion: The champion that the predictions are made with; None where they aren't.
        stages: Assets to compute, upstream first.
    """

    data_version: str
    tables: Mapping[str, Mapping[str, str]]
    capsule: str
    environment: EnvironmentPin
    yaml: bytes
    lock: bytes
    record: bool
    cluster: ClusterFile
    parameters: Mapping[str, Mapping[str, Any]]
    champion: Mapping[str, Any] | None
    stages: tuple[str, ...]

    def request(self) -> Request:
        """The recipe as a capsule is asked for it."""
        return Request(
            data_version=self.data_version,
            stages=self.stages,
            parameters=self.parameters,
            environment=self.environment.name,
            record=self.record,
            cluster=self.cluster.name,
            champion=self.champion,
        )

    def files(self) -> dict[str, bytes]:
        """Environment and cluster files by their path below `envs/`."""
        return {
            f"conda/{self.environment.name}.lock": self.lock,
            f"conda/{self.environment.name}.yaml": self.yaml,
            f"clusters/{self.cluster.name}.json": self.cluster.text.encode(),
        }

    def component(self, name: str) -> dict[str, Any]:
        """What names one component: two recipes agree in it where these are equal."""
        champion = self.champion or {}
        named: dict[str, dict[str, Any]] = {
            "data": {"key": self.data_version, "tables": {name: dict(one) for name, one in self.tables.items()}},
            "code": {"capsule": self.capsule},
            "environment": {"lock": self.environment.digest, "record": self.record},
            "cluster": {"sha256": self.cluster.sha256},
            # Of a champion only what names it: where its files lie may change.
            "parameters": {
                "values": {asset: dict(own) for asset, own in self.parameters.items()},
                "champion": champion.get("digest"),
            },
        }
        return named[name]

    @property
    def digest(self) -> str:
        """Names the recipe: the same digest is the same result expected."""
        components = {name: self.component(name) for name in _FIELDS}
        return digest({"schema": "repro-recipe/1", "stages": list(self.stages), **components})

    def taking(self, component: str, other: Recipe) -> Recipe:
        """This recipe with one component of another one."""
        return replace(self, **{name: getattr(other, name) for name in _FIELDS[component]})


def named_tables(pins: Iterable[CommitPin]) -> dict[str, dict[str, str]]:
    """What names the raw tables of a data version, by table."""
    return {pin.table: {"table_id": pin.table_id, "commit_sha256": pin.commit_sha256} for pin in pins}


def departures(recipe: Recipe, record: RunRecord, capsule: str | None) -> tuple[str, ...]:
    """Components in which what ran is not what was asked for.

    Args:
        recipe: What was asked for.
        record: What a capsule recorded, every stage of it.
        capsule: Digest of the source tree that really ran.
    """
    # Other code may know more parameters than were asked for; those that were have to be what they should be.
    asked = ((asset, name, value) for asset, own in recipe.parameters.items() for name, value in own.items())
    parameters = all(record.parameters.get(asset, {}).get(name) == value for asset, name, value in asked)
    same = {
        "data": (record.data_version, named_tables(pin.commit for pin in record.data.values()))
        == (recipe.data_version, recipe.component("data")["tables"]),
        "code": capsule == recipe.capsule,
        "environment": record.environment["declared"]["digest"] == recipe.environment.digest,
        "cluster": record.compute["declared"]["sha256"] == recipe.cluster.sha256,
        "parameters": parameters,
    }
    return tuple(name for name, equal in same.items() if not equal)


def differing(one: Recipe, other: Recipe) -> tuple[str, ...]:
    """Components that two recipes don't agree in, in the order of `swap.COMPONENTS`."""
    return tuple(name for name in _FIELDS if one.component(name) != other.component(name))
