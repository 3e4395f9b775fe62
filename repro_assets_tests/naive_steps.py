"""The talk's example as most people would write it: a split, a sum and a model that depend on the workers.

Nothing here is used by the project; it stands beside its steps in `benchmarks/compute_table.py` and in a test.

    python -m repro_assets_tests.naive_steps CLUSTER FOLDER_OF_RAW_TABLES

prints what it finds on a cluster as JSON, and into how many partitions Spark cut each raw table when it read it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from repro_assets import settings as settings_module
from repro_assets.steps.split import side

if TYPE_CHECKING:
    import pandas
    from pyspark.sql import DataFrame

SEED = 42
SALT = "naive"
COLUMNS = ["city_development_index", "training_hours"]


def naive_result(people: DataFrame) -> dict[str, Any]:
    """Split with `randomSplit`, add up floats, fit on rows as they come: each alone, and all together.

    Args:
        people: Rows of `job_changes`, spread over as many partitions as there are workers.

    Returns:
        Each alone: `train_rows` and `train_people` (rows, and a digest of who they are) of the random split; `mean` of
        a float column over everybody labelled, a sum in another grouping; `same_people`, a coefficient of a model of
        the people whom the project's split puts in train, their rows in another order.
        All together: `coefficient` and `roc_auc` of a model of the random train part.
    """
    from pyspark.sql import functions as f

    labelled = people.where(f.col("target").isNotNull())
    (mean,) = labelled.agg(f.avg(f.col("training_hours") * 0.1)).first()  # type: ignore[misc] # never empty
    train, test = (part.toPandas() for part in labelled.randomSplit([0.8, 0.2], seed=SEED))
    rows = labelled.toPandas()
    same = rows[[side(int(key), SALT, 0.2) == "train" for key in rows["enrollee_id"]]]
    keys = ",".join(str(key) for key in sorted(train["enrollee_id"]))
    return {
        "train_rows": len(train),
        "train_people": hashlib.sha256(keys.encode()).hexdigest()[:8],
        "mean": repr(mean),
        "same_people": _fitted(same, test)[0],
        **dict(zip(("coefficient", "roc_auc"), _fitted(train, test), strict=True)),
    }


def _fitted(train: pandas.DataFrame, test: pandas.DataFrame) -> tuple[str, str]:
    """A coefficient, and the ROC AUC on other rows, to the last digit."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    model = LogisticRegression(max_iter=1000).fit(train[COLUMNS], train["target"])
    score = roc_auc_score(test["target"], model.predict_proba(test[COLUMNS])[:, 1])
    return repr(float(model.coef_[0][0])), repr(float(score))


def main(cluster: str, folder: str) -> int:
    """Open the cluster's session, spread the rows over its workers, print the result."""
    from repro_assets.resources.spark.spark_cluster import close_session, open_session

    os.environ.update(settings_module.load().variables())
    session = open_session(cluster)
    try:
        tables = {
            name: session.read.format("delta").load(f"{folder}/{name}") for name in ("covid_cases", "job_changes")
        }
        result = naive_result(tables["job_changes"].repartition(session.sparkContext.defaultParallelism))
        partitions = {name: frame.rdd.getNumPartitions() for name, frame in tables.items()}
    finally:
        close_session()
    sys.stdout.write(json.dumps({"result": result, "partitions": partitions}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
