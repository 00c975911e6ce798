"""What every batch of the customers job's sources must be as a whole: 39 expectations over a night's two batches."""

from __future__ import annotations

from typing import Any

from great_expectations import expectations

from benchmarks.customers.contracts import CHANNELS, COUNTRIES, DEVICES, KINDS, PLANS, SEGMENTS
from pipeline.contracts import Suite

gx: Any = expectations  # its types know neither its expectations nor severities as text

CATEGORIES = {"country": COUNTRIES, "segment": SEGMENTS, "plan": PLANS, "channel": CHANNELS, "device": DEVICES}
MEANS = {
    "age": (30, 60),
    "tenure_months": (20, 120),
    "products": (1, 6),
    "tickets": (0, 20),
    "balance": (0, 20_000),
    "credit_limit": (500, 10_000),
    "discount": (0.05, 0.4),
    "basket": (10, 200),
    "distance_km": (1, 500),
    "days_since_login": (5, 60),
}
NULL_SHARES = {"income": 0.3, "score": 0.2, "rating": 0.6}


def customers_suite(trailing: int) -> Suite:
    """Categories that are all there, means and quantiles where they always are, not too much missing."""
    del trailing
    batch = [
        gx.ExpectColumnValuesToBeUnique(column="customer_id", severity="critical"),
        *(
            gx.ExpectColumnDistinctValuesToBeInSet(column=name, value_set=list(values), severity="critical")
            for name, values in CATEGORIES.items()
        ),
        gx.ExpectColumnMedianToBeBetween(column="age", min_value=30, max_value=60, severity="warning"),
        gx.ExpectColumnMedianToBeBetween(column="basket", min_value=5, max_value=100, severity="warning"),
        gx.ExpectColumnMedianToBeBetween(column="balance", min_value=100, max_value=10_000, severity="warning"),
        gx.ExpectColumnValuesToBeBetween(column="tickets", min_value=0, max_value=50, mostly=0.99, severity="info"),
        gx.ExpectColumnStdevToBeBetween(column="discount", min_value=0.01, max_value=0.5, severity="info"),
    ]
    profile = [
        gx.ExpectColumnValuesToBeBetween(column="rows", min_value=1_000, severity="critical"),
        *(
            gx.ExpectColumnValuesToBeBetween(column=f"mean.{name}", min_value=low, max_value=high, severity="critical")
            for name, (low, high) in MEANS.items()
        ),
        *(
            gx.ExpectColumnValuesToBeBetween(column=f"null_share.{name}", max_value=most, severity="critical")
            for name, most in NULL_SHARES.items()
        ),
        *(
            gx.ExpectColumnValuesToBeBetween(column=f"share.plan.{plan}", min_value=0.05, severity="warning")
            for plan in PLANS
        ),
    ]
    return Suite(batch=batch, profile=profile)


def events_suite(trailing: int) -> Suite:
    """About as many events of every kind as always."""
    del trailing
    return Suite(
        batch=[
            gx.ExpectColumnDistinctValuesToBeInSet(column="kind", value_set=list(KINDS), severity="critical"),
            gx.ExpectColumnValuesToBeUnique(column="event_id", severity="critical"),
            gx.ExpectColumnMedianToBeBetween(column="amount", min_value=5, max_value=100, severity="warning"),
        ],
        profile=[
            gx.ExpectColumnValuesToBeBetween(column="rows", min_value=1_000, severity="critical"),
            gx.ExpectColumnValuesToBeBetween(column="mean.amount", min_value=10, max_value=100, severity="critical"),
            *(
                gx.ExpectColumnValuesToBeBetween(column=f"share.kind.{kind}", min_value=0.02, severity="warning")
                for kind in KINDS
            ),
            gx.ExpectColumnValuesToBeBetween(column="q95.amount", max_value=1_000, severity="info"),
        ],
    )
