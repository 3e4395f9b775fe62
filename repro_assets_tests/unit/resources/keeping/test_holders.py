"""Who needs a data version, as MLflow's runs say it; a fake store."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from repro_assets.pins.retention import Holder
from repro_assets.resources.keeping.holders import all_runs, of_manifests, of_unfinished
from repro_assets.verbs.verify import elsewhere


class Page(list[Any]):
    token: str | None = None


class TwoPages:
    """A store that gives one run per page and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def search_runs(self, experiments: list[str], **options: Any) -> Page:
        self.asked.append({"experiments": experiments, **options})
        page = Page([f"run {len(self.asked)}"])
        page.token = "more" if len(self.asked) == 1 else None  # the name of a page
        return page


def run(run_id: str, status: str = "FINISHED", **tags: str) -> Any:
    return SimpleNamespace(info=SimpleNamespace(run_id=run_id, status=status), data=SimpleNamespace(tags=tags))


def test_runs_of_all_experiments_are_read_to_the_last_page() -> None:
    store: Any = TwoPages()

    assert list(all_runs(store, ("1", "2"))) == ["run 1", "run 2"]
    assert [asked["experiments"] for asked in store.asked] == [["1", "2"], ["1", "2"]]
    assert [asked["page_token"] for asked in store.asked] == [None, "more"]


def test_every_run_that_has_not_ended_holds_its_data_version_whatever_made_it() -> None:
    key = {"repro.data_version": "k"}
    runs = [run("a", "RUNNING", **key), run("b", "FINISHED", **key), run("c", "RUNNING"), run("d", "SCHEDULED", **key)]

    assert of_unfinished(runs) == [
        Holder("k", "MLflow run a, under way", running=True),
        Holder("k", "MLflow run d, under way", running=True),
    ]


def test_nested_runs_speak_for_their_parent() -> None:
    nested = {"repro.data_version": "k", "mlflow.parentRunId": "p"}
    assert of_manifests([run("a", **nested), run("b", **nested)]) == [Holder("k", "run p")]


class TwoExperiments:
    """A store with a run that has a manifest in each."""

    tracking_uri = "sqlite:///x"

    def search_experiments(self, **_: Any) -> Page:
        return Page([SimpleNamespace(experiment_id=number) for number in ("1", "2")])

    def search_runs(self, experiments: list[str], **_: Any) -> Page:
        (number,) = experiments
        return Page([run(f"r{number}", **{"repro.manifest": "m", "repro.data_version": f"k{number}"})])


def test_what_runs_of_other_experiments_keep_is_said_to_be_unproved() -> None:
    store: Any = TwoExperiments()
    said = "run r2: of another experiment; its data version k2 is kept"

    assert elsewhere(store, "1", None) == [said]
    assert (elsewhere(store, "1", "k2"), elsewhere(store, "1", "k1")) == ([said], [])
