"""Documents of cards, from made-up rows and the real stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.job import Job
from pipeline.stages import card
from pipeline.stages.evaluate import PRIMARY_METRIC, compute_metrics
from tests.stages.parcel_job import PARCELS, PRICES

ROWS = 2000
DAYS = 8


def make_document(task: str = "binary", town: str = "Bonn", *, champion: bool = True) -> dict[str, Any]:
    """What a card is made of; ``town`` stands wherever a value of upstream's rows may."""
    job = PARCELS if task == "binary" else PRICES
    random = np.random.default_rng(8)
    chance = random.beta(2, 5, ROWS)
    labels = pd.Series((random.uniform(size=ROWS) < chance).astype("float64") if task == "binary" else 50 * chance)
    new = pd.Series(np.clip(chance + random.normal(scale=0.03, size=ROWS), 0.01, 0.99))
    old = pd.Series(np.clip(chance + random.normal(scale=0.12, size=ROWS), 0.01, 0.99))
    if task == "regression":
        new, old = 50 * new, 50 * old
    days = pd.Series(np.repeat([f"2024-02-{day:02}" for day in range(1, DAYS + 1)], ROWS // DAYS))
    towns = pd.DataFrame({"town": np.where(np.arange(ROWS) % 3, town, "Trier")})
    given = {"model": new} | ({"champion": old} if champion else {})
    curves: dict[str, Any] = {
        "calibration": {name: card.compute_bins(job.task, labels, s) for name, s in given.items()}
    }
    if task == "binary":
        curves["roc"] = {name: card.compute_roc(labels, scores) for name, scores in given.items()}
    else:
        curves["residuals"] = card.compute_residuals(labels, new)
    return {
        **_describe(job, champion=champion),
        "quality": {
            "metric": PRIMARY_METRIC[job.task],
            "metrics": {name: compute_metrics(job.task, labels, s) for name, s in given.items()},
            "champion": "2" if champion else None,
            "interval": {"difference": -0.0123, "low": -0.02, "high": -0.004, "rows": ROWS} if champion else None,
            "confidence": 0.95,
            "cost_unit": "EUR",
        },
        "curves": curves,
        "partitions": card.measure_partitions(job, labels, new, given.get("champion"), days),
        "segments": card.measure_segments(job, labels, new, given.get("champion"), towns, days, []),
    }


def conceal(document: dict[str, Any]) -> dict[str, Any]:
    """What may be told of it outside of the lake."""
    return {**document, "segments": card.conceal_segments(document["segments"]), "conceals_segments": True}


def _describe(job: Job, *, champion: bool) -> dict[str, Any]:
    """The parts that are not measured."""
    trained = {"first": "2024-01-01", "last": "2024-01-30", "partitions": 30, "rows": 12345}
    holdout = {"first": "2024-02-01", "last": "2024-02-08", "partitions": DAYS, "rows": ROWS}
    return {
        "version": "3",
        "job": {
            "name": job.name,
            "description": job.description,
            "owner": job.owner.model_dump(),
            "task": job.task,
            "population": "parcels",
            "entity_id": "parcel",
            "label": "is_late of arrivals, 1 d after the partition",
            "score_range": [0.0, 1.0],
            "decision_threshold": 0.5,
        },
        "data": {
            "dataset_version": "d" * 64,
            "known_by": "2024-02-09",
            "trained": trained,
            "holdout": holdout,
            "gap": 1,
            "left_out": {"2024-01-17": "arrivals was not delivered, found: nothing"},
        },
        "features": {"name": "parcels", "version": 4, "digest": "f" * 64, "columns": [{"name": "weight"}]},
        "making": {
            "estimator": "Pipeline of ColumnTransformer, HistGradientBoostingClassifier",
            "parameters": {"line__alpha": 1.0, "seed": 11},
            "search": [{"parameters": {"line__alpha": 1.0}, PRIMARY_METRIC[job.task]: 0.51}],
            "calibration": {"method": "isotonic", "partitions": 5},
            "seed": 11,
            "code_version": "0.1.0+abc",
            "library_versions": {"scikit-learn": "1.9.1"},
            "model_digest": "a" * 64,
            "metadata_digest": "b" * 64,
            "is_signed": True,
        },
        "verdict": {
            "promote": True,
            "why": "better than the champion",
            "checks": [
                {"name": "overall", "passed": champion, "words": "better than the champion"},
                {"name": "calibration", "passed": True, "words": "calibrated: error 0.0123 (limit 0.05)"},
            ],
        },
        "importance": [{"feature": f"feature_{place}", "mean": 0.1 / place, "spread": 0.003} for place in range(1, 20)],
        "caveats": ["Outcomes are known 1 day after the partition."],
    }
