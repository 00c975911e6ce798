"""What a model does not know follows from its job's declaration and its holdout."""

from __future__ import annotations

from typing import Any

from pipeline.job import Job, PromotionGate
from pipeline.stages.card import list_caveats
from tests.stages.parcel_job import PARCELS, PRICES

DATA: dict[str, Any] = {
    "trained": {"first": "2024-01-01", "last": "2024-01-30", "partitions": 30, "rows": 9000},
    "holdout": {"first": "2024-02-01", "last": "2024-02-07", "partitions": 7, "rows": 2100},
    "left_out": {},
}
METRICS = {"calibration_error": 0.0123, "calibration": 0.02, "bias": -0.5}
TOWNS = {"column": "town", "too_small": 3}


def tell(job: Job = PARCELS, segments: list[dict[str, Any]] | None = None, **data: Any) -> str:
    return "\n".join(list_caveats(job, DATA | data, METRICS, [TOWNS] if segments is None else segments))


def declare(**training: Any) -> Job:
    return PARCELS.model_copy(update={"training": PARCELS.training.model_copy(update=training)})


def test_the_delay_of_labels_and_the_range_of_scores_are_told() -> None:
    told = tell()
    assert "known 1 day after the partition" in told
    assert "nothing after 2024-01-30" in told
    assert "anything after 2024-02-07" in told
    assert "Scores outside of 0 to 1 are refused" in told


def test_the_calibration_is_told_with_its_limit_and_its_direction() -> None:
    assert "0.0123 apart on average; the job sets no limit" in tell()
    assert "the job's limit is 0.05" in tell(declare(gate=PromotionGate(max_calibration_error=0.05)))
    assert "predicts 0.02 too much" in tell()
    assert "predicts 0.5 too little" in tell(PRICES)


def test_segments_that_are_too_small_are_told_and_so_is_that_there_are_none() -> None:
    assert "3 segments of town have fewer than 200 rows" in tell()
    assert "declares no segments" in tell(segments=[])
    assert "segments" not in tell(segments=[TOWNS | {"too_small": 0}])


def test_a_short_holdout_left_out_days_and_samples_are_told() -> None:
    assert "come from rows" not in tell()
    assert "come from rows" in tell(holdout=DATA["holdout"] | {"partitions": 3})
    assert "2 partitions could not be used" in tell(left_out={"2024-01-02": "late", "2024-01-03": "late"})
    assert "a sample of 9000 rows" in tell(declare(max_rows=9000))
