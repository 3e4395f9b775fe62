"""Which columns `features` has, of which kind, and how the published texts of a person become ordered numbers."""

from __future__ import annotations

from repro_assets.experiment import EXPERIMENT

MISSING = "missing"  # the category of a blank

CATEGORICAL_COLUMNS = ("gender", "relevent_experience", "enrolled_university", "major_discipline", "company_type")

# Texts as Kaggle publishes them, misspelt column name and all, in their order.
ORDINALS: dict[str, dict[str, int]] = {
    "education_level": {
        text: rank for rank, text in enumerate(("Primary School", "High School", "Graduate", "Masters", "Phd"))
    },
    "experience": {"<1": 0, **{str(years): years for years in range(1, 21)}, ">20": 21},
    "company_size": {
        text: rank
        for rank, text in enumerate(("<10", "10/49", "50-99", "100-500", "500-999", "1000-4999", "5000-9999", "10000+"))
    },
    "last_new_job": {"never": 0, "1": 1, "2": 2, "3": 3, "4": 4, ">4": 5},
}

NUMERIC_COLUMNS = ("city_development_index", "training_hours")
ORDINAL_COLUMNS = tuple(ORDINALS)
MISSING_COLUMNS = tuple(f"{name}_missing" for name in ORDINALS)
# What the experiment asks about, so what one of its estimators is blind to.
CASE_COLUMNS = EXPERIMENT.hidden_from("without_cases")

FEATURE_COLUMNS = (*CATEGORICAL_COLUMNS, *NUMERIC_COLUMNS, *ORDINAL_COLUMNS, *MISSING_COLUMNS, *CASE_COLUMNS)

# Columns that go along and are no feature. `city` says where the case figures come from; to a model it would tell
# everything else that differs between cities.
CARRIED_COLUMNS: dict[str, str] = {"city": "string"}

# Column name to Arrow type name, in the order of the table.
FEATURE_SCHEMA: dict[str, str] = {
    EXPERIMENT.split_key: "int64",
    "part": "string",
    EXPERIMENT.target: "int64",
    **CARRIED_COLUMNS,
    **dict.fromkeys(CATEGORICAL_COLUMNS, "string"),
    "city_development_index": "double",
    "training_hours": "int64",
    **dict.fromkeys((*ORDINAL_COLUMNS, *MISSING_COLUMNS), "int64"),
    **dict.fromkeys(CASE_COLUMNS, "double"),
}
