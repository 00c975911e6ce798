"""What every row of the meter job's sources must be."""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pandera

REGIONS = ("north", "south", "Ōtautahi")
UTC_MOMENT = pd.DatetimeTZDtype("us", "UTC")

_REGION = pandera.Column(str, pandera.Check.isin(list(REGIONS)))
_METER = {
    "region": _REGION,
    "tariff": pandera.Column(str, pandera.Check.str_matches(r"^[a-z]+\Z"), nullable=True),
    # Zero is let through on purpose: a feature divides by it.
    "rated_amps": pandera.Column("float64", pandera.Check.in_range(0, 400)),
    "weekday": pandera.Column("int64", pandera.Check.in_range(0, 6)),
}
_READING = {
    "region": _REGION,
    "kwh": pandera.Column("float64", pandera.Check.in_range(0, 400), nullable=True),
    "read_at": pandera.Column(UTC_MOMENT),
}

METERS = pandera.DataFrameSchema({"meter_id": pandera.Column("int64", pandera.Check.ge(1)), **_METER}, name="meters")
READINGS = pandera.DataFrameSchema(
    {"meter_id": pandera.Column("int64", pandera.Check.ge(1)), **_READING}, name="readings"
)
NAMED_METERS = pandera.DataFrameSchema({"meter_id": pandera.Column(str), **_METER}, name="meters")
NAMED_READINGS = pandera.DataFrameSchema({"meter_id": pandera.Column(str), **_READING}, name="readings")
TARIFFS = pandera.DataFrameSchema(
    {
        "tariff": pandera.Column(str),
        "cents_per_kwh": pandera.Column("int64", pandera.Check.in_range(1, 200)),
    },
    name="tariffs",
)
