"""Observed nights, made up, of which only the estimate counts."""

from __future__ import annotations

from pipeline.monitoring import Distribution, Estimate, Observed, Operations, Outputs, Signal

OUTPUTS = Outputs(
    rows=2,
    mean=0.5,
    std=0.0,
    quantiles={"0.5": 0.5},
    share_above=None,
    concentration=1.0,
    distribution=Distribution(edges=(0.0, 1.0), counts=(2,)),
)
OPERATIONS = Operations(
    stages=(),
    seconds=1.0,
    quarantine={},
    received={},
    age_seconds=None,
    bytes_per_prediction=None,
    reads=None,
)


def make_observed(
    partition: str, estimate: Estimate | None, *, generation: str = "1-aaaa", signals: tuple[Signal, ...] = ()
) -> Observed:
    """A night that was served."""
    return Observed(
        partition=partition,
        run="first",
        generation=generation,
        model_version="1",
        model_digest="0" * 64,
        observed_at="2024-06-01T00:00:00+00:00",
        went_live=True,
        rows=2,
        signals=signals,
        outputs=OUTPUTS,
        operations=OPERATIONS,
        estimate=estimate,
    )
