"""Numbers as people read them."""

from __future__ import annotations

import pytest

from pipeline.alerts.quantities import describe_quantity


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.0123, "seconds", "12.3 ms"),
        (90.0, "seconds", "90 s"),
        (7200.0, "seconds", "2 h 0 min"),
        (302400.0, "seconds", "3 d 12 h"),
        (0.125, "share", "12.5 %"),
        (536870912.0, "bytes", "512 MiB"),
        (0.48213, "", "0.4821"),
        (3.0, "attempts", "3 attempts"),
    ],
)
def test_a_number_has_its_unit(value: float, unit: str, words: str) -> None:
    assert describe_quantity(value, unit) == words
