"""Which component moved which metric on the way from one run to another.

Each component is changed alone, and all of them one after the other. What the single effects leave of the total is the
interaction: the part that no component has for itself (in the words of factorial designs: Box, Hunter and Hunter,
*Statistics for Experimenters*, chapter 5).

Here belongs what follows from the metrics of the variants. Getting them does not (`verbs.blame`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from repro_assets.pins.variant import Outcome

SCHEMA = "repro-blame/1"

# Components of the second run that a variant has; the others are those of the first.
Taken = frozenset[str]


@dataclass(frozen=True)
class Blame:
    """The way from one run to another, component by component.

    Attributes:
        first: MLflow run that is gone from.
        second: MLflow run that is gone to.
        order: Components that differ, in the order they were changed one after the other.
        outcomes: Of every variant, the two runs themselves included.
    """

    first: str
    second: str
    order: tuple[str, ...]
    outcomes: Mapping[Taken, Outcome]

    @property
    def names(self) -> list[str]:
        """Metrics that move in any variant, in the order of the runs."""
        every = [outcome.metrics for outcome in self.outcomes.values()]
        names = dict.fromkeys(name for metrics in every for name in metrics)
        moved = (name for name in names if len({metrics.get(name) for metrics in every if metrics}) > 1)
        return sorted(moved, key=list(names).index)

    def total(self, name: str) -> float | None:
        """What the metric moved by, from the first run to the second."""
        return self._between(name, frozenset(), frozenset(self.order))

    def alone(self, component: str, name: str) -> float | None:
        """What the metric moves by where only this component is changed."""
        return self._between(name, frozenset(), frozenset({component}))

    def step(self, component: str, name: str) -> float | None:
        """What the metric moves by where this component is changed after those before it."""
        before = frozenset(self.order[: self.order.index(component)])
        return self._between(name, before, before | {component})

    def interaction(self, name: str) -> float | None:
        """Total less the sum of the single effects; None where one of them is not known."""
        total, single = self.total(name), [self.alone(component, name) for component in self.order]
        known = [effect for effect in single if effect is not None]
        return None if total is None or len(known) < len(single) else total - sum(known)

    def as_document(self) -> dict[str, Any]:
        """The answer as JSON values."""
        return {
            "schema": SCHEMA,
            "from": self.first,
            "to": self.second,
            "order": list(self.order),
            "components": {component: self._component(component) for component in self.order},
            "total": {name: self.total(name) for name in self.names},
            "interaction": {name: self.interaction(name) for name in self.names},
            "variants": [
                {
                    "taken": [one for one in self.order if one in taken],
                    **vars(outcome),
                    "metrics": dict(outcome.metrics),
                }
                for taken, outcome in self.outcomes.items()
            ],
        }

    def _component(self, component: str) -> dict[str, Any]:
        outcome = self.outcomes[frozenset({component})]
        return {
            "alone": {name: self.alone(component, name) for name in self.names},
            "in_order": {name: self.step(component, name) for name in self.names},
            "first_difference": outcome.first_difference,
            "mlflow_run_id": outcome.mlflow_run_id,
            "reason": outcome.reason,
        }

    def _between(self, name: str, before: Taken, after: Taken) -> float | None:
        pair = [self.outcomes[taken].metrics.get(name) for taken in (before, after)]
        return None if pair[0] is None or pair[1] is None else pair[1] - pair[0]


def cheapest_order(components: Sequence[str], is_known: Callable[[Taken], bool]) -> tuple[str, ...]:
    """The order of changes whose steps in between are known most often.

    Every component alone is needed anyway, and the last step is the second run: what an order costs is what it asks for
    between the two. Among orders of equal cost the given one comes first.

    Args:
        components: Those that differ.
        is_known: Whether a variant need not be computed.
    """
    return min(
        permutations(components),
        key=lambda order: sum(not is_known(taken) for taken in between(order)),
        default=tuple(components),
    )


def between(order: Sequence[str]) -> list[Taken]:
    """Variants that an order asks for beyond the single changes and the second run."""
    return [frozenset(order[:length]) for length in range(2, len(order))]


def variants(order: Sequence[str]) -> list[Taken]:
    """Every variant that has to be got besides the two runs: each component alone, then the steps of the order."""
    single = [frozenset({component}) for component in order] if len(order) > 1 else []
    return [*single, *between(order)]
