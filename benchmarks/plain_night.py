"""The night as a script that a team would write at first: whole frames, libraries used as their tutorials show.

:mod:`benchmarks.night` holds Nightjar against it: the same files, contract, expectations, features, model and Redis.
It prints the seconds of its steps as JSON.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STEPS: dict[str, float] = {}


@contextmanager
def step(name: str) -> Iterator[None]:
    """Time the body."""
    started = time.perf_counter()
    yield
    STEPS[name] = round(time.perf_counter() - started, 2)


with step("imports"):
    import great_expectations as gx
    import joblib
    import pandas as pd
    import redis
    import sklearn  # noqa: F401

    from benchmarks.customers.contracts import CUSTOMERS, EVENTS, KINDS, PLANS
    from benchmarks.customers.feature_set import FEATURES, WINDOWS
    from benchmarks.customers.job import NIGHT
    from benchmarks.customers.suites import CATEGORIES, MEANS, NULL_SHARES
    from benchmarks.plain_features import build_features, read_day, read_events

LAKE = Path(os.environ["NIGHTJAR_LAKE"])
expect: Any = gx.expectations


def main() -> None:
    """Do the night, step by step."""
    with step("read"):
        customers = read_day(LAKE, "customers", NIGHT)
        events = read_events(LAKE, NIGHT, max(WINDOWS))
    with step("pandera"):
        customers = CUSTOMERS.validate(customers, lazy=True)
        tonight = EVENTS.validate(events[events["age"] == 0].drop(columns="age"), lazy=True)
    with step("great expectations"):
        check("customers", customers, expect_of_customers())
        check("events", tonight, expect_of_events())
    with step("features"):
        features = build_features(customers, events, WINDOWS, FEATURES)
    with step("score"):
        model = joblib.load(next(LAKE.glob("jobs/customers/artifacts/*.joblib")))
        scores = model.predict_proba(features)[:, 1].round(6)
    with step("redis"):
        publish(customers["customer_id"], scores)
    print(json.dumps(STEPS))


def expect_of_customers() -> list[Any]:
    """What :func:`benchmarks.customers.suites.customers_suite` expects, of the frame itself."""
    return [
        expect.ExpectTableRowCountToBeBetween(min_value=1_000),
        expect.ExpectColumnValuesToBeUnique(column="customer_id"),
        *(
            expect.ExpectColumnDistinctValuesToBeInSet(column=name, value_set=list(values))
            for name, values in CATEGORIES.items()
        ),
        expect.ExpectColumnMedianToBeBetween(column="age", min_value=30, max_value=60),
        expect.ExpectColumnMedianToBeBetween(column="basket", min_value=5, max_value=100),
        expect.ExpectColumnMedianToBeBetween(column="balance", min_value=100, max_value=10_000),
        expect.ExpectColumnValuesToBeBetween(column="tickets", min_value=0, max_value=50, mostly=0.99),
        expect.ExpectColumnStdevToBeBetween(column="discount", min_value=0.01, max_value=0.5),
        *(
            expect.ExpectColumnMeanToBeBetween(column=name, min_value=low, max_value=high)
            for name, (low, high) in MEANS.items()
        ),
        *(expect.ExpectColumnValuesToNotBeNull(column=name, mostly=1 - most) for name, most in NULL_SHARES.items()),
        *(expect.ExpectColumnDistinctValuesToContainSet(column="plan", value_set=[plan]) for plan in PLANS),
    ]


def expect_of_events() -> list[Any]:
    """What :func:`benchmarks.customers.suites.events_suite` expects, of the frame itself."""
    return [
        expect.ExpectTableRowCountToBeBetween(min_value=1_000),
        expect.ExpectColumnDistinctValuesToBeInSet(column="kind", value_set=list(KINDS)),
        expect.ExpectColumnValuesToBeUnique(column="event_id"),
        expect.ExpectColumnMedianToBeBetween(column="amount", min_value=5, max_value=100),
        expect.ExpectColumnMeanToBeBetween(column="amount", min_value=10, max_value=100),
        *(expect.ExpectColumnDistinctValuesToContainSet(column="kind", value_set=[kind]) for kind in KINDS),
        expect.ExpectColumnQuantileValuesToBeBetween(
            column="amount", quantile_ranges={"quantiles": [0.95], "value_ranges": [[None, 1_000]]}
        ),
    ]


def check(name: str, frame: pd.DataFrame, expectations: list[Any]) -> None:
    """Hold a suite against a frame, or stop."""
    context = gx.get_context(mode="ephemeral")
    progress_bars: Any = {"globally": False, "metric_calculations": False}
    context.config.progress_bars = progress_bars
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe(name).get_batch(batch_parameters={"dataframe": frame})
    result = batch.validate(gx.ExpectationSuite(name=name, expectations=expectations))
    assert result.success, result


def publish(ids: pd.Series, scores: Any) -> None:
    """A key an entity, through a pipeline."""
    client = redis.Redis.from_url(os.environ["NIGHTJAR_REDIS_URL"])
    names, values = ids.tolist(), scores.tolist()
    for first in range(0, len(names), 10_000):
        pipeline = client.pipeline(transaction=False)
        for name, value in zip(names[first : first + 10_000], values[first : first + 10_000], strict=True):
            pipeline.set(f"customers:{name}", json.dumps({"score": value, "model_version": "1"}))
        pipeline.execute()


if __name__ == "__main__":
    main()
