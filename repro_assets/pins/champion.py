"""The champion as the manifest of predictions names it: whose models they were made with, and by which files and digests.

A reproduction gets it with the request: the capsule asks no registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from repro_assets.errors import BadInput
from repro_assets.pins.output import output_digest


@dataclass(frozen=True)
class ChampionFile:
    """One estimator.

    Attributes:
        path: URI of its file, or of its folder.
        sha256: SHA-256 of the file's bytes; of a folder the digest of `members`.
        digest: Of the fitted state.
        members: SHA-256 by path below the folder; None, and not in the document, for a single file.
    """

    path: str
    sha256: str
    digest: str
    members: Mapping[str, str] | None = None

    def as_document(self) -> dict[str, Any]:
        """The entry as the manifest holds it."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("members", None)}


@dataclass(frozen=True)
class Champion:
    """The models that the registry's alias named when they were used.

    Attributes:
        data_version: Key of the data version that they were fitted on.
        identity: What determined them.
        digest: Of their fitted states together; what joins the identity of whatever is made with them.
        mlflow_run_id: Nested run that fitted them.
        registered: Version by registered model.
        files: By estimator.
    """

    data_version: str
    identity: str
    digest: str
    mlflow_run_id: str
    registered: Mapping[str, str]
    files: Mapping[str, ChampionFile]

    def as_document(self) -> dict[str, Any]:
        """The champion as the manifest holds it."""
        return {**asdict(self), "files": {name: file.as_document() for name, file in self.files.items()}}

    @classmethod
    def from_document(cls, document: Any, where: str) -> Champion:
        """Inverse of `as_document`.

        Raises:
            BadInput: It is no champion, or its digest is not that of its files.
        """
        try:
            files = {name: ChampionFile(**file) for name, file in document["files"].items()}
            champion = cls(**{**document, "files": files})
        except (KeyError, TypeError, AttributeError) as error:
            raise BadInput("a champion can't be read", where=where, stored=str(error)) from error
        found = output_digest({name: file.digest for name, file in files.items()})
        if found != champion.digest:
            raise BadInput(
                "a champion's digest is not that of its models", where=where, stored=found, expected=champion.digest
            )
        return champion
