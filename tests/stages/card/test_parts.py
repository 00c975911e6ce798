"""The primary metric by partition and by segment, and what is told of segments outside of the lake."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.job import Job, PromotionGate
from pipeline.stages.card import conceal_segments, measure_partitions, measure_segments
from pipeline.stages.card.parts import MOST_SEGMENTS
from pipeline.stages.evaluate import compute_metrics
from tests.stages.parcel_job import PRICES

ROWS = 600


@pytest.fixture
def job() -> Job:
    gate = PromotionGate(min_segment=20)
    return PRICES.model_copy(update={"training": PRICES.training.model_copy(update={"gate": gate})})


@pytest.fixture
def rows() -> pd.DataFrame:
    random = np.random.default_rng(4)
    labels = random.normal(size=ROWS)
    return pd.DataFrame(
        {
            "label": labels,
            "new": labels + random.normal(scale=0.5, size=ROWS),
            "old": labels + random.normal(scale=1.0, size=ROWS),
            "day": np.repeat([f"2024-01-{day:02}" for day in range(1, 7)], ROWS // 6),
            "town": np.where(np.arange(ROWS) < 10, "hamlet", np.where(np.arange(ROWS) % 3, "Bonn", "Trier")),
        }
    )


def test_every_partition_has_the_metric_of_its_own_rows(job: Job, rows: pd.DataFrame) -> None:
    days = measure_partitions(job, rows["label"], rows["new"], rows["old"], rows["day"])
    assert [day["partition"] for day in days] == sorted(set(rows["day"]))
    first = rows[rows["day"] == "2024-01-01"]
    for name, column in (("challenger", "new"), ("champion", "old")):
        expected = compute_metrics("regression", first["label"], first[column])["rmse"]
        assert days[0][name] == pytest.approx(expected, rel=1e-3)
    assert measure_partitions(job, rows["label"], rows["new"], None, rows["day"])[0]["champion"] is None


def test_segments_have_their_metric_its_interval_and_what_the_gate_found(job: Job, rows: pd.DataFrame) -> None:
    interval = {"difference": -0.5, "low": -0.6, "high": -0.4, "rows": 390}
    found = measure_segments(
        job,
        rows["label"],
        rows["new"],
        rows["old"],
        rows[["town"]],
        rows["day"],
        [{"column": "town", "value": "Bonn", "interval": interval}],
    )
    assert [(column["column"], column["too_small"], column["left_out"]) for column in found] == [("town", 1, 0)]
    bonn, trier = found[0]["values"]
    own = rows[rows["town"] == "Bonn"]
    assert (bonn["value"], bonn["rows"]) == ("Bonn", len(own))
    expected = compute_metrics("regression", own["label"], own["new"])["rmse"]
    assert bonn["challenger"] == pytest.approx(expected, rel=1e-3)
    assert bonn["low"] < bonn["challenger"] < bonn["high"] < bonn["champion"]
    assert bonn["difference"] == {"difference": -0.5, "low": -0.6, "high": -0.4}
    assert trier["difference"] is None


def test_of_many_segments_those_of_the_most_rows_are_shown(job: Job, rows: pd.DataFrame) -> None:
    towns = pd.DataFrame({"town": [f"town {place % 20}" for place in range(ROWS)]})
    found = measure_segments(job, rows["label"], rows["new"], None, towns, rows["day"], [])
    assert (len(found[0]["values"]), found[0]["left_out"]) == (MOST_SEGMENTS, 20 - MOST_SEGMENTS)


def test_ids_are_no_segments(job: Job, rows: pd.DataFrame) -> None:
    ids = pd.DataFrame({job.entity_id: [f"P{place % 3}" for place in range(ROWS)]})
    assert measure_segments(job, rows["label"], rows["new"], None, ids, rows["day"], []) == []


def test_concealed_segments_hold_no_value(job: Job, rows: pd.DataFrame) -> None:
    found = measure_segments(job, rows["label"], rows["new"], rows["old"], rows[["town"]], rows["day"], [])
    concealed = conceal_segments(found)
    assert not [town for town in ("Bonn", "Trier", "hamlet") if town in str(concealed)]
    best, worst = sorted(value["challenger"] for value in found[0]["values"])
    assert concealed == [{"column": "town", "left_out": 0, "too_small": 1, "shown": 2, "best": best, "worst": worst}]
