"""The flight job's upstream over the installed data, and over altered copies of a few weeks of it."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline.jobs.flight_delays.upstream import FlightUpstream, find_data_folder

MakeUpstream = Callable[[pd.DataFrame], FlightUpstream]


@pytest.fixture(scope="session")
def upstream() -> FlightUpstream:
    return FlightUpstream()


@pytest.fixture(scope="session")
def raw_flights() -> pd.DataFrame:
    """The package's flights of April 2013, exactly as its file has them."""
    with zipfile.ZipFile(find_data_folder() / "flights.csv.zip") as archive:
        rows = pd.read_csv(archive.open("flights.csv"), dtype="str", keep_default_na=False)
    return rows[rows["month"] == "4"].reset_index(drop=True)


@pytest.fixture
def make_upstream(tmp_path: Path) -> MakeUpstream:
    """A function that gives the upstream of a package whose flights are the given ones."""

    def make(rows: pd.DataFrame) -> FlightUpstream:
        folder = tmp_path / f"data-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for name in ("airports", "planes", "airlines", "weather"):
            shutil.copy(find_data_folder() / f"{name}.csv", folder)
        content = io.StringIO()
        rows.to_csv(content, index=False)
        with zipfile.ZipFile(folder / "flights.csv.zip", "w") as archive:
            archive.writestr("flights.csv", content.getvalue())
        return FlightUpstream(folder)

    return make
