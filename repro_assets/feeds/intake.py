"""Which publications go into which commit: one raw table, the publications of one call in order.

No JVM here: what stores (`RawTableStore`) is handed in.
A publication of another part of the table joins the commit that is being prepared; one of the same part closes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal, Protocol

from repro_assets.errors import BadInput, MalformedFeed, ReproError, StalePublication
from repro_assets.feeds.anomalies import AnomalyKind, AnomalyRefused, refusal
from repro_assets.feeds.delta_commit import BatchItem, Outcome, refuse_shared_keys
from repro_assets.feeds.difference import Counts
from repro_assets.feeds.history import TableHistory
from repro_assets.feeds.parsed_feed import ParsedFeed
from repro_assets.feeds.publication import Anomaly, Publication, is_earlier
from repro_assets.feeds.published_file import open_published
from repro_assets.feeds.registry import Feed

State = Literal["committed", "unchanged", "skipped", "refused", "failed"]


NO_ROWS = Counts()


@dataclass(frozen=True)
class Offer:
    """A publication that somebody names; nothing is read yet.

    Attributes:
        source: File name, or `PATH@COMMIT`.
        published: Publication time, if known.
        read: Gives the bytes; None where this publication removed the file.
        anomalies: What is unusual about its place in history.
    """

    source: str
    published: str | None
    read: Callable[[], bytes] | None
    anomalies: tuple[Anomaly, ...] = ()


@dataclass(frozen=True)
class IngestRecord:
    """What became of one publication.

    Attributes:
        source: File name, or `PATH@COMMIT`.
        state: `committed`, `unchanged` (no row differs), `skipped` (known already), `refused` or `failed` (something
            outside did).
        sha256: Of the bytes as given; None where they could not be read.
        published: Publication time, if known.
        version: The commit that holds it; None where there is none.
        counts: Rows it changed.
        anomalies: What was unusual; of a refused one, last, what it was refused for.
        reason: Why it was skipped, refused or failed.
    """

    source: str
    state: State
    sha256: str | None = None
    published: str | None = None
    version: int | None = None
    counts: Counts = NO_ROWS
    anomalies: tuple[Anomaly, ...] = ()
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As it stands in `ingest`'s JSON document."""
        return {
            "source": self.source,
            "state": self.state,
            "sha256": self.sha256,
            "published": self.published,
            "version": self.version,
            **asdict(self.counts),
            "anomalies": [anomaly.as_dict() for anomaly in self.anomalies],
            "reason": self.reason,
        }

    def as_line(self) -> str:
        """One line for people."""
        if self.state == "committed":
            counts = self.counts
            changes = f"{counts.inserted} inserted, {counts.updated} updated, {counts.deleted} deleted"
            text = f"{self.source}: version {self.version}, {changes}"
        elif self.state == "unchanged":
            text = f"{self.source}: no row differs, no commit"
        else:
            text = f"{self.source}: {self.state}, {self.reason}"
        if self.state == "refused":
            return text  # the reason names its anomaly
        names = ", ".join(anomaly.as_text() for anomaly in self.anomalies)
        return f"{text}; read with {names}" if names else text


class RawTableStore(Protocol):
    """Where publications are stored."""

    def history(self) -> TableHistory:
        """What the table knows now."""
        ...

    def commit(self, batch: Sequence[BatchItem]) -> Outcome:
        """Bring the table to what these publications say, in one commit or none."""
        ...


@dataclass
class Intake:
    """The publications of one call on their way into a table.

    Attributes:
        feed: The table's parser, keys and parts.
        store: Where they go.
        report: Gets one line per publication.
        skip_refused: Go on after a malformed or stale publication; its record stays.
        accept: Anomalies that a publication is not refused for.
        records: What became of each, in order.
        now: The present moment.
    """

    feed: Feed
    store: RawTableStore
    report: Callable[[str], None]
    skip_refused: bool = False
    accept: frozenset[AnomalyKind] = frozenset()
    records: list[IngestRecord] = field(default_factory=list)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _queue: list[BatchItem | IngestRecord] = field(default_factory=list)

    def offer(self, offer: Offer) -> None:
        """Take one publication; it is committed when its batch is closed.

        Raises:
            ReproError: It, or the batch before it, is refused or failed; those before are committed.
        """
        publication = Publication(offer.source, "", "", offer.published, anomalies=offer.anomalies)
        if offer.read is None:
            self._record(IngestRecord(offer.source, "skipped", published=offer.published, reason="it removed the file"))
            return
        try:
            file = open_published(offer.source, offer.read(), offer.published)
            publication = replace(file.publication, anomalies=offer.anomalies)
            if self._skip(publication):
                return
            item = self._parse(publication, file.content)
        except ReproError as error:
            self._refuse(publication, error)
            return
        if any(waiting.feed.part == item.feed.part for waiting in self._batch()):
            self.close()
            # The batch just committed may have been this very publication.
            if self._skip(item.publication):
                return
        try:
            self._admit(item)
        except ReproError as error:
            self._refuse(item.publication, error)

    def close(self) -> None:
        """Commit what is waiting.

        Raises:
            ReproError: The batch is refused or could not be committed; its records say so.
        """
        batch = self._batch()
        if not batch:
            return
        try:
            outcome = self.store.commit(batch)
        except ReproError as error:
            self._settle(partial(_refused_item, error))
            if not self._goes_on(error):
                raise
        else:
            self._settle(partial(_stored, outcome, {found.part: found for found in outcome.publications}))

    def _batch(self) -> list[BatchItem]:
        return [waiting for waiting in self._queue if isinstance(waiting, BatchItem)]

    def _settle(self, fate: Callable[[BatchItem], IngestRecord]) -> None:
        """Turn what is waiting into records, in the order in which it was offered."""
        queue, self._queue = self._queue, []
        for waiting in queue:
            self._record(fate(waiting) if isinstance(waiting, BatchItem) else waiting)

    def _parse(self, publication: Publication, content: bytes) -> BatchItem:
        parsed = self.feed.parse(publication.source, content, self.accept)
        anomalies = (*publication.anomalies, *parsed.anomalies)
        anomalies = (*anomalies, *self._future_days(replace(publication, anomalies=anomalies), parsed))
        return BatchItem(replace(publication, part=parsed.part, anomalies=anomalies), parsed)

    def _future_days(self, publication: Publication, parsed: ParsedFeed) -> Iterator[Anomaly]:
        """What a file says of days that had not come when it was published; a day more, for other time zones."""
        known = publication.published
        latest = (datetime.fromisoformat(known) if known else self.now()).date() + timedelta(days=1)
        for key in self.feed.keys:
            days = parsed.days_after(key, latest)
            if not days:
                continue
            if AnomalyKind.FUTURE_DAY not in self.accept:
                raise refusal(
                    AnomalyKind.FUTURE_DAY,
                    "a day that had not come",
                    publication.source,
                    None,
                    key,
                    stored=days[-1].isoformat(),
                    expected=f"at most {latest.isoformat()}, the day after {'its publication' if known else 'today'}",
                    noted=publication.anomalies,
                )
            yield Anomaly(AnomalyKind.FUTURE_DAY.id, len(days), None, key, accepted=True)

    def _admit(self, item: BatchItem) -> None:
        self._refuse_mixing(item.publication)
        self._refuse_stale(item.publication)
        for waiting in self._batch():
            refuse_shared_keys(self.feed, item, waiting.feed.rows, f"in {waiting.publication.source}")
        self._queue.append(item)

    def _refuse(self, publication: Publication, error: ReproError) -> None:
        """Record a refusal; unless it is to be skipped, commit what came before and raise."""
        goes_on = self._goes_on(error)
        if not goes_on:
            self.close()
        self._record(_refused(publication, error))
        if not goes_on:
            raise error

    def _goes_on(self, error: ReproError) -> bool:
        return self.skip_refused and isinstance(error, (MalformedFeed, StalePublication))

    def _skip(self, publication: Publication) -> bool:
        known = self.store.history().holding(publication)
        if known is None:
            return False
        reason = "known already, changed no row" if known.version is None else f"known already, version {known.version}"
        self._record(
            IngestRecord(
                publication.source, "skipped", publication.sha256, publication.published, known.version, reason=reason
            )
        )
        return True

    def _refuse_mixing(self, publication: Publication) -> None:
        """The demo's generated rows and real ones must not become one history."""
        recorded = self.store.history().recorded
        if recorded and recorded[0].publication.is_sample != publication.is_sample:
            holds = "the generated sample" if recorded[0].publication.is_sample else "real publications"
            raise BadInput(
                f"the table holds {holds}",
                where=publication.source,
                fix="Use another state (REPRO_VAR=FOLDER), or remove var/ to start over",
            )

    def _refuse_stale(self, publication: Publication) -> None:
        newest = self.store.history().newest_published(publication.part)
        if is_earlier(publication.published, newest):
            raise StalePublication(
                "published before what the table holds already",
                where=publication.source,
                stored=publication.published,
                expected=f"not before {newest}",
                fix="Ingest older publications into an empty table, oldest first",
            )

    def _record(self, record: IngestRecord) -> None:
        if self._queue:
            self._queue.append(record)
            return
        self.records.append(record)
        # What stops everything is said once, by the error that is raised.
        if self.skip_refused or record.state not in ("refused", "failed"):
            self.report(record.as_line())


def _stored(outcome: Outcome, publications: Mapping[str | None, Publication], item: BatchItem) -> IngestRecord:
    publication = publications.get(item.publication.part, item.publication)
    return IngestRecord(
        source=publication.source,
        state="unchanged" if outcome.version is None else "committed",
        sha256=publication.sha256,
        published=publication.published,
        version=outcome.version,
        counts=outcome.counts.get(publication.part, NO_ROWS),
        anomalies=publication.anomalies,
    )


def _refused_item(error: ReproError, item: BatchItem) -> IngestRecord:
    return _refused(item.publication, error)


def _refused(publication: Publication, error: ReproError) -> IngestRecord:
    anomalies = publication.anomalies
    # A batch is refused whole, for what one of its files holds.
    if isinstance(error, AnomalyRefused) and error.source == publication.source:
        anomalies += tuple(found for found in error.anomalies if found not in anomalies)
    return IngestRecord(
        source=publication.source,
        state="refused" if isinstance(error, BadInput) else "failed",
        sha256=publication.sha256 or None,
        published=publication.published,
        anomalies=anomalies,
        reason=str(error),
    )
