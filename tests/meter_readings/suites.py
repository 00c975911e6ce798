"""What every batch of the meter job's sources must be as a whole."""

from __future__ import annotations

from typing import Any

from great_expectations import expectations

from pipeline.contracts import Suite

gx: Any = expectations  # its types know neither its expectations nor severities as text


def meters_suite(trailing: int) -> Suite:
    """About as many meters as on the days before, in every region."""
    profile = [gx.ExpectColumnValuesToBeBetween(column="rows", min_value=50, severity="critical")]
    if trailing:
        profile.append(
            gx.ExpectColumnValuesToBeBetween(column="rows_ratio", min_value=0.8, max_value=1.25, severity="critical")
        )
    return Suite(
        batch=[gx.ExpectColumnUniqueValueCountToBeBetween(column="region", min_value=3, severity="critical")],
        profile=profile,
    )


def readings_suite(trailing: int) -> Suite:
    """Most meters were read, and used about as much as on the days before."""
    profile = [gx.ExpectColumnValuesToBeBetween(column="null_share.kwh", max_value=0.2, severity="critical")]
    if trailing:
        profile.append(gx.ExpectColumnValuesToBeBetween(column="mean.kwh", max_value=25, severity="warning"))
    return Suite(profile=profile)
