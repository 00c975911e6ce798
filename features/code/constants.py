"""Values that count by their content: numbers, texts, moments, patterns, and the like of NumPy and pandas."""

from __future__ import annotations

import re
from typing import Any

PLAIN = (type(None), bool, int, float, complex, bytes, type(...), range)
BY_REPR = {
    "_operator": ("attrgetter", "itemgetter"),
    "builtins": ("slice",),
    "datetime": ("date", "datetime", "time", "timedelta", "timezone"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "operator": ("attrgetter", "itemgetter"),
    "pandas": ("Interval", "NAType", "NaTType", "Period", "Timedelta", "Timestamp"),
    "types": ("GenericAlias", "UnionType"),
    "typing": (),
    "uuid": ("UUID",),
    "zoneinfo": ("ZoneInfo",),
}
"""By top-level module, the types whose ``repr`` tells all of a value; every instance of a type of ``typing``."""


def describe_constant(value: Any) -> list[Any] | None:
    """The content of ``value`` as JSON, None if it is no constant of the known types."""
    kind = type(value)
    if kind is str:
        return ["str", value]
    if kind in PLAIN:
        return [kind.__name__, repr(value)]
    if kind is re.Pattern:
        return ["pattern", describe_constant(value.pattern), value.flags]
    root = kind.__module__.partition(".")[0]
    if root == "numpy":
        return _describe_numpy(value)
    if root in {"decimal", "_decimal"}:
        root = "decimal"
    known = kind.__name__ in BY_REPR.get(root, ()) or root == "typing" or _is_plain_dtype(kind, root)
    text = repr(value) if known else ""
    if not known or " at 0x" in text:
        return None
    return [kind.__name__, text, getattr(value, "unit", None)]


def _describe_numpy(value: Any) -> list[Any] | None:
    """A NumPy scalar or dtype; arrays are containers."""
    bases = {base.__name__ for base in type(value).__mro__ if base.__module__ == "numpy"}
    if "dtype" in bases:
        return ["dtype", repr(value)]
    return [type(value).__name__, str(value.dtype), str(value)] if "generic" in bases else None


def _is_plain_dtype(kind: type, root: str) -> bool:
    """Whether it is a dtype of pandas that its name tells whole; categories are cut short where they are many."""
    return (
        root == "pandas"
        and kind.__name__.endswith("Dtype")
        and kind.__name__ not in {"CategoricalDtype", "SparseDtype"}
    )
