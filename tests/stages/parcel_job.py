"""A job without flights, and small frames for it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from pipeline.job import Job, Label, Owner, Role, Source, Training

PARCELS = Job(
    name="parcels",
    description="Which parcels will come late?",
    owner=Owner(name="Post", email="post@example.com"),
    task="binary",
    timezone="Europe/Berlin",
    close_after=timedelta(hours=2),
    patience=timedelta(hours=1),
    first_partition=date(2024, 1, 1),
    sources=(
        Source(name="parcels", role=Role.POPULATION, key=("parcel",), contract="tests.none:PARCELS"),
        Source(name="arrivals", role=Role.EVENTS, key=("parcel",), contract="tests.none:ARRIVALS"),
    ),
    feature_set="tests.none:FEATURES",
    model="tests.none:build_model",
    label=Label(source="arrivals", value="is_late", closes_after=1),
    training=Training(window=30, minimum=7, holdout=3, seed=11),
    decimals=4,
)
PRICES = PARCELS.model_copy(update={"name": "prices", "task": "regression", "score_range": (-100.0, 100.0)})


def make_parcels(rows: int = 200) -> tuple[pd.DataFrame, pd.Series]:
    """Features as built (id first) and binary labels."""
    random = np.random.default_rng(5)
    features = pd.DataFrame(
        {
            "parcel": [f"P{number}" for number in range(rows)],
            "weight": random.normal(size=rows),
            "distance": random.normal(size=rows),
        }
    )
    return features, (features["weight"] + random.normal(size=rows) > 0).astype("int64")
