"""The snapshot's split and the features on a real Spark session, compared with the same thing in plain Python."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from repro_assets.errors import BadInput
from repro_assets.sample.generate import SampleFeed, generate
from repro_assets.steps.feature_columns import CASE_COLUMNS, CATEGORICAL_COLUMNS, FEATURE_SCHEMA, ORDINALS
from repro_assets.steps.features import build_features
from repro_assets.steps.model_fit import check_features, fit
from repro_assets.steps.model_inference import predict
from repro_assets.steps.model_params import ModelParams
from repro_assets.steps.places import Place, load_places
from repro_assets.steps.snapshot import snapshot
from repro_assets.steps.split import side, split

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

SALT, FRACTION = "salt", 0.3
TEXTS = (*CATEGORICAL_COLUMNS, *ORDINALS)
JOBS = pa.schema(
    [
        ("enrollee_id", pa.int64()),
        ("city", pa.string()),
        ("city_development_index", pa.float64()),
        ("training_hours", pa.int64()),
        *[(name, pa.string()) for name in TEXTS],
        ("target", pa.int64()),
        ("labelled", pa.bool_()),
    ]
)
CASES = pa.schema([("uid", pa.int64()), ("date", pa.date32()), ("confirmed", pa.int64())])
LAST = date(2020, 6, 10)
TOWN = Place("town", "Town, State", (1,), 200_000, 5)
CITY = Place("city", "City, State", (2, 3), 100_000, 9)

Row = dict[str, Any]
Parts = dict[str, "DataFrame"]


def person(key: int, **changes: Any) -> Row:
    labelled = changes.get("labelled", True)
    row = {"enrollee_id": key, "city": "town", "city_development_index": 0.5, "training_hours": 10}
    return {**row, "target": 1 if labelled else None, "labelled": labelled, **changes}


def day(uid: int, back: int, confirmed: int | None) -> Row:
    return {"uid": uid, "date": LAST - timedelta(days=back), "confirmed": confirmed}


@pytest.fixture(scope="module")
def frame(spark: SparkSession) -> Callable[[list[Row], pa.Schema], DataFrame]:
    return lambda rows, schema: spark.createDataFrame(pa.Table.from_pylist(rows, schema))


@pytest.fixture(scope="module")
def features_of(frame: Callable[[list[Row], pa.Schema], DataFrame]) -> Callable[..., list[Row]]:
    """Features of a few people and cases, in order of their key."""

    def features(people: list[Row], cases: list[Row], places: tuple[Place, ...] = (TOWN, CITY)) -> list[Row]:
        raw = {"job_changes": frame(people, JOBS), "covid_cases": frame(cases, CASES)}
        parts = snapshot(raw, places=places, salt=SALT, test_fraction=FRACTION)
        return sorted(build_features(parts, places=places).toArrow().to_pylist(), key=lambda row: row["enrollee_id"])

    return features


# --- the sample feed, read without the project's feeds --------------------------------------------------------------


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> SampleFeed:
    return generate(tmp_path_factory.mktemp("feed"), days=40, labelled=500, unlabelled=150)


def jobs_of(feed: SampleFeed) -> list[Row]:
    rows = []
    for path, labelled in zip(feed.job_files, (True, False), strict=True):
        with path.open(newline="") as lines:
            for row in csv.DictReader(lines):
                numbers = {
                    "enrollee_id": int(row["enrollee_id"]),
                    "city_development_index": float(row["city_development_index"]),
                    "training_hours": int(row["training_hours"]),
                    "target": int(float(row["target"])) if labelled else None,
                    "labelled": labelled,
                }
                rows.append({name: text or None for name, text in row.items()} | numbers)
    return rows


def cases_of(path: Path) -> list[Row]:
    with path.open(newline="") as lines:
        return [
            {"uid": int(row["UID"]), "date": datetime.strptime(name, "%m/%d/%y").date(), "confirmed": int(text)}
            for row in csv.DictReader(lines)
            for name, text in row.items()
            if "/" in name
        ]


@pytest.fixture(scope="module")
def parts(frame: Callable[[list[Row], pa.Schema], DataFrame], feed: SampleFeed) -> list[Parts]:
    """The snapshot of each of the three versions."""
    jobs = frame(jobs_of(feed), JOBS)
    return [
        snapshot({"job_changes": jobs, "covid_cases": frame(cases_of(path), CASES)}, salt=SALT, test_fraction=FRACTION)
        for path in feed.covid_files
    ]


@pytest.fixture(scope="module")
def tables(parts: list[Parts]) -> list[pa.Table]:
    """The features of each of the three versions, in order of their key."""
    return [build_features(version, places=load_places()).toArrow().sort_by("enrollee_id") for version in parts]


def keys(part: DataFrame) -> set[int]:
    return {row["enrollee_id"] for row in part.select("enrollee_id").collect()}


# --- split ----------------------------------------------------------------------------------------------------------


def test_everybody_stands_in_the_one_part_that_plain_python_says(parts: list[Parts], feed: SampleFeed) -> None:
    found = {part: keys(parts[0][part]) for part in ("train", "test", "unlabelled")}

    jobs = jobs_of(feed)
    labelled = {row["enrollee_id"] for row in jobs if row["labelled"]}
    assert found == {
        "train": {key for key in labelled if side(key, SALT, FRACTION) == "train"},
        "test": {key for key in labelled if side(key, SALT, FRACTION) == "test"},
        "unlabelled": {row["enrollee_id"] for row in jobs if not row["labelled"]},
    }


def test_a_snapshot_has_four_parts_with_the_columns_of_the_raw_tables(parts: list[Parts]) -> None:
    assert tuple(parts[0]) == ("train", "test", "unlabelled", "cases")
    assert parts[0]["train"].columns == JOBS.names
    assert parts[0]["cases"].columns == CASES.names


def test_a_row_keeps_its_side_when_the_table_grows(frame: Callable[..., DataFrame], parts: list[Parts]) -> None:
    grown = parts[0]["train"].unionByName(frame([person(100_000 + key) for key in range(50)], JOBS))

    again = split(grown, salt=SALT, test_fraction=FRACTION)

    assert keys(parts[0]["train"]) < keys(again["train"])
    assert {key for key in keys(again["test"]) if key < 100_000} == set()


def test_only_cases_of_mapped_counties_are_kept(parts: list[Parts]) -> None:
    found = {row["uid"] for row in parts[0]["cases"].select("uid").distinct().collect()}

    assert found == {uid for place in load_places() for uid in place.uids}


@pytest.mark.parametrize(
    ("people", "said"),
    [
        pytest.param([person(1), person(1)], "1 rows repeat a enrollee_id", id="a key twice"),
        pytest.param([{**person(1), "enrollee_id": None}], "1 rows without enrollee_id", id="no key"),
        pytest.param([person(1, target=None)], "1 labelled rows without a target of 0 or 1", id="no label"),
        pytest.param([person(1, target=2)], "1 labelled rows without a target of 0 or 1", id="a label of 2"),
        pytest.param([person(1, labelled=False, target=0)], "1 unlabelled rows with a target", id="a hidden label"),
        pytest.param([person(1, labelled=None)], "1 rows don't say whether they are labelled", id="labelled or not"),
    ],
)
def test_people_that_no_part_can_hold_are_refused(
    frame: Callable[..., DataFrame], people: list[Row], said: str
) -> None:
    with pytest.raises(BadInput) as refused:
        split(frame(people, JOBS), salt=SALT, test_fraction=FRACTION)

    assert said in str(refused.value)


# --- features -------------------------------------------------------------------------------------------------------


def test_the_table_is_what_the_models_expect(tables: list[pa.Table]) -> None:
    check_features(tables[0])

    assert tables[0].column_names == list(FEATURE_SCHEMA)


@pytest.mark.parametrize("version", [0, 1, 2], ids=["base", "next day", "correction"])
def test_everybody_has_the_features_that_plain_python_gives(
    tables: list[pa.Table], feed: SampleFeed, version: int
) -> None:
    cases = cases_of(feed.covid_files[version])
    cumulative = {(row["uid"], row["date"]): row["confirmed"] for row in cases}
    last = max(row["date"] for row in cases)
    by_city = {place.city: place for place in load_places()}

    expected = [plain_features(row, by_city[row["city"]], cumulative, last) for row in jobs_of(feed)]

    assert tables[version].to_pylist() == sorted(expected, key=lambda row: row["enrollee_id"])


def plain_features(row: Row, place: Place, cumulative: dict[tuple[int, date], int], last: date) -> Row:
    total = [sum(cumulative[uid, last - timedelta(days=back)] for uid in place.uids) for back in range(29)]
    new = [max(total[start] - total[end], 0) for start, end in ((0, 7), (0, 14), (14, 28))]
    return {
        "enrollee_id": row["enrollee_id"],
        "part": side(row["enrollee_id"], SALT, FRACTION) if row["labelled"] else "unlabelled",
        **{name: row[name] for name in ("target", "city", "city_development_index", "training_hours")},
        **{name: row[name] or "missing" for name in CATEGORICAL_COLUMNS},
        **{name: ranks[row[name]] if row[name] else 0 for name, ranks in ORDINALS.items()},
        **{f"{name}_missing": int(row[name] is None) for name in ORDINALS},
        "cases_per_100k": total[0] * 100_000 / place.population,
        "new_cases_7d_per_100k": new[0] * 100_000 / (7 * place.population),
        "new_cases_14d_per_100k": new[1] * 100_000 / (14 * place.population),
        "growth_14d": (new[1] + 1) / (new[2] + 1),
    }


def test_partitions_and_row_order_change_nothing(parts: list[Parts], tables: list[pa.Table]) -> None:
    scattered = {name: part.repartition(5).orderBy(part.columns[-1]) for name, part in parts[0].items()}

    again = build_features(scattered, places=load_places()).toArrow().sort_by("enrollee_id")

    assert again == tables[0]


def test_a_correction_moves_case_figures_and_nothing_else(tables: list[pa.Table]) -> None:
    before, after = tables[1], tables[2]

    changed = {name for name in FEATURE_SCHEMA if before[name] != after[name]}

    assert changed == set(CASE_COLUMNS)


def test_figures_of_a_place_are_those_of_its_counties_together(features_of: Callable[..., list[Row]]) -> None:
    cases = [day(uid, back, count) for uid, count in ((2, 0), (3, 80)) for back in (7, 14, 28)]

    (row,) = features_of([person(1, city="city")], [*cases, day(2, 0, 30), day(3, 0, 110)])

    assert (row["cases_per_100k"], row["new_cases_7d_per_100k"]) == (140.0, 60 / 7)


@pytest.mark.parametrize(
    "unknown",
    [pytest.param([day(1, 7, None)], id="a null count"), pytest.param([], id="a missing row")],
)
def test_an_unknown_count_is_the_last_known_one(features_of: Callable[..., list[Row]], unknown: list[Row]) -> None:
    (row,) = features_of([person(1)], [day(1, 0, 100), *unknown, day(1, 9, 30), day(1, 10, 10)])

    assert row["new_cases_7d_per_100k"] == 70 * 100_000 / (7 * TOWN.population)


def test_a_county_had_no_cases_before_its_first_count(features_of: Callable[..., list[Row]]) -> None:
    (row,) = features_of([person(1)], [day(1, 0, 100)])

    assert row["growth_14d"] == 101.0


def test_a_county_that_stopped_reporting_has_no_new_cases(features_of: Callable[..., list[Row]]) -> None:
    (row,) = features_of([person(1)], [day(1, 40, 100), day(2, 0, 5)])

    assert (row["cases_per_100k"], row["new_cases_14d_per_100k"], row["growth_14d"]) == (50.0, 0.0, 1.0)


def test_new_cases_are_never_below_zero(features_of: Callable[..., list[Row]]) -> None:
    (row,) = features_of([person(1)], [day(1, 7, 100), day(1, 0, 90)])

    assert row["new_cases_7d_per_100k"] == 0.0


@pytest.mark.parametrize("blank", [None, ""], ids=["null", "an empty text"])
def test_a_blank_is_a_category_of_its_own(features_of: Callable[..., list[Row]], blank: str | None) -> None:
    (row,) = features_of([person(1, gender=blank, experience=blank)], [day(1, 0, 1)])

    assert (row["gender"], row["experience"], row["experience_missing"]) == ("missing", 0, 1)


def test_the_lowest_rank_is_no_blank(features_of: Callable[..., list[Row]]) -> None:
    (row,) = features_of([person(1, experience="<1")], [day(1, 0, 1)])

    assert (row["experience"], row["experience_missing"]) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "cases", "said"),
    [
        pytest.param({"city": "nowhere"}, [day(1, 0, 1)], "column city]: stored 'nowhere'", id="an unmapped city"),
        pytest.param({"city": None}, [day(1, 0, 1)], "column city]: stored ''", id="no city"),
        pytest.param({"experience": "21"}, [day(1, 0, 1)], "column experience]: stored '21'", id="unknown experience"),
        pytest.param({"company_size": "Oct-49"}, [day(1, 0, 1)], "company_size]: stored 'Oct-49'", id="spreadsheet"),
        pytest.param({"training_hours": None}, [day(1, 0, 1)], "training_hours]: stored 1 rows", id="no hours"),
        pytest.param(
            {"city_development_index": float("nan")}, [day(1, 0, 1)], "index]: stored 1 rows", id="index is no number"
        ),
        pytest.param({}, [day(2, 0, 1)], "no known count of cases [covid_cases]: stored 'town'", id="place uncounted"),
        pytest.param({}, [day(1, 0, None)], "no known count of cases", id="place with null counts only"),
        pytest.param({}, [], "no cases of any mapped county", id="no cases"),
    ],
)
def test_what_nobody_declared_is_refused_by_name(
    features_of: Callable[..., list[Row]], changes: Row, cases: list[Row], said: str
) -> None:
    with pytest.raises(BadInput) as refused:
        features_of([person(1, **changes)], cases)

    assert said in str(refused.value)


def test_a_message_names_the_first_few_of_many(features_of: Callable[..., list[Row]]) -> None:
    with pytest.raises(BadInput, match=r"'c0', 'c1', 'c2', 'c3', 'c4' and 2 more"):
        features_of([person(key, city=f"c{key}") for key in range(7)], [day(1, 0, 1)])


def test_models_take_the_features_as_spark_gives_them(tables: list[pa.Table]) -> None:
    predictions = predict(fit(tables[0], ModelParams("logistic_regression")), tables[0], 0.5)

    assert set(predictions["part"].to_pylist()) == {"test", "unlabelled"}
