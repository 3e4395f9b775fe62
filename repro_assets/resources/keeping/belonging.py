"""Which MLflow store a lake and a folder of capsules belong to, and whether a command looks at that store.

A small file beside the lake names the store. Who needs what is written in MLflow alone: asked of another store, nobody
needs anything, so everything would go, and nothing would be damaged. Therefore whatever removes or proves opens the
store here, which creates nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repro_assets.errors import BadInput, DataDamaged
from repro_assets.pins.canonical import canonical_json
from repro_assets.resources import storage
from repro_assets.resources.keeping.holders import all_runs
from repro_assets.resources.keeping.leftovers import complete_outputs, named_outputs
from repro_assets.resources.outputs.lake import Lake
from repro_assets.resources.tracking.store import connect, redacted, speaking_of, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from repro_assets.settings import Settings

SCHEMA = "repro-store/1"
MARK = "_store.json"
_ELSEWHERE = "Set MLFLOW_TRACKING_URI to the store that the results were recorded in"
_PAGE = 500


@dataclass(frozen=True)
class HoldersStore:
    """The store that says who needs what.

    Attributes:
        client: Bound to it.
        experiments: Ids of all its experiments that were not deleted.
        own: Id of the experiment that was asked for.
    """

    client: MlflowClient
    experiments: tuple[str, ...]
    own: str


def open_holders(settings: Settings, experiment: str, *, lake: str) -> HoldersStore:
    """Open the store without creating anything, and prove that lake and capsules belong to it.

    Args:
        settings: Names the store and the folder of capsules.
        experiment: The experiment's name.
        lake: URI of the lake with the outputs.

    Raises:
        BadInput: There is no such store or experiment, a marker names another store, or the lake holds outputs of which
            no run of the store names any.
        Outside: The store does not answer.
    """
    uri = settings.mlflow_tracking_uri
    database = sqlite_file(uri)
    if database is not None and not database.is_file():
        raise BadInput(
            "there is no MLflow store, so nobody knows what is needed; nothing was done",
            where=redacted(uri),
            fix=_ELSEWHERE,
        )
    for place in (lake, _folder_uri(settings.capsules)):
        _refuse_another(place, store_name(uri, place))
    client = connect(uri)
    with speaking_of(uri):
        found = client.get_experiment_by_name(experiment)
        if found is None or found.lifecycle_stage != "active":
            raise BadInput(
                "the MLflow store has no such experiment, so nobody knows what is needed; nothing was done",
                where=redacted(uri),
                expected=experiment,
                fix=_ELSEWHERE,
            )
        store = HoldersStore(client, tuple(all_experiments(client)), str(found.experiment_id))
        _refuse_unknown_outputs(store, lake)
    return store


def open_records(settings: Settings, experiment: str, *, lake: str) -> HoldersStore | None:
    """`open_holders`, for commands that only look; None in an installation in which nothing was recorded yet.

    Raises:
        BadInput, Outside: As `open_holders`; a store that is not there is none of nothing where outputs stand.
    """
    database = sqlite_file(settings.mlflow_tracking_uri)
    is_missing = database is not None and not database.is_file()
    return None if is_missing and is_empty(settings, lake) else open_holders(settings, experiment, lake=lake)


def is_empty(settings: Settings, lake: str) -> bool:
    """Whether no output stands in a lake and nothing says which store it belongs to."""
    places = (lake, _folder_uri(settings.capsules))
    return not complete_outputs(Lake(uri=lake)) and not any(storage.exists(storage.join(one, MARK)) for one in places)


def claim(settings: Settings, *, lake: str) -> None:
    """Write beside lake and capsules which store they belong to, where nothing says so yet."""
    for place in (lake, _folder_uri(settings.capsules)):
        name = store_name(settings.mlflow_tracking_uri, place)
        storage.write_if_absent(storage.join(place, MARK), canonical_json({"schema": SCHEMA, "store": name}))


def store_name(uri: str, place: str) -> str:
    """What a store is called beside a place: its address without secrets; a database file by its way from the place.

    So a lake and a database that are moved together still belong together.
    """
    database = sqlite_file(uri)
    if database is not None and place.startswith("file:"):
        return f"sqlite at {os.path.relpath(database.resolve(), Path(_local(place)).resolve())}"
    if "://" not in uri and not uri.startswith(("file:", "databricks")):
        return str(Path(uri).absolute())
    return redacted(uri).rstrip("/")


def _refuse_another(place: str, expected: str) -> None:
    where = storage.join(place, MARK)
    try:
        named = json.loads(storage.read_bytes(where))["store"]
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataDamaged("the note of the MLflow store can't be read", where=where, stored=str(error)[:200]) from error
    if named != expected:
        raise BadInput(
            "this belongs to another MLflow store, which knows what is needed; nothing was done",
            where=where,
            stored=str(named)[:300],
            expected=expected,
            fix=f"{_ELSEWHERE}; if that store itself has moved, remove this note",
        )


def _refuse_unknown_outputs(store: HoldersStore, lake: str) -> None:
    standing = complete_outputs(Lake(uri=lake))
    # Deleted runs count: a person who deleted all of them did so in this store.
    runs = all_runs(store.client, store.experiments, deleted=True)
    if standing and not standing & named_outputs(runs):
        raise BadInput(
            "outputs stand in the lake, and no run of the MLflow store names any of them; nothing was done",
            where=lake,
            stored=f"{len(standing)} outputs",
            expected=f"their runs in {redacted(store.client.tracking_uri)}",
            fix=_ELSEWHERE,
        )


def all_experiments(client: MlflowClient) -> Iterable[str]:
    """Ids of all experiments of a store that were not deleted."""
    token: str | None = None
    while True:
        page = client.search_experiments(max_results=_PAGE, page_token=token)
        yield from (str(found.experiment_id) for found in page)
        token = page.token
        if not token:
            return


def _folder_uri(folder: Path) -> str:
    return f"file://{folder}"


def _local(uri: str) -> str:
    return re.sub(r"^file:/*", "/", uri)
