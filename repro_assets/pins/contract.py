"""What the current code and an old capsule say to each other: a request in, a result out, both JSON with a schema.

The schema's number changes only with the meaning of a field, and then the current code writes the form that the
capsule knows: a capsule never changes any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from repro_assets.errors import BadInput, DataDamaged
from repro_assets.pins.document_form import Each, Form, Items, Maybe, misfit
from repro_assets.pins.run_record import RunRecord, StageRecord, stage_record

REQUEST = "repro-contract-request/1"
RESULT = "repro-contract-result/1"


_REQUEST_FORM: Form = {
    "data_version": str,
    "stages": Items(str),
    "parameters": Each(dict),
    "environment": str,
    "record": bool,
    "cluster": str,
    "champion": Maybe(dict),
}
_RESULT_FORM: Form = {
    "stages": Items({"asset": str, "mlflow_run_id": str, "manifest": dict}),
    "capsule": Maybe(str),
    "seconds": float,
    "failure": Maybe({"kind": str, "message": str, "exit_code": int}),
}


@dataclass(frozen=True)
class Failure:
    """Why a capsule did not come to its end.

    Attributes:
        kind: Name of the error's class.
        message: Its line.
        exit_code: What `repro` would have returned.
    """

    kind: str
    message: str
    exit_code: int


@dataclass(frozen=True)
class Request:
    """What a capsule is asked to do: compute these stages of one data version, from raw rows, with these parameters.

    Attributes:
        data_version: Key of the partition.
        stages: Assets to compute, upstream first.
        parameters: By asset, as its manifest has them.
        environment: Name of the lock.
        record: Whether mismatches of the environment are written down instead of refused.
        cluster: Name of the cluster file.
        champion: The champion that the predictions were made with, with its files; None, and not in the document, where
            they were not: a capsule of before there was one takes the request too.
    """

    data_version: str
    stages: tuple[str, ...]
    parameters: Mapping[str, Mapping[str, Any]]
    environment: str
    record: bool
    cluster: str
    champion: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, record: RunRecord) -> Request:
        """Ask for a past run as it was."""
        return cls(
            data_version=record.data_version,
            stages=tuple(record.stages),
            parameters=record.parameters,
            environment=str(record.environment["declared"]["name"]),
            record=not record.enforced,
            cluster=str(record.compute["declared"]["name"]),
            champion=record.champion,
        )

    def as_document(self) -> dict[str, Any]:
        """The request as JSON values."""
        document = {"schema": REQUEST, **asdict(self), "stages": list(self.stages)}
        return {name: value for name, value in document.items() if (name, value) != ("champion", None)}

    @classmethod
    def from_document(cls, document: Any, where: str) -> Request:
        """Inverse of `as_document`.

        Raises:
            BadInput: It is no request that this code knows.
        """
        if not isinstance(document, Mapping) or document.get("schema") != REQUEST:
            found = document.get("schema") if isinstance(document, Mapping) else type(document).__name__
            raise BadInput("not a request that this code knows", where=where, stored=found, expected=REQUEST)
        values = {name: value for name, value in document.items() if name != "schema"}
        if set(values) | {"champion"} != set(cls.__dataclass_fields__):
            raise BadInput(
                "a request has other fields",
                where=where,
                stored=sorted(values),
                expected=sorted(cls.__dataclass_fields__),
            )
        wrong = misfit(values, _REQUEST_FORM)
        if wrong is not None:
            raise BadInput("a request has a field of another kind", where=where, stored=wrong)
        return cls(**{**values, "stages": tuple(values["stages"])})


@dataclass(frozen=True)
class Result:
    """What came of a request.

    Attributes:
        stages: Manifest of every stage that was computed, upstream first.
        capsule: Digest of the source tree that really ran.
        seconds: Wall clock time.
        failure: Why not all stages are there; None where they are.
    """

    stages: Mapping[str, StageRecord] = field(default_factory=dict)
    capsule: str | None = None
    seconds: float = 0.0
    failure: Failure | None = None

    def as_document(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {
            "schema": RESULT,
            "stages": [
                {"asset": stage.asset, "mlflow_run_id": stage.mlflow_run_id, "manifest": dict(stage.manifest)}
                for stage in self.stages.values()
            ],
            "capsule": self.capsule,
            "seconds": self.seconds,
            "failure": asdict(self.failure) if self.failure else None,
        }

    @classmethod
    def from_document(cls, document: Any, where: str) -> Result:
        """Inverse of `as_document`.

        Raises:
            DataDamaged: It is no result that this code knows.
        """
        if not isinstance(document, Mapping) or document.get("schema") != RESULT:
            found = document.get("schema") if isinstance(document, Mapping) else type(document).__name__
            raise DataDamaged("a capsule answered in another form", where=where, stored=found, expected=RESULT)
        wrong = misfit(document, _RESULT_FORM)
        if wrong is not None:
            raise DataDamaged("a capsule's answer lacks a field", where=where, stored=wrong)
        stages = [
            stage_record(stage["asset"], stage["mlflow_run_id"], stage["manifest"]) for stage in document["stages"]
        ]
        said = document.get("failure")
        failure = Failure(said["kind"], said["message"], said["exit_code"]) if said else None
        return cls(
            {stage.asset: stage for stage in stages}, document.get("capsule"), float(document["seconds"]), failure
        )
