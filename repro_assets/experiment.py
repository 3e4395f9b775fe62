"""What is studied: the one place that knows the raw tables, their keys, the split, the target and the estimators.

Everything else (codec, pins, sensor, reuse, lineage) takes them from here, one table, two or five of them.
docs/your-own-tables.md says what else a person edits who studies something else.
"""

from __future__ import annotations

from repro_assets.declaration import Daily, Estimator, Experiment, RawTable

EXPERIMENT = Experiment(
    name="job_changes_and_covid_cases",
    question="Is a data scientist changing jobs related to the number of COVID-19 cases in their city?",
    raw_tables=(
        RawTable(
            name="covid_cases",
            keys=("uid", "date"),
            feed="JHU CSSE cumulative confirmed cases per US county",
            description="Cumulative confirmed COVID-19 cases of one US county on one day",
            daily=Daily(day="date", total="confirmed", noun="case"),
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
    estimators=(
        Estimator("full"),
        Estimator(
            "without_cases",
            blind_to=("cases_per_100k", "new_cases_7d_per_100k", "new_cases_14d_per_100k", "growth_14d"),
        ),
    ),
    owner="team:data-science",
    caveat=(
        "SYNTHETIC city-to-county mapping (city_to_county_v1): the cities of the job table are anonymised, "
        "so what is said about cases in a person's city holds for this assumed mapping only."
    ),
)
