"""What `repro ingest`, `versions` and `pin` do with their arguments."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from repro_assets import settings as settings_module
from repro_assets.errors import BadInput
from repro_assets.resources.dagster_home import open_instance
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.table_lock import hold_tables
from repro_assets.verbs import printing
from repro_assets.verbs.opened import say, spark_opener

if TYPE_CHECKING:
    from repro_assets.pins.data_history import DataVersion


def ingest(
    table: str,
    files: Sequence[Path],
    from_git: Path | None,
    path: str | None,
    since: str | None,
    skip_refused: bool,
    accept: Sequence[str],
    json: bool,
) -> None:
    """`repro ingest`."""
    from repro_assets.feeds.anomalies import accepted_kinds
    from repro_assets.feeds.published_file import require_file
    from repro_assets.verbs.ingest import IngestStopped, ingest_files, ingest_git

    here = settings_module.load()
    if from_git is None and (path or since or skip_refused):
        raise BadInput("--path, --since and --skip-refused go with --from-git", fix="Name the clone by --from-git REPO")
    if from_git is not None and files:
        raise BadInput("files and --from-git are two ways to say the same", fix="Give one of them")
    accepted_kinds(accept)  # as are the files: nothing is locked for what can't be read
    for file in files:
        require_file(file)
    try:
        if from_git is not None:
            result = ingest_git(
                table,
                from_git,
                path=path,
                since=since,
                skip_refused=skip_refused,
                settings=here,
                open_spark=spark_opener(here),
                report=say,
                accept=accept,
            )
        else:
            opener = spark_opener(here)
            result = ingest_files(table, files, settings=here, open_spark=opener, report=say, accept=accept)
    except IngestStopped as stopped:
        if json:
            printing.document(stopped.result.as_dict())
        raise
    if json:
        printing.document(result.as_dict())


def versions(json: bool) -> None:
    """`repro versions`."""
    from repro_assets.verbs.versions import list_versions

    rows = list_versions(RawTables(), open_instance(settings_module.load()))
    if json:
        printing.document({"schema": "repro-versions/1", "versions": [asdict(row) for row in rows]})
    else:
        printing.versions(rows)


def pin(tables: Sequence[str], as_of: str | None, published_as_of: str | None, json: bool) -> None:
    """`repro pin`."""
    from repro_assets.experiment import EXPERIMENT
    from repro_assets.verbs import pin as verb

    here, raw_tables = settings_module.load(), RawTables()

    def planned() -> DataVersion:
        history = raw_tables.histories(EXPERIMENT.table_names)
        return verb.plan(history, tables, as_of_time=as_of, published_as_of=published_as_of)

    planned()  # what can't be meant is refused before anything is locked
    # A vacuum that is removing what nobody keeps ends first: what it takes can't be pinned any more.
    with hold_tables(EXPERIMENT.table_names, here, report=say):
        key = verb.pin(planned(), raw_tables, open_instance(here))
    if json:
        printing.document({"schema": "repro-pin/1", "key": key})
    else:
        sys.stdout.write(f"{key}\n")
