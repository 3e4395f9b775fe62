"""What is studied: the one place that knows the raw tables, their keys, the split and the target by name.

Everything else (codec, pins, sensor, reuse, lineage) takes the tables from here, one, two or five of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RawTable:
    """A Delta table that others write.

    Attributes:
        name: Name in keys, paths and SQL: `[a-z][a-z0-9_]*`.
        keys: Columns that identify a row.
        feed: The published files it is ingested from, as a person would name them.
        description: What one row is.
    """

    name: str
    keys: tuple[str, ...]
    feed: str
    description: str


@dataclass(frozen=True)
class Experiment:
    """The declaration of one experiment.

    Attributes:
        name: MLflow experiment and registered model carry it.
        question: What the predictions answer.
        raw_tables: In the order in which keys name them.
        split_key: Column by whose hash a row goes to train or test.
        target: Label column, 1 = positive; null where unlabelled.
        owner: Who answers for the assets.
        caveat: Said in every output that uses the assumption behind it.
    """

    name: str
    question: str
    raw_tables: tuple[RawTable, ...]
    split_key: str
    target: str
    owner: str
    caveat: str

    @property
    def table_names(self) -> tuple[str, ...]:
        """Raw table names in key order."""
        return tuple(table.name for table in self.raw_tables)


EXPERIMENT = Experiment(
    name="job_changes_and_covid_cases",
    question="Is a data scientist changing jobs related to the number of COVID-19 cases in their city?",
    raw_tables=(
        RawTable(
            name="covid_cases",
            keys=("uid", "date"),
            feed="JHU CSSE cumulative confirmed cases per US county",
            description="Cumulative confirmed COVID-19 cases of one US county on one day",
        ),
        RawTable(
            name="job_changes",
            keys=("enrollee_id",),
            feed="Kaggle HR Analytics: Job Change of Data Scientists",
            description="One enrollee of a data science course, labelled (target 0 or 1) or not",
        ),
    ),
    split_key="enrollee_id",
    target="target",
    owner="team:data-science",
    caveat=(
        "SYNTHETIC city-to-county mapping (city_to_county_v1): the cities of the job table are anonymised, "
        "so what is said about cases in a person's city holds for this assumed mapping only."
    ),
)
