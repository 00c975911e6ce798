"""What every row of the customers job's sources must be."""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pandera

COUNTRIES = ("AT", "BE", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "IT", "NL", "PL")
SEGMENTS = ("basic", "business", "family", "student", "senior")
PLANS = ("free", "standard", "plus", "premium")
CHANNELS = ("branch", "partner", "phone", "search", "social", "word of mouth")
DEVICES = ("android", "desktop", "ios", "tablet")
KINDS = ("purchase", "refund", "visit")
UTC_MOMENT = pd.DatetimeTZDtype("us", "UTC")

_ID = pandera.Column(str, pandera.Check.str_matches(r"^C\d{12}\Z"))


def _one_of(values: tuple[str, ...]) -> pandera.Column:
    return pandera.Column(str, pandera.Check.isin(list(values)))


def _whole(low: int, high: int) -> pandera.Column:
    return pandera.Column("int64", pandera.Check.in_range(low, high))


def _number(low: float, high: float, *, nullable: bool = False) -> pandera.Column:
    return pandera.Column("float64", pandera.Check.in_range(low, high), nullable=nullable)


def has_no_credit_as_a_student(rows: pd.DataFrame) -> pd.Series:
    """Students get little credit."""
    agree: pd.Series = (rows["segment"] != "student") | (rows["credit_limit"] <= 2_000)
    return agree


CUSTOMERS = pandera.DataFrameSchema(
    {
        "customer_id": _ID,
        "country": _one_of(COUNTRIES),
        "segment": _one_of(SEGMENTS),
        "plan": _one_of(PLANS),
        "channel": _one_of(CHANNELS),
        "device": _one_of(DEVICES),
        "age": _whole(18, 110),
        "tenure_months": _whole(0, 600),
        "products": _whole(1, 12),
        "tickets": _whole(0, 1_000),
        "newsletter": pandera.Column(bool),
        "balance": _number(-100_000, 10_000_000),
        "credit_limit": _number(0, 100_000),
        "income": _number(0, 10_000_000, nullable=True),
        "score": _number(0, 1, nullable=True),
        "discount": _number(0, 0.9),
        "basket": _number(0, 100_000),
        "distance_km": _number(0, 20_000),
        "rating": _number(1, 5, nullable=True),
        "days_since_login": _whole(0, 10_000),
    },
    checks=[pandera.Check(has_no_credit_as_a_student, error="a student's credit_limit must be at most 2000")],
    name="customers",
)

EVENTS = pandera.DataFrameSchema(
    {
        "event_id": pandera.Column("int64", pandera.Check.ge(0)),
        "customer_id": _ID,
        "kind": _one_of(KINDS),
        "amount": _number(-10_000, 10_000),
        "is_returned": pandera.Column(bool),
        "occurred_at": pandera.Column(UTC_MOMENT),
    },
    name="events",
)

OUTCOMES = pandera.DataFrameSchema({"customer_id": _ID, "left": pandera.Column(bool)}, name="outcomes")
