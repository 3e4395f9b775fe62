"""Fits the experiment's estimators with Spark ML, so that neither workers nor partitions have a say in the result.

Spark adds up gradients, sums of squares and tree statistics per partition and then over partitions, in the order in
which tasks end: floating point sums that differ with the cluster. So all rows stand in ONE partition, in total order;
every sum is then one loop over the same numbers. What that costs is parallel fitting, which a table of people can spare.
Seeds are integers, always. https://spark.apache.org/docs/latest/ml-classification-regression.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from repro_assets.errors import BadInput
from repro_assets.experiment import EXPERIMENT
from repro_assets.steps.feature_columns import CATEGORICAL_COLUMNS, FEATURE_SCHEMA
from repro_assets.steps.model_fit import columns_of, train_rows
from repro_assets.steps.model_params import ModelParams
from repro_assets.steps.spark_estimator import SparkEstimator
from repro_assets.steps.split import TARGET

if TYPE_CHECKING:
    import pyarrow
    from pyspark.ml import Pipeline
    from pyspark.sql import DataFrame, SparkSession

_NUMBERS, _SCALED, _FEATURES = "numbers__assembled", "numbers__scaled", "features__assembled"


def fit_on_spark(spark: SparkSession, features: pyarrow.Table, params: ModelParams) -> dict[str, SparkEstimator]:
    """Fit every estimator on the rows of the part `train`; rows of other parts are never looked at.

    Args:
        spark: Any session; the result does not depend on its cluster.
        features: A table with the columns of `FEATURE_SCHEMA`, rows in any order.
        params: The same for all; of a family of `SPARK_FAMILIES`.

    Returns:
        By name, in the experiment's order.

    Raises:
        BadInput: Other columns, a null where none may be, nobody of a class, or a fit that doesn't converge.
    """
    train = train_rows(features, least=1, because="to tell them apart")
    frame = in_one_partition(spark.createDataFrame(train)).cache()
    try:
        return {
            estimator.name: SparkEstimator(_fitted(frame, estimator.name, params), spark)
            for estimator in EXPERIMENT.estimators
        }
    finally:
        frame.unpersist()


def in_one_partition(frame: DataFrame) -> DataFrame:
    """The rows in total order in a single partition, however they came."""
    return frame.repartition(1).sortWithinPartitions(*frame.columns)


def _fitted(frame: DataFrame, estimator: str, params: ModelParams) -> Any:
    pipeline = _pipeline(columns_of(estimator), params).fit(frame)
    if params.family == "spark_logistic_regression":
        _refuse_unconverged(pipeline.stages[-1], params)
    return pipeline


def _pipeline(columns: tuple[str, ...], params: ModelParams) -> Pipeline:
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler

    texts = [name for name in columns if name in CATEGORICAL_COLUMNS]
    numbers = [name for name in columns if FEATURE_SCHEMA[name] != "string"]
    places, switches = [f"{name}__place" for name in texts], [f"{name}__switches" for name in texts]
    # A category that nobody in train has takes a place of its own, the last, whose column is dropped: all are 0.
    index = StringIndexer(inputCols=texts, outputCols=places, stringOrderType="alphabetAsc", handleInvalid="keep")
    return Pipeline(
        stages=[
            index,
            OneHotEncoder(inputCols=places, outputCols=switches, dropLast=True),
            VectorAssembler(inputCols=numbers, outputCol=_NUMBERS),
            StandardScaler(inputCol=_NUMBERS, outputCol=_SCALED, withMean=True, withStd=True),
            VectorAssembler(inputCols=[*switches, _SCALED], outputCol=_FEATURES),
            _classifier(params),
        ]
    )


def _classifier(params: ModelParams) -> Any:
    from pyspark.ml.classification import GBTClassifier, LogisticRegression

    given = dict(params.hyperparameters)
    if params.family == "spark_logistic_regression":
        return LogisticRegression(
            labelCol=TARGET,
            featuresCol=_FEATURES,
            family="binomial",
            maxIter=int(given["max_iter"]),
            regParam=float(given["reg_param"]),
            elasticNetParam=float(given["elastic_net_param"]),
        )
    return GBTClassifier(
        labelCol=TARGET,
        featuresCol=_FEATURES,
        seed=params.random_state,
        maxIter=int(given["max_iter"]),
        maxDepth=int(given["max_depth"]),
        stepSize=float(given["step_size"]),
        minInstancesPerNode=int(given["min_instances_per_node"]),
    )


def _refuse_unconverged(model: Any, params: ModelParams) -> None:
    if model.summary.totalIterations >= params.hyperparameters["max_iter"]:
        raise BadInput(
            "the model did not converge",
            where=params.family,
            stored=f"max_iter {params.hyperparameters['max_iter']}",
            fix="Raise max_iter or reg_param",
        )
