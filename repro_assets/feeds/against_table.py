"""What only the table can show about a publication: keys that go, and counts that change, fall or become blank.

A file can be wrong and well-formed: counts under the header of another day, a state at zero, blanks for what was known.
The bounds stand above what the 21 versions of JHU's file from 11 to 25 June 2020 do to each other: at most 1.9 % of the
counts that are not zero are corrected, the counts of at most two counties fall to less than half, the largest of them
268, and none becomes blank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from repro_assets.feeds.anomalies import AnomalyKind, Fate, refusal
from repro_assets.feeds.difference import STORED, corrections, keys_gone
from repro_assets.feeds.parsed_feed import ParsedFeed
from repro_assets.feeds.publication import Anomaly, Publication
from repro_assets.feeds.registry import Feed

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_PERCENT_GONE = 1
"""Counties, days or people that a publication may leave out at once, in per cent of those in the table."""

LARGEST_PERCENT_CHANGED = 5
"""Rows that a publication may change, in per cent of the table's that are not zero."""

LARGEST_PERCENT_CHANGED_OF_FEW = 20  # in a small table a few counties are a large part of it
_FEW_CHANGED = 2_000  # up to so many rows
_FEW_ROWS = 100  # in a table of a handful, a few corrections are most of it

_ALWAYS_MAY_GO = 2  # in a small table a single county that is split is over one per cent
_LARGEST_PER_MILLE_BLANKED = 1
_SMALL_COUNT = 50  # below it, half of a count is soon corrected
_LARGE_COUNT = 1_000
_COUNTIES_MAY_FALL = 5


@dataclass(frozen=True)
class _Finding:
    """One thing that the table shows about a publication.

    Attributes:
        kind: Its name; it is read or acceptable.
        count: How many keys or rows.
        column: The column that it concerns; None for whole rows.
        what: A sentence without its full stop.
        stored: What was found.
        expected: What may be.
    """

    kind: AnomalyKind
    count: int
    column: str | None
    what: str
    stored: str
    expected: str


def judged_within(publication: Publication, parsed: ParsedFeed, stored: pa.Table | None) -> Publication:
    """The publication with what is wrong within its file and was accepted, but for what the table holds already.

    Args:
        publication: With what was unusual in the file.
        parsed: Its rows.
        stored: The table's rows; None where it is the first publication.

    Raises:
        AnomalyRefused: Nobody accepted it.
    """
    return replace(publication, anomalies=(*publication.anomalies, *parsed.judge(stored)))


def judged(
    feed: Feed,
    publication: Publication,
    stored: pa.Table,
    published: pa.Table,
    changes: pa.Table,
    accept: frozenset[AnomalyKind],
) -> Publication:
    """The publication with what the table shows about it.

    Args:
        feed: The table's keys, parts and counts.
        publication: With its part and what was unusual in the file.
        stored: The table's rows, of all parts.
        published: Rows of the whole batch: whoever moved to the other part in it is not gone.
        changes: What the batch changes, from `difference`.
        accept: Anomalies that the publication is not refused for.

    Raises:
        AnomalyRefused: It would do to the table what nobody accepted.
    """
    own = _of_part(feed, stored, publication.part)
    corrected = corrections(own, _of_part(feed, changes, publication.part), feed.keys)
    # A download that ends within a row of numbers looks like a file without its last rows and its last line end.
    may_be_cut = any(anomaly.name == AnomalyKind.NO_LAST_LINE_END.id for anomaly in publication.anomalies)
    findings = [*_keys_gone(feed, own, published, may_be_cut=may_be_cut)]
    if feed.measure is not None:
        findings += _counts(feed.measure, feed.keys[0], own, corrected)
    for found in (*findings, *_many_changed(feed.measure, own, corrected)):
        accepted = found.kind.value.fate is Fate.ACCEPTABLE
        if accepted and found.kind not in accept:
            raise refusal(
                found.kind,
                found.what,
                publication.source,
                None,
                found.column,
                stored=found.stored,
                expected=found.expected,
                noted=publication.anomalies,
            )
        anomaly = Anomaly(found.kind.id, found.count, None, found.column, accepted=accepted)
        publication = replace(publication, anomalies=(*publication.anomalies, anomaly))
    return publication


def _keys_gone(feed: Feed, own: pa.Table, published: pa.Table, *, may_be_cut: bool) -> Iterator[_Finding]:
    for found in keys_gone(own, published, feed.keys):
        few = found.gone <= _ALWAYS_MAY_GO or found.gone * 100 <= found.of * LARGEST_PERCENT_GONE
        # A publisher takes its newest day back; the days before stay.
        is_past = isinstance(found.example, date) and found.example < _newest(published, found.column)
        if is_past:
            expected = "every day before the file's newest"
        else:
            expected = (
                "none, as the last line end is missing too" if may_be_cut else f"at most {LARGEST_PERCENT_GONE} %"
            )
        yield _Finding(
            AnomalyKind.FEW_KEYS_GONE if few and not may_be_cut and not is_past else AnomalyKind.KEYS_GONE,
            found.gone,
            found.column,
            "keys of the table are gone from the file",
            f"{found.gone} of {found.of} not there, such as {found.example}",
            expected,
        )


def _counts(measure: str, key: str, own: pa.Table, corrected: pa.Table) -> Iterator[_Finding]:
    """Counts that were known and are blank, or that were large and are less than half."""
    import pyarrow.compute as pc

    before, after = corrected[measure + STORED], corrected[measure]
    blanked = pc.sum(pc.and_(pc.is_valid(before), pc.is_null(after))).as_py() or 0
    of = own.num_rows - own[measure].null_count
    if blanked > _ALWAYS_MAY_GO and blanked * 1000 > of * _LARGEST_PER_MILLE_BLANKED:
        yield _Finding(
            AnomalyKind.COUNTS_BLANKED,
            blanked,
            measure,
            "counts of the table are blank in the file",
            f"{blanked} of {of}",
            f"at most {_LARGEST_PER_MILLE_BLANKED / 10} %",
        )
    # Of figures beyond 2**53 the last digits do not matter here.
    half = pc.divide(pc.cast(before, "float64", safe=False), 2)
    has_fallen = pc.and_(pc.less(pc.cast(after, "float64", safe=False), half), pc.greater_equal(before, _SMALL_COUNT))
    fallen = corrected.filter(pc.fill_null(has_fallen, False))
    if not fallen.num_rows:
        return
    counties = len(pc.unique(fallen[key]))
    worst = fallen.sort_by([(measure + STORED, "descending")]).slice(0, 1).to_pylist()[0]
    if counties > _COUNTIES_MAY_FALL or worst[measure + STORED] >= _LARGE_COUNT:
        yield _Finding(
            AnomalyKind.COUNTS_FALLEN,
            fallen.num_rows,
            measure,
            "counts of the table fall to less than half",
            f"{fallen.num_rows} counts of {counties} {key}s, such as {worst[key]} "
            f"from {worst[measure + STORED]} to {worst[measure]}",
            f"those of at most {_COUNTIES_MAY_FALL}, from below {_LARGE_COUNT:,}",
        )


def _many_changed(measure: str | None, own: pa.Table, corrected: pa.Table) -> Iterator[_Finding]:
    """Most of a wide table is zeros, and whatever is done to the rest, those stay: they are not counted."""
    of, changed = own.num_rows, corrected.num_rows
    if measure is not None:
        of, changed = _not_zero(own[measure]), _not_zero(corrected[measure + STORED])
    few = min(of * LARGEST_PERCENT_CHANGED_OF_FEW // 100, _FEW_CHANGED)
    most = max(of * LARGEST_PERCENT_CHANGED // 100, few)
    if of >= _FEW_ROWS and changed > most:
        rows = "rows" if measure is None else f"rows whose {measure} is not 0"
        yield _Finding(
            AnomalyKind.MANY_ROWS_CHANGED,
            changed,
            None,
            "the file has other values for many of the table's rows",
            f"{changed} of {of} {rows} changed",
            f"at most {most}",
        )


def _not_zero(counts: pa.ChunkedArray) -> int:
    import pyarrow.compute as pc

    return pc.sum(pc.not_equal(counts, 0)).as_py() or 0


def _of_part(feed: Feed, rows: pa.Table, part: str | None) -> pa.Table:
    import pyarrow.compute as pc

    if feed.part_column is None or part is None:
        return rows
    return rows.filter(pc.equal(rows[feed.part_column], feed.parts[part]))


def _newest(published: pa.Table, column: str) -> date:
    import pyarrow.compute as pc

    newest: date = pc.max(published[column]).as_py()
    return newest
