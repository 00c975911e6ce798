"""The job as a whole on real data: better than chance, and not better than anybody could be.

The demo's test holds the AUC of three nights between much the same bounds; this adds a whole week, its log loss and its
calibration.
"""

from __future__ import annotations

import json

import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.quality import main


@pytest.mark.slow
def test_a_week_in_march_is_predicted_as_well_as_one_may_hope(capsys: pytest.CaptureFixture[str]) -> None:
    """A leak would show: with the outcome of the day itself the AUC goes beyond 0.9."""
    with threadpool_limits(1):
        main(["--from", "2013-03-04", "--to", "2013-03-10", "--json"])
    report = json.loads(capsys.readouterr().out)
    week = report["weeks"][0]
    assert week["rows"] > 5_000
    assert 0.62 < week["auc"] < 0.82
    assert week["log_loss"] < 0.62
    assert abs(week["calibration"]) < 0.2
