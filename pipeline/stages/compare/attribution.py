"""Attribution: how much of a change came from the model, the data and the definitions of the features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from statistics import fmean

State = tuple[str, ...]
"""The factors that are already those of the later release, in alphabetical order."""


@dataclass(frozen=True)
class Share:
    """What one factor contributed, in units of the value that changed."""

    factor: str
    contribution: float


def attribute_change(
    factors: Sequence[str], value: Callable[[State], float], orders: Sequence[Sequence[str]] | None = None
) -> list[Share]:
    """Divide ``value(all factors) - value(none)`` among the factors; the shares add up to it.

    With ``orders=None`` each factor gets its mean contribution over every order in which they could have changed: the
    Shapley value (Shapley 1953, "A value for n-person games").  Where some mixtures cannot be computed, name the
    orders that can; one order is a sequential attribution.

    Args:
        value: what is explained, at a mixture of both releases.
    """
    ways = list(permutations(factors)) if orders is None else [tuple(order) for order in orders]
    known: dict[State, float] = {}

    def look_up(state: State) -> float:
        if state not in known:
            known[state] = value(state)
        return known[state]

    steps: Mapping[str, list[float]] = {factor: [] for factor in factors}
    for way in ways:
        for position, factor in enumerate(way):
            before, after = tuple(sorted(way[:position])), tuple(sorted(way[: position + 1]))
            steps[factor].append(look_up(after) - look_up(before))
    return [Share(factor, fmean(steps[factor])) for factor in factors]
