"""A delivery's columns beside those of the contract: every difference, and what the source's policy makes of it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from pipeline.errors import escape_controls
from pipeline.job import SchemaPolicy

MISSING = "missing"
NEW = "new"
NEW_IGNORED = "new, ignored"
REPEATED = "there more than once"
NO_ZONE = "time without a zone"
CHANGED = "type changed"
CAST = "type changed, cast where no value is lost"
LOSSY = "type changed, values would be lost"
ORDER = "in another order, taken by name"

MAX_SHOWN = 20
"""Differences that a message lists."""

MAX_TEXT = 60
"""Length to which names and types from upstream are cut in a message."""


@dataclass(frozen=True)
class Difference:
    """One difference between the contract's columns and those that came.

    Attributes:
        column: its name, made fit for logs and pages; ``*`` stands for the columns as a whole.
        expected: the contract's type; None for a column that it does not name.
        found: the type that came; None for a column that did not.
        verdict: what is different, and what is done about it.
        is_refused: the delivery is refused for it.
        renamed_to: the new column that this missing one might be.
    """

    column: str
    expected: str | None
    found: str | None
    verdict: str
    is_refused: bool = False
    renamed_to: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The difference as a JSON object."""
        return asdict(self)


def compare_schemas(found: pa.Schema, expected: pa.Schema, policy: SchemaPolicy) -> list[Difference]:
    """Every difference, the contract's columns first, in their order; none if all is as the contract says."""
    counts = Counter(found.names)
    types = dict(zip(found.names, found.types, strict=True))
    contract = set(expected.names)
    new = {name: types[name] for name in counts if name not in contract and name not in policy.known_columns}
    differences = [*_compare_columns(types, counts, expected, new, policy)]
    refused = policy.new_columns == "refuse"
    differences += [
        Difference(_show(name), None, _show(str(kind)), NEW if refused else NEW_IGNORED, is_refused=refused)
        for name, kind in new.items()
    ]
    common = [name for name in counts if name in contract]
    wanted = [name for name in expected.names if name in counts]
    if common != wanted:
        differences.append(Difference("*", _show(", ".join(wanted)), _show(", ".join(common)), ORDER))
    return differences


def describe_differences(differences: Sequence[Difference]) -> str:
    """The differences as a table for people, refused ones first."""
    ranked = sorted(differences, key=lambda difference: not difference.is_refused)
    rows = [("column", "expected", "found", "verdict"), *map(_describe, ranked[:MAX_SHOWN])]
    widths = [max(len(row[number]) for row in rows) for number in range(3)]
    lines = [" | ".join([*map(str.ljust, row[:3], widths), row[3]]) for row in rows]
    more = [f"and {len(ranked) - MAX_SHOWN} more"] if len(ranked) > MAX_SHOWN else []
    return "\n".join(["", *lines, *more])


def list_expected(differences: Iterable[Difference]) -> str:
    """The contract's columns that did not come as they should."""
    refused = [difference for difference in differences if difference.is_refused]
    named = [f"column {each.column} ({each.expected})" for each in refused if each.expected is not None]
    more = f"; and {len(named) - MAX_SHOWN} more" if len(named) > MAX_SHOWN else ""
    return "; ".join(named[:MAX_SHOWN]) + more or "the contract's columns and no others"


def _compare_columns(
    found: Mapping[str, pa.DataType],
    counts: Counter[str],
    expected: pa.Schema,
    new: Mapping[str, pa.DataType],
    policy: SchemaPolicy,
) -> Iterator[Difference]:
    absent = [field for field in expected if field.name not in counts]
    for field in expected:
        name, kind = _show(field.name), str(field.type)
        if field.name not in counts:
            renamed = _guess_new_name(field, absent, new)
            yield Difference(name, kind, None, MISSING, is_refused=True, renamed_to=renamed)
        elif counts[field.name] > 1:
            yield Difference(name, kind, None, REPEATED, is_refused=True)
        elif (verdict := _judge_type(found[field.name], field, policy)) is not None:
            yield Difference(name, kind, _show(str(found[field.name])), verdict, is_refused=verdict != CAST)


def _judge_type(found: pa.DataType, field: pa.Field, policy: SchemaPolicy) -> str | None:
    """What the type that came means; None if it is the contract's, or only another way of writing that down."""
    came = plain_type(found)
    if came == field.type or pa.types.is_null(came):
        return None
    if pa.types.is_timestamp(field.type) and not (pa.types.is_timestamp(came) and came.tz):
        return NO_ZONE if pa.types.is_temporal(came) else CHANGED
    declared = next((cast.types for cast in policy.casts if cast.column == field.name), None)
    if declared is not None:
        return CAST if came in [pa.type_for_alias(name) for name in declared] else CHANGED
    return CAST if policy.other_casts == "lossless" and are_of_one_kind(came, field.type) else CHANGED


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values, however they are encoded: dictionaries and the large variants of text are undone."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def are_of_one_kind(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether both are numbers, or both moments."""
    return any(is_kind(one) and is_kind(other) for is_kind in (_is_number, pa.types.is_timestamp))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _guess_new_name(field: pa.Field, absent: Sequence[pa.Field], new: Mapping[str, pa.DataType]) -> str | None:
    """The new column of the same type with the closest name; if there is one alone of either, its name may be any."""
    names = [name for name, kind in new.items() if plain_type(kind) == field.type]
    close = difflib.get_close_matches(field.name, names, n=1)
    if not close and len(names) == 1 and sum(other.type == field.type for other in absent) == 1:
        close = names
    return _show(close[0]) if close else None


def _describe(difference: Difference) -> tuple[str, str, str, str]:
    hint = f"; is it {difference.renamed_to} now?" if difference.renamed_to is not None else ""
    return difference.column, difference.expected or "-", difference.found or "-", difference.verdict + hint


def _show(text: str) -> str:
    """Text from upstream, fit for a line of a log: short, and without characters that steer a terminal."""
    shown = escape_controls(text)
    return shown if len(shown) <= MAX_TEXT else shown[: MAX_TEXT - 1] + "…"
