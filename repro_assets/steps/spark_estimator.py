"""A pipeline that Spark ML fitted, asked the way scikit-learn's are: which columns, which classes, what probability.

Nothing of this class is stored: what is stored is the pipeline, in Spark's own format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from repro_assets.steps.feature_columns import FEATURE_COLUMNS

if TYPE_CHECKING:
    import pandas
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

# Parameters of stages that name columns.
_TAKEN = ("inputCol", "inputCols", "featuresCol")
_MADE = ("outputCol", "outputCols", "predictionCol", "probabilityCol", "rawPredictionCol")
_PLACE, _PROBABILITIES = "row__place", "row__probabilities"


class SparkEstimator:
    """A fitted pipeline and the session that it predicts with.

    Attributes:
        pipeline: Stages from the feature columns to the classifier, the classifier last.
    """

    def __init__(self, pipeline: PipelineModel, spark: SparkSession) -> None:
        self.pipeline = pipeline
        self._spark = spark

    @property
    def feature_names_in_(self) -> Any:
        """Columns that it takes and no stage makes, those of `FEATURE_COLUMNS` in their order: text array `(columns,)`."""
        import numpy as np

        made = {name for stage in self.pipeline.stages for name in _columns(stage, _MADE)}
        taken = {name for stage in self.pipeline.stages for name in _columns(stage, _TAKEN)} - made
        known = [name for name in FEATURE_COLUMNS if name in taken]
        return np.array([*known, *sorted(taken.difference(known))], dtype=object)

    @property
    def classes_(self) -> Any:
        """Targets in the order of the probabilities' columns: integers of shape `(2,)`."""
        import numpy as np

        return np.array([0, 1])

    def predict_proba(self, frame: pandas.DataFrame) -> Any:
        """Probability of each class: float64 of shape `(rows, 2)`, rows in the frame's order.

        Each row is computed from itself alone, so partitions can't change it; its place comes back with it.
        """
        import numpy as np
        import pyarrow as pa
        from pyspark.ml.functions import vector_to_array

        rows = pa.Table.from_pandas(frame, preserve_index=False).append_column(_PLACE, pa.array(range(len(frame))))
        predicted = self.pipeline.transform(self._spark.createDataFrame(rows))
        (column,) = _columns(self.pipeline.stages[-1], ("probabilityCol",))
        probability = vector_to_array(predicted[column]).alias(_PROBABILITIES)
        found = predicted.select(_PLACE, probability).toArrow().sort_by(_PLACE)[_PROBABILITIES]
        return np.array(found.to_pylist(), dtype=np.float64).reshape(len(frame), len(self.classes_))


def _columns(stage: Any, params: Sequence[str]) -> list[str]:
    """Names of the columns that a stage's parameters name, those that it has."""
    found: list[str] = []
    for name in params:
        if stage.hasParam(name) and stage.isDefined(name):
            value = stage.getOrDefault(name)
            found += [value] if isinstance(value, str) else list(value)
    return found
