"""What the watched job names by dotted path, and what its upstream delivers."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from great_expectations import expectations
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from features.declarations import Aggregate, Feature, FeatureSet, Trailing
from pipeline.contracts import Suite

gx: Any = expectations

PERSON_COUNT = 60
FIRST = date(2024, 5, 1)
TRAINED_ON = date(2024, 5, 9)

TEXT = "canarytext"
"""In every canary of text, whatever follows it."""
INTEGER = 867530900867
NUMBER = 48151.62342
SECONDS = "53.090417"
MOMENT = datetime(2024, 5, 1, 3, 7, 53, 90417, UTC)

MARKS = (TEXT, str(INTEGER), f"{INTEGER:,}", str(NUMBER), f"{NUMBER:,}", SECONDS, "4815162342", TEXT.encode().hex())
"""Forms in which a canary may show."""

UTC_MOMENT = pd.DatetimeTZDtype("us", "UTC")

PEOPLE = pandera.DataFrameSchema(
    {
        "person": pandera.Column(str, pandera.Check.str_matches(r"^[^!]+\Z")),
        "town": pandera.Column(str, pandera.Check(lambda towns: ~towns.str.endswith("refused"), name="known town")),
        "points": pandera.Column("int64", pandera.Check.ge(0)),
        "weight": pandera.Column("float64", pandera.Check.ge(0), nullable=True),
        "member": pandera.Column("bool"),
        "since": pandera.Column(UTC_MOMENT, nullable=True),
    },
    pandera.Check(lambda rows: rows["points"] != 13, name="no thirteen"),
    name="people",
)
PURCHASES = pandera.DataFrameSchema(
    {
        "person": pandera.Column(str),
        "spent": pandera.Column("float64", pandera.Check.ge(0)),
        "paid_at": pandera.Column(UTC_MOMENT),
    },
    name="purchases",
)


def years(since: pd.Series) -> pd.Series:
    """Years since the person joined."""
    days: pd.Series = (pd.Timestamp("2024-05-01", tz="UTC") - since).dt.days
    return days / 365.25


def town_number(town: pd.Series) -> pd.Series:
    """A function that fails on some towns, with a message that quotes one as libraries do."""
    broken = town[town.str.endswith("broken")]
    return broken.astype("float64") if len(broken) else town.str.len().astype("float64")


FEATURES = FeatureSet(
    name="watched",
    version=1,
    row_functions=(years, town_number),
    features=(
        Feature("town", "category"),
        Feature("points"),
        Feature("weight"),
        Feature("years"),
        Feature("town_number"),
    ),
    trailing=(Trailing(Aggregate("purchases", by=("person",), value="spent", scale=2), windows=(1, 2), smoothing=1.0),),
)


def build_model(seed: int) -> Pipeline:
    """A straight line that refuses towns that it has not seen, with a message that lists them."""
    del seed
    towns = ColumnTransformer([("town", OneHotEncoder(handle_unknown="error"), ["town"])], remainder=SimpleImputer())
    return Pipeline([("columns", towns), ("line", LinearRegression())])


def people_suite(trailing: int) -> Suite:
    """Expectations that canaries break, all as warnings, and on the first day one that cannot be evaluated."""
    batch = [
        gx.ExpectColumnValuesToBeInSet(column="town", value_set=["Bonn", "Trier"], severity="warning"),
        gx.ExpectColumnDistinctValuesToBeInSet(column="town", value_set=["Bonn", "Trier"], severity="warning"),
        gx.ExpectColumnMaxToBeBetween(column="points", max_value=1000, severity="warning"),
        gx.ExpectColumnMaxToBeBetween(column="weight", max_value=1000, severity="warning"),
        gx.ExpectColumnMostCommonValueToBeInSet(column="town", value_set=["Ulm"], severity="warning"),
        gx.ExpectColumnValuesToMatchRegex(column="person", regex="^nobody", severity="warning"),
        gx.ExpectColumnValuesToNotBeInSet(column="town", value_set=["Köln"], severity="critical"),
    ]
    profile = [gx.ExpectColumnValuesToBeBetween(column="rows", min_value=10, severity="critical")]
    if not trailing:  # of the first day: it raises an error, with the value that it could not compare
        batch.append(gx.ExpectColumnMinToBeBetween(column="since", min_value="2025-01-01", severity="warning"))
    else:
        profile.append(gx.ExpectColumnValuesToBeBetween(column="mean.points", max_value=1, severity="warning"))
    return Suite(batch=batch, profile=profile)


def deliver_people(town: str = f"{TEXT} Speyer", **columns: Any) -> pa.Table:
    """People of whom every tenth carries canaries, and five more that are refused."""
    number = np.arange(PERSON_COUNT)
    canary = number % 10 == 0
    persons = [f"{TEXT}-{each}" if canary[each] else f"person-{each}" for each in number]
    table: dict[str, Any] = {
        "person": persons,
        "town": [town if canary[each] else ("Bonn", "Trier")[each % 2] for each in number],
        "points": np.where(canary, INTEGER, number % 90 + 20),
        "weight": np.where(canary, NUMBER, number * 1.5),
        "member": number % 3 == 0,
        "since": pa.array([MOMENT if canary[each] else datetime(2020, 1, 1, tzinfo=UTC) for each in number], MOMENTS),
        # What no contract names is left where it is.
        "extra_text": [f"{TEXT} extra"] * PERSON_COUNT,
        "extra_decimal": pa.array([Decimal("4815162342.08")] * PERSON_COUNT, pa.decimal128(20, 2)),
        "extra_bytes": pa.array([TEXT.encode()] * PERSON_COUNT, pa.binary()),
        "extra_list": pa.array([[TEXT]] * PERSON_COUNT),
        "extra_struct": pa.array([{"name": TEXT}] * PERSON_COUNT),
    }
    refused: dict[str, list[Any]] = {
        "person": [f"{TEXT}!", persons[0], f"{TEXT}\n", f"{TEXT} twice", f"{TEXT} twice"],
        "town": [town, f"{TEXT} other", f"{TEXT} refused", town, f"{TEXT} else"],
        "points": [-INTEGER, 13, INTEGER, 13, INTEGER],
        "weight": [-NUMBER] * 5,
    }
    whole = pa.table(table | columns)
    rows = whole.slice(0, 5).to_pylist()
    for place, row in enumerate(rows):
        row |= {name: values[place] for name, values in refused.items()}
    return pa.concat_tables([whole, pa.Table.from_pylist(rows, whole.schema)]) if not columns else whole


def deliver_purchases(day: date) -> pa.Table:
    """What each person spent, canaries among it, and one purchase that became known too late."""
    people = deliver_people().slice(0, PERSON_COUNT)["person"].to_pylist()
    paid = datetime.combine(day, time(20, 7, 53, 90417), UTC)
    spent = [NUMBER if name.startswith(TEXT) else 10.0 + day.day + place for place, name in enumerate(people)]
    return pa.table(
        {
            "person": [*people, f"{TEXT} late"],
            "spent": [*spent, NUMBER],
            "paid_at": pa.array([*[paid] * len(people), paid + timedelta(days=2)], MOMENTS),
        }
    )


MOMENTS = pa.timestamp("us", "UTC")
