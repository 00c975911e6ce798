"""Records of nights that were made up, for tests of what is learnt from them."""

from __future__ import annotations

from datetime import date, timedelta

from pipeline.monitoring import Distribution, FeatureDrift, Observed, Operations, Outputs, Signal

OUTPUTS = Outputs(
    rows=1,
    mean=0.0,
    std=0.0,
    quantiles={},
    share_above=None,
    concentration=1.0,
    distribution=Distribution(edges=(0.0, 1.0), counts=(1,)),
)

_OPERATIONS = Operations(
    stages=(), seconds=0.0, quarantine={}, received={}, age_seconds=None, bytes_per_prediction=None, reads=None
)


def make_night(
    number: int,
    *,
    drift: tuple[FeatureDrift, ...] = (),
    outputs: Outputs = OUTPUTS,
    signals: tuple[Signal, ...] = (),
    generation: str = "1-aaaa",
) -> Observed:
    """The record of the night that is so many days after the first one."""
    partition = (date(2023, 1, 2) + timedelta(days=number)).isoformat()
    return Observed(
        partition=partition,
        run="run",
        generation=generation,
        model_version="1",
        model_digest="0" * 64,
        observed_at=f"{partition}T12:00:00+00:00",
        went_live=True,
        rows=outputs.rows,
        signals=signals,
        outputs=outputs,
        operations=_OPERATIONS,
        drift=drift,
    )
