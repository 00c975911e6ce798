"""What the job ``rides`` names by dotted path: contracts, features, model, and the upstream that makes its data up."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from features.declarations import Aggregate, Feature, FeatureSet, Trailing

TIMESTAMP = pa.timestamp("us", tz="UTC")

STATIONS = pandera.DataFrameSchema(
    {
        "station": pandera.Column("int64", pandera.Check.ge(1, error="must be 1 or more")),
        "docks": pandera.Column("int64", pandera.Check.in_range(1, 100, error="must be from 1 to 100")),
    },
    name="stations",
)
RIDES = pandera.DataFrameSchema(
    {
        "station": pandera.Column("int64", pandera.Check.ge(1, error="must be 1 or more")),
        "count": pandera.Column("int64", pandera.Check.ge(0, error="must be 0 or more")),
        "counted_at": pandera.Column(pd.DatetimeTZDtype("us", "UTC")),
    },
    name="rides",
)

FEATURES = FeatureSet(
    name="rides",
    version=1,
    features=(Feature("docks"),),
    trailing=(Trailing(Aggregate("rides", by=("station",), value="count"), windows=(1, 3), smoothing=1.0),),
)


def build_model(seed: int) -> Pipeline:
    """A straight line, behind a transformer by columns as most models have one; nothing in it is random."""
    del seed
    scale = ColumnTransformer([("docks", StandardScaler(), ["docks"])], remainder=StandardScaler())
    return Pipeline([("scale", scale), ("line", LinearRegression())])


class RidesUpstream:
    """About twice as many rides as docks, more at week-ends."""

    sources = ("stations", "rides")
    station_count = 60
    zone: tzinfo = UTC

    def deliver(self, source: str, partition: date) -> pa.Table:
        """The table of one source and day."""
        station = np.arange(1, self.station_count + 1, dtype="int64")
        docks = 5 + station % 20
        if source == "stations":
            return pa.table({"station": station, "docks": docks})
        noise = np.random.default_rng(partition.toordinal()).integers(0, 6, self.station_count)
        count = docks * (3 if partition.weekday() >= 5 else 2) + noise
        counted_at = datetime.combine(partition, time(20), self.zone).astimezone(UTC)
        moments = pa.array([counted_at] * self.station_count, TIMESTAMP)
        return pa.table({"station": station, "count": count, "counted_at": moments})


class ManyRidesUpstream(RidesUpstream):
    """Of more stations than any city has."""

    station_count = 300_000


class NewYorkUpstream(RidesUpstream):
    """Counted at eight in the evening, which is after midnight UTC."""

    zone = ZoneInfo("America/New_York")


class TokyoUpstream(RidesUpstream):
    """Counted at eight in the evening, which is late in the morning UTC."""

    zone = ZoneInfo("Asia/Tokyo")
