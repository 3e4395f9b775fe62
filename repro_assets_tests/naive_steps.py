"""The talk's example as most people would write it: a split, a sum and a model that depend on the workers.

Nothing here is used by the project; it stands beside its steps in `benchmarks/compute_table.py` and in a test.

    python -m repro_assets_tests.naive_steps CLUSTER PATH_OF_JOB_CHANGES

prints what it finds on a cluster as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from repro_assets import settings as settings_module

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SEED = 42
COLUMNS = ["city_development_index", "training_hours"]


def naive_result(people: DataFrame) -> dict[str, Any]:
    """Split with `randomSplit`, add up floats, fit on rows as they come.

    Args:
        people: Rows of `job_changes`, spread over as many partitions as there are workers.

    Returns:
        Rows of the train part, a digest of who is in it, the mean of a float column over it, a coefficient, and the
        ROC AUC on the other part.
    """
    from pyspark.sql import functions as f
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    labelled = people.where(f.col("target").isNotNull())
    train, test = (part.cache() for part in labelled.randomSplit([0.8, 0.2], seed=SEED))
    rows, others = train.toPandas(), test.toPandas()
    (mean,) = train.agg(f.avg(f.col("training_hours") * 0.1)).first()  # type: ignore[misc] # never empty
    model = LogisticRegression().fit(rows[COLUMNS], rows["target"])
    keys = ",".join(str(key) for key in sorted(rows["enrollee_id"]))
    return {
        "train_rows": len(rows),
        "train_people": hashlib.sha256(keys.encode()).hexdigest()[:8],
        "mean": repr(mean),
        "coefficient": repr(float(model.coef_[0][0])),
        "roc_auc": repr(float(roc_auc_score(others["target"], model.predict_proba(others[COLUMNS])[:, 1]))),
    }


def main(cluster: str, path: str) -> int:
    """Open the cluster's session, spread the rows over its workers, print the result."""
    from repro_assets.resources.spark_cluster import close_session, open_session

    os.environ.update(settings_module.load().variables())
    session = open_session(cluster)
    try:
        people = session.read.format("delta").load(path)
        result = naive_result(people.repartition(session.sparkContext.defaultParallelism))
    finally:
        close_session()
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
