"""Which publications go into which commit, without a JVM."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from repro_assets.errors import BadInput, MalformedFeed, Outside, ReproError, StalePublication
from repro_assets.feeds.anomalies import AnomalyKind, AnomalyRefused, accepted_kinds, refusal
from repro_assets.feeds.delta_commit import BatchItem, Outcome
from repro_assets.feeds.difference import Counts
from repro_assets.feeds.history import Recorded, TableHistory
from repro_assets.feeds.intake import IngestRecord, Intake, Offer
from repro_assets.feeds.jhu import LEADING_COLUMNS
from repro_assets.feeds.kaggle import COLUMNS
from repro_assets.feeds.publication import Anomaly, to_user_metadata
from repro_assets.feeds.published_file import open_published
from repro_assets.feeds.registry import FEEDS
from repro_assets.resources.raw import table_lock
from repro_assets.resources.raw.table_lock import hold_table
from repro_assets.settings import Settings
from repro_assets.verbs.ingest import IngestResult, IngestStopped, ingest_files, ingest_git

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def cases(count: int, uid: object = 1) -> bytes:
    labels = "," * (len(LEADING_COLUMNS) - 1)
    return f"{','.join(LEADING_COLUMNS)},6/10/20\n{uid}{labels},{count}\n".encode()


def jobs(*people: int, labelled: bool, hours: int = 1) -> bytes:
    header = ",".join(COLUMNS) + (",target" if labelled else "")
    rows = [f"{person},city_1,0.5,,,,,,,,,,{hours}" + (",1.0" if labelled else "") for person in people]
    return "\n".join([header, *rows, ""]).encode()


MALFORMED = cases(1, uid="x")


class FakeStore:
    """Remembers batches as commits; refuses or ignores what it is told to."""

    def __init__(self, *, unchanged: str = "", failing: str = "", error: ReproError | None = None) -> None:
        self.batches: list[list[str]] = []
        self._history = TableHistory("memory://table")
        self._unchanged = unchanged
        self._failing = failing
        self._error = error or MalformedFeed("refused by the table")

    def history(self) -> TableHistory:
        return self._history

    def commit(self, batch: Sequence[BatchItem]) -> Outcome:
        sources = [item.publication.source for item in batch]
        if self._failing in sources:
            raise self._error
        version = None if self._unchanged in sources else len(self.batches)
        self.batches += [] if version is None else [sources]
        found = tuple(Recorded(item.publication, version) for item in batch)
        self._history = dataclasses.replace(self._history, version=version, known=self._history.known + found)
        return Outcome(version, {item.feed.part: Counts(item.feed.rows.num_rows) for item in batch})


def offer(source: str, content: bytes, published: str | None = None) -> Offer:
    return Offer(source, published, lambda: content)


def take(store: FakeStore, offers: Sequence[Offer], table: str = "covid_cases", skip_refused: bool = False) -> Intake:
    intake = Intake(FEEDS[table], store, lambda line: None, skip_refused)
    for item in offers:
        intake.offer(item)
    intake.close()
    return intake


def states(intake: Intake) -> list[tuple[str, str, int | None]]:
    return [(record.source, record.state, record.version) for record in intake.records]


def test_each_publication_of_a_whole_table_is_a_commit() -> None:
    store = FakeStore()
    take(store, [offer("a", cases(1)), offer("b", cases(2))])
    assert store.batches == [["a"], ["b"]]


TODAY = datetime(2020, 6, 9, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("published", "today", "taken"),
    [
        pytest.param(None, TODAY, True, id="tomorrow, as other time zones have it"),
        pytest.param(None, TODAY - timedelta(days=1), False, id="after tomorrow"),
        pytest.param("2020-06-09", TODAY - timedelta(days=900), True, id="the day after its publication"),
        pytest.param("2020-06-08T23:00:00Z", TODAY, False, id="later than that, whatever today is"),
    ],
)
def test_a_day_that_had_not_come_is_refused_or_accepted_by_name(published, today, taken) -> None:
    def taking(accept: frozenset[AnomalyKind]) -> list[IngestRecord]:
        intake = Intake(FEEDS["covid_cases"], FakeStore(), lambda line: None, accept=accept, now=lambda: today)
        intake.offer(offer("a", cases(1), published))
        intake.close()
        return intake.records

    if not taken:
        with pytest.raises(AnomalyRefused, match=r"future_day - .*column date\]: stored 2020-06-10, expected at most"):
            taking(frozenset())
    (record,) = taking(frozenset({AnomalyKind.FUTURE_DAY}))
    assert record.state == "committed"
    assert [(one.name, one.accepted) for one in record.anomalies] == ([] if taken else [("future_day", True)])


def test_both_parts_in_one_call_are_one_commit() -> None:
    store = FakeStore()
    intake = take(store, [offer("a", jobs(1, 2, labelled=True)), offer("b", jobs(3, labelled=False))], "job_changes")
    assert store.batches == [["a", "b"]]
    assert [(record.version, record.counts.inserted) for record in intake.records] == [(0, 2), (0, 1)]


def test_two_files_of_one_part_are_two_commits_in_order() -> None:
    store = FakeStore()
    offers = [
        offer("a", jobs(1, labelled=True)),
        offer("b", jobs(1, labelled=True, hours=2)),
        offer("c", jobs(3, labelled=False)),
    ]
    take(store, offers, "job_changes")
    assert store.batches == [["a"], ["b", "c"]]


def test_a_person_in_both_files_is_refused_and_the_first_file_stays() -> None:
    store = FakeStore()
    offers = [offer("a", jobs(1, 2, labelled=True)), offer("b", jobs(3, 2, labelled=False))]
    with pytest.raises(
        MalformedFeed, match=r"shared_key - a key already stands in a \[b, row 3, column enrollee_id\]: stored 2"
    ):
        take(store, offers, "job_changes")
    assert store.batches == [["a"]]


def test_the_same_content_twice_in_one_call_is_skipped() -> None:
    intake = take(FakeStore(), [offer("a", cases(1)), offer("b", cases(1))])
    assert states(intake) == [("a", "committed", 0), ("b", "skipped", 0)]


def test_an_earlier_content_at_a_later_time_is_a_commit_of_its_own() -> None:
    store = FakeStore()
    days = ("2020-06-11", "2020-06-12", "2020-06-13")
    take(store, [offer(day, cases(count), day) for day, count in zip(days, (1, 2, 1), strict=True)])
    assert len(store.batches) == 3


def test_a_publication_without_a_change_is_said_and_known_from_then_on() -> None:
    store = FakeStore(unchanged="b")
    intake = take(store, [offer("a", cases(1)), offer("b", cases(2)), offer("b again", cases(2))])
    assert states(intake) == [("a", "committed", 0), ("b", "unchanged", None), ("b again", "skipped", None)]


def test_a_stale_publication_is_refused_and_those_before_it_stay() -> None:
    store = FakeStore()
    with pytest.raises(StalePublication, match=r"2020-06-11.*not before 2020-06-12"):
        take(store, [offer("a", cases(1), "2020-06-12"), offer("b", cases(2), "2020-06-11"), offer("c", cases(3))])
    assert store.batches == [["a"]]


def test_parts_are_not_stale_to_each_other() -> None:
    store = FakeStore()
    first, second = offer("a", jobs(1, labelled=True), "2020-12-07"), offer("b", jobs(2, labelled=False), "2020-12-01")
    take(store, [first, second], "job_changes")
    assert store.batches == [["a", "b"]]


def test_those_before_a_malformed_file_stay_and_those_after_are_not_tried() -> None:
    store = FakeStore()
    with pytest.raises(MalformedFeed, match="bad, row 2, column UID"):
        take(store, [offer("a", cases(1)), offer("bad", MALFORMED), offer("c", cases(3))])
    assert store.batches == [["a"]]


def test_refused_versions_can_be_skipped_and_are_listed() -> None:
    offers = [
        offer("a", cases(1), "2020-06-12"),
        offer("bad", MALFORMED),
        offer("old", cases(9), "2020-06-01"),
        offer("c", cases(3)),
    ]
    intake = take(FakeStore(), offers, skip_refused=True)
    assert {record.source: (record.state, record.version) for record in intake.records} == {
        "a": ("committed", 0),
        "bad": ("refused", None),
        "old": ("refused", None),
        "c": ("committed", 1),
    }


def test_a_commit_that_is_refused_can_be_skipped_without_losing_the_next() -> None:
    store = FakeStore(failing="b")
    take(store, [offer(name, cases(count)) for count, name in enumerate("abc")], skip_refused=True)
    assert store.batches == [["a"], ["c"]]


def test_a_commit_that_fails_is_never_skipped() -> None:
    store = FakeStore(failing="b", error=Outside("the disk is full"))
    with pytest.raises(Outside):
        take(store, [offer(name, cases(count)) for count, name in enumerate("abc")], skip_refused=True)
    assert store.batches == [["a"]]


def test_a_refused_file_s_record_ends_with_what_it_was_refused_for() -> None:
    content = cases(1, uid="x").replace(b"\n", b"\r\n")
    given = Offer("bad", None, lambda: content, (Anomaly("clock_skew"),))
    (record,) = take(FakeStore(), [given], skip_refused=True).records
    assert (record.state, [found.name for found in record.anomalies]) == ("refused", ["clock_skew", "crlf", "bad_key"])
    assert record.as_dict()["anomalies"][-1] == {"name": "bad_key", "count": 1, "row": 2, "column": "UID"}
    assert record.as_line().startswith("bad: refused, bad_key - a key does not parse [bad, row 2, column UID]")


def test_only_the_file_that_a_batch_was_refused_for_is_given_its_anomaly() -> None:
    error = refusal(AnomalyKind.KEYS_GONE, "keys are gone", "b", None, "enrollee_id")
    offers = [offer("a", jobs(1, labelled=True)), offer("b", jobs(3, labelled=False))]
    intake = take(FakeStore(failing="b", error=error), offers, "job_changes", skip_refused=True)
    assert [[found.name for found in record.anomalies] for record in intake.records] == [[], ["keys_gone"]]


def test_what_is_accepted_is_committed_and_recorded_with_its_places() -> None:
    content = cases(1).replace(b"6/10/20", b"6/10/20,6/10/20").replace(b",1\n", b",1,2\n")
    intake = Intake(FEEDS["covid_cases"], FakeStore(), lambda line: None, accept=accepted_kinds(["doubled_column"]))
    intake.offer(offer("a", content))
    intake.close()
    (record,) = intake.records
    assert record.as_dict()["anomalies"] == [
        {"name": "doubled_column", "count": 1, "row": 2, "column": "6/10/20", "accepted": True}
    ]
    assert record.as_line().endswith("read with doubled_column (1, row 2, column 6/10/20, accepted)")


def test_what_the_table_shows_about_a_publication_is_recorded_too() -> None:
    gone = Anomaly("keys_gone", 3, None, "uid", accepted=True)

    class Store(FakeStore):
        def commit(self, batch: Sequence[BatchItem]) -> Outcome:
            found = [dataclasses.replace(item.publication, anomalies=(gone,)) for item in batch]
            return dataclasses.replace(super().commit(batch), publications=tuple(found))

    assert take(Store(), [offer("a", cases(1))]).records[0].anomalies == (gone,)


def test_a_removed_file_is_skipped_and_said() -> None:
    intake = take(FakeStore(), [Offer("a", None, None)])
    assert [record.reason for record in intake.records] == ["it removed the file"]


def test_anomalies_of_history_and_file_are_recorded_together() -> None:
    given = Offer("a", None, lambda: cases(1, uid="1.0"), (Anomaly("clock_skew"),))
    (record,) = take(FakeStore(), [given]).records
    assert [anomaly.name for anomaly in record.anomalies] == ["clock_skew", "float_key"]


def test_every_publication_is_reported_by_one_line_in_order() -> None:
    lines: list[str] = []
    intake = Intake(FEEDS["covid_cases"], FakeStore(unchanged="b"), lines.append)
    for item in (offer("a", cases(1, "1.0")), offer("b", cases(2)), offer("a", cases(1, "1.0"))):
        intake.offer(item)
    intake.close()
    assert lines == [
        "a: version 0, 1 inserted, 0 updated, 0 deleted; read with float_key (1, row 2, column UID)",
        "b: no row differs, no commit",
        "a: skipped, known already, version 0",
    ]


def no_spark() -> SparkSession:
    pytest.fail("nothing is to be committed: no JVM may start")


def write_log(state: Settings, content: bytes) -> None:
    """A table whose only commit holds this content."""
    log = Path(state.lake.removeprefix("file://")) / "raw" / "covid_cases" / "_delta_log"
    log.mkdir(parents=True)
    metadata = to_user_metadata([open_published("first.csv", content, None).publication])
    actions = [{"commitInfo": {"timestamp": 1, "userMetadata": metadata}}, {"metaData": {"id": "1"}}]
    (log / f"{0:020d}.json").write_text("\n".join(map(json.dumps, actions)))


def run_files(state: Settings, *files: Path, report: Callable[[str], None] = lambda line: None) -> IngestResult:
    return ingest_files("covid_cases", files, settings=state, open_spark=no_spark, report=report)


def test_files_that_are_known_start_no_jvm(state: Settings, tmp_path: Path) -> None:
    write_log(state, cases(1))
    (tmp_path / "again.csv").write_bytes(cases(1))
    assert [(record.state, record.version) for record in run_files(state, tmp_path / "again.csv").commits] == [
        ("skipped", 0)
    ]


def test_a_malformed_file_starts_no_jvm_and_gives_what_was_done(state: Settings, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(MALFORMED)
    with pytest.raises(IngestStopped) as caught:
        run_files(state, tmp_path / "bad.csv", tmp_path / "never tried.csv")
    assert caught.value.exit_code == 2
    assert isinstance(caught.value.error, MalformedFeed)
    assert str(caught.value) == str(caught.value.error)
    assert [(record.source, record.state) for record in caught.value.result.commits] == [("bad.csv", "refused")]


def test_a_missing_file_is_malformed(state: Settings, tmp_path: Path) -> None:
    with pytest.raises(IngestStopped, match="no such file"):
        run_files(state, tmp_path / "nowhere.csv")


def test_the_json_document_has_the_keys_of_the_design(state: Settings, tmp_path: Path) -> None:
    write_log(state, cases(1))
    (tmp_path / "2020-06-11.csv").write_bytes(cases(1))
    document = run_files(state, tmp_path / "2020-06-11.csv").as_dict()
    assert document["schema"] == "repro-ingest/1"
    assert set(document["commits"][0]) >= {
        "source",
        "sha256",
        "version",
        "inserted",
        "updated",
        "deleted",
        "anomalies",
        "state",
        "published",
        "reason",
    }
    assert document["commits"][0]["published"] == "2020-06-11"


def test_an_unknown_table_is_refused(state: Settings) -> None:
    with pytest.raises(BadInput, match="no feed for this table"):
        ingest_files("deaths", [Path("a")], settings=state, open_spark=no_spark, report=print)


def test_a_call_without_files_is_refused(state: Settings) -> None:
    with pytest.raises(BadInput, match="no files"):
        run_files(state)


TOKEN = "ghp_" + "aB3d" * 9


def test_a_file_that_is_called_like_a_secret_is_refused_before_any_is_read(state: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"file's name holds what looks like a secret.*\(redacted\)\.csv") as refused:
        run_files(state, tmp_path / "not there.csv", tmp_path / f"{TOKEN}.csv")

    assert TOKEN not in str(refused.value)
    assert list(tmp_path.rglob("*.lock")) == []


def test_a_file_that_is_called_like_a_secret_of_this_process_is_refused(state: Settings, monkeypatch) -> None:
    monkeypatch.setenv("SERVICE_PASSWORD", "hunter2-planted")

    with pytest.raises(BadInput, match="name holds what looks like a secret"):
        run_files(state, Path("cases-of-hunter2-planted.csv"))


def test_a_path_in_git_with_a_secret_is_refused_before_git_is_asked(state: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="name holds what looks like a secret"):
        ingest_git("covid_cases", tmp_path, path=f"a/{TOKEN}.csv", settings=state, open_spark=no_spark, report=print)


def test_a_table_without_a_git_publisher_wants_a_path(state: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--path"):
        ingest_git("job_changes", tmp_path, settings=state, open_spark=no_spark, report=print)


def test_one_ingestion_of_a_table_runs_at_a_time(
    state: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_lock, "PATIENCE_SECONDS", 0.01)
    lines: list[str] = []
    with hold_table("covid_cases", state, report=lines.append), pytest.raises(Outside, match="table is in use"):
        run_files(state, tmp_path / "a.csv", report=lines.append)
    assert lines == ["waiting for whoever holds covid_cases: an ingestion, a vacuum, or a pin"]
