"""What can happen to a delivery: functions that do to a frame what upstreams have done to theirs.

Each takes the delivered rows and a mask of those that are hit, and returns new rows.  Values stay of a kind that the
column can hold, because what cannot be read as the column at all is refused on arrival.
"""

from __future__ import annotations

import string
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]
Random = np.random.Generator
Corruption = Callable[[pd.DataFrame, Mask, Random], pd.DataFrame]

NEW_YORK = "America/New_York"


def edit_values(column: str, change: Callable[[pd.Series], pd.Series]) -> Corruption:
    """``change`` in the column's values of the rows that are hit; whole numbers stay whole."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        changed = change(rows[column])
        if rows[column].dtype.kind == "i" and changed.dtype.kind == "f":
            changed = changed.round()
        return rows.assign(**{column: rows[column].where(~hit, changed)})

    return corrupt


def lose_values(*columns: str) -> Corruption:
    """Values go missing."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        return rows.assign(**{column: rows[column].mask(hit) for column in columns})

    return corrupt


def scale_values(*columns: str, factor: float) -> Corruption:
    """Numbers in another unit, or with the decimal point moved."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        for column in columns:
            rows = edit_values(column, lambda values: values * factor)(rows, hit, random)
        return rows

    return corrupt


def convert_values(*columns: str, offset: float, factor: float) -> Corruption:
    """Numbers in a unit with another zero, such as degrees Celsius: ``(value - offset) * factor``."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        for column in columns:
            rows = edit_values(column, lambda values: (values - offset) * factor)(rows, hit, random)
        return rows

    return corrupt


def put_sentinel(column: str, value: float) -> Corruption:
    """A number that stands for "unknown"."""
    return edit_values(column, lambda values: values.where(values.isna(), value))


def swap_columns(one: str, other: str) -> Corruption:
    """Two columns change places."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        return rows.assign(
            **{one: rows[one].where(~hit, rows[other]), other: rows[other].where(~hit, rows[one])},
        )

    return corrupt


def shuffle_values(column: str) -> Corruption:
    """Values are handed out among the rows that are hit, as by a sort of one column alone."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        values = rows[column].copy()
        values[hit] = values[hit].to_numpy()[random.permutation(int(hit.sum()))]
        return rows.assign(**{column: values})

    return corrupt


def rename_categories(column: str) -> Corruption:
    """Every category gets the name of another one, as by a look-up table that slipped; ids are made anew from it."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        names = sorted(rows[column].dropna().unique())
        slipped = dict(zip(names, [*names[1:], names[0]], strict=True))
        return rebuild_ids(rows.assign(**{column: rows[column].where(~hit, rows[column].map(slipped))}))

    return corrupt


def explode_categories(column: str, length: int) -> Corruption:
    """Codes that nobody has seen, a different one in every row; ids are made anew from them."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        letters = random.choice(list(string.ascii_uppercase), size=(len(rows), length))
        codes = pd.Series(["".join(code) for code in letters], index=rows.index, dtype="str")
        return rebuild_ids(rows.assign(**{column: rows[column].where(~hit, codes)}))

    return corrupt


def break_encoding(column: str) -> Corruption:
    """Text with a byte that is no UTF-8 at its end."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        texts = rows[column].astype(object)
        broken = texts.map(lambda text: text.encode() + b"\xa0", na_action="ignore")
        return rows.assign(**{column: texts.where(~hit, broken)})

    return corrupt


def lose_rows(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
    """Rows do not arrive."""
    return rows[~hit]


def cut_off(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
    """The end of the file does not arrive, as many rows as are hit."""
    return rows.iloc[: len(rows) - int(hit.sum())]


def repeat_rows(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
    """Rows arrive twice."""
    return pd.concat([rows, rows[hit]])


def repeat_under_new_ids(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
    """Rows arrive twice, the second time under another flight number."""
    copies = rows[hit].assign(flight=rows.loc[hit, "flight"] % 1000 + 9000)
    return rebuild_ids(pd.concat([rows, copies])).drop_duplicates("flight_id")


def shift_moments(*columns: str, hours: float) -> Corruption:
    """A clock that is off, or a time zone that was mistaken; ids are made anew."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        shift = pd.Timedelta(hours=hours)
        return rebuild_ids(rows.assign(**{name: rows[name].where(~hit, rows[name] + shift) for name in columns}))

    return corrupt


def shift_hours(column: str, hours: int) -> Corruption:
    """The hour of the day in another time zone."""
    return edit_values(column, lambda values: (values + hours) % 24)


def call_late_cancelled(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
    """Late flights come as cancelled, their delays missing."""
    late = hit & (rows["arr_delay"] > 15).to_numpy()
    rows = lose_values("arr_delay", "dep_delay")(rows, late, random)
    return rows.assign(cancelled=rows["cancelled"] | late, diverted=rows["diverted"] & ~late)


def call_late_diverted(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
    """Late flights come as diverted, their delay at arrival missing."""
    late = hit & (rows["arr_delay"] > 15).to_numpy()
    return lose_values("arr_delay")(rows, late, random).assign(diverted=rows["diverted"] | late)


def lose_late(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
    """Late flights do not arrive."""
    return rows[~(hit & (rows["arr_delay"] > 15).to_numpy())]


def lose_evening(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
    """Flights from 17:00 on do not arrive."""
    return rows[~(hit & (rows["scheduled_hour"] >= 17).to_numpy())]


def lose_origin(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
    """Rows of one airport do not arrive."""
    return rows[~(hit & (rows["origin"] == "JFK").to_numpy())]


def lose_highest(column: str) -> Corruption:
    """As many values as are hit go missing, the highest ones."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        highest = rows[column].rank(ascending=False, method="first") <= hit.sum()
        return rows.assign(**{column: rows[column].mask(highest)})

    return corrupt


def do_all(*corruptions: Corruption) -> Corruption:
    """One after the other, to the same rows."""

    def corrupt(rows: pd.DataFrame, hit: Mask, random: Random) -> pd.DataFrame:
        for each in corruptions:
            rows = each(rows, hit, random)
        return rows

    return corrupt


def rebuild_ids(rows: pd.DataFrame) -> pd.DataFrame:
    """Flight ids as upstream makes them, from carrier, number, origin and local date of departure."""
    if "flight_id" not in rows:
        return rows
    number = rows["carrier"] + rows["flight"].astype("str")
    day = rows["scheduled_departure"].dt.tz_convert(NEW_YORK).dt.strftime("%Y-%m-%d")
    return rows.assign(flight_id=number + "-" + rows["origin"] + "-" + day)


def move_days(rows: pd.DataFrame, days: int) -> pd.DataFrame:
    """Every moment moved by whole local days: an old file that was given new dates."""
    moved = {}
    for name in map(str, rows.columns):
        if isinstance(rows[name].dtype, pd.DatetimeTZDtype):
            wall = rows[name].dt.tz_convert(NEW_YORK).dt.tz_localize(None) + pd.Timedelta(days=days)
            local = wall.dt.tz_localize(NEW_YORK, ambiguous=np.zeros(len(rows), bool), nonexistent="shift_forward")
            moved[name] = local.dt.tz_convert("UTC")
    return rebuild_ids(rows.assign(**moved))


def to_table(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """The rows as a delivery of ``schema``; bytes in a column of text are stored as they are."""
    return pa.table([_to_array(rows[field.name], field.type) for field in schema], schema=schema)


def _to_array(values: pd.Series, kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind) and values.map(lambda value: isinstance(value, bytes)).any():
        raw = [value.encode() if isinstance(value, str) else value for value in values]
        return pa.array(raw, pa.binary(), from_pandas=True).view(kind)
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return pc.assume_timezone(pa.array(values.dt.tz_convert(None).to_numpy()), "UTC").cast(kind)
    return pa.array(values, kind, from_pandas=True)
