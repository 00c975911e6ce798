"""The flight job's upstream, read once."""

from __future__ import annotations

import pytest

from pipeline.jobs.flight_delays.upstream import FlightUpstream


@pytest.fixture(scope="session")
def upstream() -> FlightUpstream:
    return FlightUpstream()
