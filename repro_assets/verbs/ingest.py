"""`repro ingest`: published files, or every version in a git clone, into one raw table.

The plan (which publication joins which commit, what is skipped or refused) is `feeds.intake`; here are the order of
the offers, the lock around history and commits, and the JVM, which is opened when there is something to commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput, Outside, ReproError
from repro_assets.feeds.anomalies import AnomalyKind, accepted_kinds
from repro_assets.feeds.delta_commit import BatchItem, Outcome, commit_batch
from repro_assets.feeds.git_history import GitVersion, published_versions, read_blob
from repro_assets.feeds.history import TableHistory, note_unchanged, read_history, read_on
from repro_assets.feeds.intake import IngestRecord, Intake, Offer
from repro_assets.feeds.publication import day_in_name
from repro_assets.feeds.published_file import read_file
from repro_assets.feeds.registry import Feed, feed_of
from repro_assets.resources.known_secrets import clean
from repro_assets.resources.raw.raw_tables import RawTables
from repro_assets.resources.raw.read_errors import cause
from repro_assets.resources.raw.table_lock import hold_table
from repro_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMA = "repro-ingest/1"


@dataclass
class IngestResult:
    """What became of every publication of one call, in order."""

    table: str
    commits: list[IngestRecord] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `repro ingest --json`."""
        return {"schema": SCHEMA, "table": self.table, "commits": [record.as_dict() for record in self.commits]}


class IngestStopped(ReproError):
    """Ingestion ended at a publication that was refused or could not be committed; those before it stay.

    Attributes:
        error: Why; its message and exit code are this error's.
        result: What became of the publications up to it.
    """

    def __init__(self, error: ReproError, result: IngestResult) -> None:
        super().__init__(error.what, where=error.where, stored=error.stored, expected=error.expected, fix=error.fix)
        self.error = error
        self.exit_code = error.exit_code
        self.result = result


def ingest_files(
    table: str,
    files: Sequence[Path],
    *,
    settings: Settings,
    open_spark: Callable[[], SparkSession],
    report: Callable[[str], None],
    accept: Sequence[str] = (),
) -> IngestResult:
    """Ingest published files in the order given.

    Args:
        table: Name of the raw table.
        files: Published files; an ISO day in a name is its publication time.
        settings: Where the lake and the locks are.
        open_spark: Opens the session; called only when there is something to commit.
        report: Gets one line per file.
        accept: Names of anomalies that a file is not refused for; each that occurs goes into its commit.

    Raises:
        BadInput: No such table, no files, an anomaly that can't be accepted, or a name with a secret in it.
        IngestStopped: A file is malformed or stale, or its commit failed; those before it are committed.
        Outside: Another ingestion of this table does not end.
    """
    feed = feed_of(table)
    if not files:
        raise BadInput("no files to ingest", where=table, fix=f"`repro ingest {table} FILE…`")
    offers = [Offer(path.name, day_in_name(path.name), partial(read_file, path)) for path in files]
    return _ingest(feed, offers, settings, open_spark, report, accepted_kinds(accept))


def ingest_git(
    table: str,
    repo: Path,
    *,
    settings: Settings,
    open_spark: Callable[[], SparkSession],
    report: Callable[[str], None],
    path: str | None = None,
    since: str | None = None,
    skip_refused: bool = False,
    accept: Sequence[str] = (),
) -> IngestResult:
    """Ingest every published version of a file from a git clone, in history order.

    Args:
        table: Name of the raw table.
        repo: Clone of the publisher's repository, bare or not.
        settings: Where the lake and the locks are.
        open_spark: Opens the session; called only when there is something to commit.
        report: Gets one line per version.
        path: Path of the file from the repository's top; by default the publisher's own.
        since: Only versions after this revision.
        skip_refused: Go on after a malformed or stale version; the records list it.
        accept: Names of anomalies that a version is not refused for; each that occurs goes into its commit.

    Raises:
        BadInput: No such table, repository, revision or file, an anomaly that can't be accepted, or a path with a secret
            in it.
        IngestStopped: A version is refused, or its commit failed; those before it are committed.
        Outside: git failed, or another ingestion of this table does not end.
    """
    feed = feed_of(table)
    path = path or feed.git_path
    if path is None:
        raise BadInput("this table's publisher has no git repository", where=table, fix="Name the file by --path")
    kinds = accepted_kinds(accept)
    _refuse_secret(path)
    offers = [_git_offer(repo, version) for version in published_versions(repo, path, since)]
    return _ingest(feed, offers, settings, open_spark, report, kinds, skip_refused=skip_refused)


def _git_offer(repo: Path, version: GitVersion) -> Offer:
    read = None if version.blob is None else partial(read_blob, repo, version.blob)
    return Offer(version.source, version.published, read, version.anomalies)


def _ingest(
    feed: Feed,
    offers: Sequence[Offer],
    settings: Settings,
    open_spark: Callable[[], SparkSession],
    report: Callable[[str], None],
    accept: frozenset[AnomalyKind],
    *,
    skip_refused: bool = False,
) -> IngestResult:
    for offer in offers:
        _refuse_secret(offer.source)
    # Its history is read and extended under this lock.
    with hold_table(feed.table, settings, report=report):
        store = DeltaStore(feed, RawTables(lake=settings.raw), open_spark, accept)
        intake = Intake(feed, store, report, skip_refused, accept)
        result = IngestResult(feed.table, intake.records)
        try:
            for offer in offers:
                intake.offer(offer)
            intake.close()
        except ReproError as error:
            raise IngestStopped(error, result) from error
    return result


def _refuse_secret(source: str) -> None:
    """A publication's name goes into the commit as it is, and a commit is kept for years."""
    if (shown := clean(source)) != source:
        raise BadInput(
            "a published file's name holds what looks like a secret, and it would stand in the commit",
            stored=shown,
            fix="Rename the file; if the secret was ever shared, revoke it",
        )


class DeltaStore:
    """A raw table in the lake, as `feeds.intake` sees it.

    Args:
        feed: The table's keys and parts.
        raw_tables: Where the table stands.
        open_spark: Opens the session, on the first commit.
        accept: Anomalies that a publication is not refused for.
    """

    def __init__(
        self,
        feed: Feed,
        raw_tables: RawTables,
        open_spark: Callable[[], SparkSession],
        accept: frozenset[AnomalyKind] = frozenset(),
    ) -> None:
        self._accept = accept
        self._feed = feed
        self._open_spark = open_spark
        self._raw_tables = raw_tables
        self._history = read_history(raw_tables.uri(feed.table))

    def history(self) -> TableHistory:
        """What the table knows now."""
        return self._history

    def commit(self, batch: Sequence[BatchItem]) -> Outcome:
        """Commit a batch and read on; a batch that changes nothing is written down beside the table."""
        try:
            outcome = commit_batch(self._open_spark(), self._feed, self._history, batch, self._accept)
        except Outside as error:
            raise self._unreadable(str(error)) or error from error
        if outcome.version is None:
            self._history = note_unchanged(self._history, [item.publication for item in batch])
        else:
            self._history = read_on(self._history)
        return outcome

    def _unreadable(self, said: str) -> ReproError | None:
        """What of the version that a batch builds on can't be read; None where that is not why the commit failed."""
        if self._history.version is None:
            return None
        pin = self._raw_tables.pin(self._feed.table, self._history.version)
        return cause(self._raw_tables, [pin], said)
