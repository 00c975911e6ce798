"""How many rows may be refused before the whole partition is."""

from __future__ import annotations

import pytest

from pipeline.errors import BadInputError
from pipeline.stages.validate import check_quarantine_share


def share(received: int, quarantined: int, **reasons: int) -> None:
    check_quarantine_share(
        received, quarantined, 0.02, job="flight_delays", partition="2013-04-01", source="flights", reasons=reasons
    )


def is_accepted(received: int, quarantined: int) -> bool:
    try:
        share(received, quarantined)
    except BadInputError:
        return False
    return True


@pytest.mark.parametrize(
    ("received", "quarantined", "accepted"),
    [(1000, 0, True), (1000, 20, True), (1000, 21, False), (49, 1, False), (1, 1, False), (0, 0, True)],
)
def test_a_share_of_bad_rows_is_accepted_up_to_the_limit(received: int, quarantined: int, accepted: bool) -> None:
    assert is_accepted(received, quarantined) is accepted


def test_too_large_a_share_names_job_partition_source_and_reasons() -> None:
    reasons = {f"reason_{number}": number for number in range(1, 8)}
    with pytest.raises(BadInputError) as error:
        share(1000, 21, **reasons)
    text = str(error.value)
    for part in ("flight_delays", "2013-04-01", "'flights'", "2.10%", "21 quarantined: reason_7 (7 rows); reason_6"):
        assert part in text
    assert "and 2 more reasons" in text


def test_all_rows_bad_is_said_so() -> None:
    with pytest.raises(BadInputError, match="every row broke the contract"):
        share(5, 5, x=5)
