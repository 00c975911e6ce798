"""Sustained: told apart from a bad night, a drop in accuracy that lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Drop:
    """When a drop in accuracy counts: ``k`` of the newest ``n`` nights were bad.

    A night is bad if its metric is beyond the ``quantile`` of the ``reference`` nights before those ``n``: storms come
    and go, so what is usual is taken from the nights themselves.
    """

    k: int = 5
    n: int = 7
    reference: int = 28
    quantile: float = 0.8


def is_dropped(metrics: Sequence[float], drop: Drop) -> bool:
    """Whether the newest nights were bad for long enough; False while there are too few to tell.

    Args:
        metrics: a night each, oldest first; lower is better.
    """
    if len(metrics) < drop.n + drop.reference:
        return False
    usual, newest = metrics[-drop.n - drop.reference : -drop.n], metrics[-drop.n :]
    limit = np.quantile(usual, drop.quantile)
    return holds_often([bool(metric > limit) for metric in newest], drop.k, drop.n)


def holds_often(flags: Sequence[bool], k: int, n: int) -> bool:
    """Whether ``k`` of the newest ``n`` are true."""
    return sum(flags[-n:]) >= k
