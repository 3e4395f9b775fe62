"""The identity of an output: the digest of what determines it.

Two installations must agree, so no path, table id, commit digest, host, time, user or git commit is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from repro_assets.pins.canonical import digest

SCHEMA = "repro-identity/1"


@dataclass(frozen=True)
class Identity:
    """What determines one output.

    Attributes:
        asset: Name of the asset.
        inputs: Digest of the rows or state of each input, by name.
        code: Digest of the asset's own code closure.
        parameters: Canonical parameters.
        environment: Digest of the environment pin; None where the output must not depend on it.
        cluster: Digest of the cluster file; None where the output must not depend on it.
        receipt: Digest of the installed packages, only where the environment was not enforced.
    """

    asset: str
    inputs: Mapping[str, str]
    code: str
    parameters: Mapping[str, Any]
    environment: str | None = None
    cluster: str | None = None
    receipt: str | None = None

    def digest(self) -> str:
        """64 hexadecimal digits; equal identities mean an equal result is expected."""
        return digest(self.as_document())

    def as_document(self) -> dict[str, Any]:
        """The parts by name, as the manifest holds them."""
        return {"schema": SCHEMA, **asdict(self)}
