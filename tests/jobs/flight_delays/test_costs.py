"""The cost of warnings, and the threshold that goes with it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.job import import_attribute
from pipeline.jobs.flight_delays.costs import cost_of_warnings
from pipeline.jobs.flight_delays.job import JOB


def test_a_missed_delay_costs_three_wrong_warnings() -> None:
    labels, scores = pd.Series([0.0, 0.0, 1.0, 1.0]), pd.Series([0.1, 0.9, 0.1, 0.9])
    assert cost_of_warnings(labels, scores).tolist() == [0.0, 1.0, 3.0, 0.0]


def test_the_threshold_is_where_warning_becomes_the_cheaper_of_the_two() -> None:
    """Of flights that are late with some probability, those warned of are those for which it is worth it."""
    assert JOB.decision_threshold is not None
    for probability in (0.1, 0.24, 0.26, 0.6):
        share = pd.Series(np.arange(1000) < 1000 * probability, dtype="float64")
        warned, silent = (cost_of_warnings(share, pd.Series(np.full(1000, score))).mean() for score in (1.0, 0.0))
        assert (warned < silent) == (probability >= JOB.decision_threshold)


def test_the_job_declares_it() -> None:
    assert import_attribute(str(JOB.business_cost)) is cost_of_warnings
    assert JOB.cost_unit == "wrong warnings"
