"""The same job for a grid whose meters have names instead of numbers."""

from __future__ import annotations

from pipeline.job import Job
from tests.meter_readings.job import JOB as NUMBERED

_HERE = "tests.meter_readings"
_CONTRACTS = {"meters": f"{_HERE}.contracts:NAMED_METERS", "readings": f"{_HERE}.contracts:NAMED_READINGS"}

JOB = Job.model_validate(
    {
        **NUMBERED.model_dump(),
        "name": "named_meters",
        "sources": [
            {**source.model_dump(), "contract": _CONTRACTS.get(source.name, source.contract), "suite": None}
            for source in NUMBERED.sources
        ],
        "upstream": f"{_HERE}.upstream:NamedMeterUpstream",
    }
)
