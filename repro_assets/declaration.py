"""The words in which an experiment is declared: raw tables, what tells train from test, estimators.

The one declaration itself is `experiment.py`; here are its types, and what any declaration has to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repro_assets.errors import BadInput


@dataclass(frozen=True)
class Daily:
    """Columns of a raw table that are drawn as a curve on its page.

    Attributes:
        day: A DATE.
        total: What was counted up to and with that day.
        noun: What is counted, in the singular; the plot is called `NOUN_curve`.
    """

    day: str
    total: str
    noun: str


@dataclass(frozen=True)
class RawTable:
    """A Delta table that others write.

    Attributes:
        name: Name in keys, paths and SQL: `[a-z][a-z0-9_]*`.
        keys: Columns that identify a row.
        feed: Where its rows come from, as a person would name it.
        description: What one row is.
        daily: What its page shows as a curve; None for no curve.
    """

    name: str
    keys: tuple[str, ...]
    feed: str
    description: str
    daily: Daily | None = None


@dataclass(frozen=True)
class Estimator:
    """One of the estimators that are fitted on the same rows with the same parameters.

    Attributes:
        name: Name of its file, and of the registered model behind the experiment's.
        blind_to: Feature columns that it never sees.
    """

    name: str
    blind_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """The declaration of one experiment.

    Attributes:
        name: MLflow experiment and registered models carry it.
        question: What the predictions answer.
        raw_tables: In the order in which keys name them.
        split_key: Column by whose hash a row goes to train or test; alone the key of one raw table.
        target: Label column of that table, 1 = positive; null where unlabelled.
        estimators: What is fitted; the first one's probability is the prediction, others are compared with it.
        owner: Who answers for the assets.
        caveat: Said in every output: the assumption that everything rests on.

    Raises:
        BadInput: The declaration contradicts itself.
    """

    name: str
    question: str
    raw_tables: tuple[RawTable, ...]
    split_key: str
    target: str
    estimators: tuple[Estimator, ...]
    owner: str
    caveat: str

    def __post_init__(self) -> None:
        _require_distinct("raw tables", self.table_names)
        _require_distinct("estimators", [estimator.name for estimator in self.estimators])
        split_tables = [table.name for table in self.raw_tables if table.keys == (self.split_key,)]
        if len(split_tables) != 1:
            raise BadInput(
                "the split key has to be the whole key of one raw table",
                where="experiment.py",
                stored=f"{self.split_key}: key of {', '.join(split_tables) or 'none'}",
                expected="one raw table",
            )

    @property
    def table_names(self) -> tuple[str, ...]:
        """Raw table names in key order."""
        return tuple(table.name for table in self.raw_tables)

    @property
    def split_table(self) -> RawTable:
        """The raw table whose rows go to train or test."""
        return next(table for table in self.raw_tables if table.keys == (self.split_key,))

    def table(self, name: str) -> RawTable:
        """One raw table.

        Raises:
            BadInput: There is none of this name.
        """
        for table in self.raw_tables:
            if table.name == name:
                return table
        raise BadInput("not a raw table of the experiment", stored=name, expected=", ".join(self.table_names))

    def hidden_from(self, estimator: str) -> tuple[str, ...]:
        """Feature columns that an estimator never sees.

        Raises:
            BadInput: There is none of this name.
        """
        for one in self.estimators:
            if one.name == estimator:
                return one.blind_to
        names = ", ".join(one.name for one in self.estimators)
        raise BadInput("not an estimator of the experiment", stored=estimator, expected=names)


def _require_distinct(what: str, names: Sequence[str]) -> None:
    if not names or len(set(names)) != len(names):
        raise BadInput(
            f"{what} without a name each",
            where="experiment.py",
            stored=", ".join(names) or "none",
            expected="one or more, each named once",
        )
