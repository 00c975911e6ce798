"""Errors: whole messages, parts for machines, and the same after a journey between processes."""

from __future__ import annotations

import copy
import pickle

import pytest

from pipeline import errors
from pipeline.errors import BadInputError, NightjarError, OutdatedModelError, UnavailableError, revive_error
from pipeline.serving import PartitionNotKept, StoreUnavailable, Unhealthy

PARTS = {
    "job": "meter_readings",
    "partition": "2024-03-03",
    "expected": "a row",
    "found": "none",
    "next_step": "land it",
}
CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NightjarError)]


@pytest.mark.parametrize("kind", [*CLASSES, StoreUnavailable, Unhealthy, PartitionNotKept])
def test_an_error_survives_pickling_whole(kind: type[NightjarError]) -> None:
    error = kind("nothing came", **PARTS)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own bytes
        assert type(other) is kind
        assert str(other) == str(error)
        assert other.to_json() == error.to_json()


def test_the_message_has_a_line_a_part() -> None:
    assert str(BadInputError("nothing came", **PARTS)).splitlines() == [
        "nothing came",
        "  job: meter_readings",
        "  partition: 2024-03-03",
        "  expected: a row",
        "  found: none",
        "  what to do: land it",
    ]


def test_parts_that_are_not_known_are_left_out_of_the_message_and_null_for_machines() -> None:
    error = BadInputError("nothing came", found="none")
    assert str(error) == "nothing came\n  found: none"
    assert error.to_json() == {
        "error": "BadInputError",
        "problem": "nothing came",
        "job": None,
        "partition": None,
        "expected": None,
        "found": "none",
        "next_step": None,
    }


def test_an_error_of_a_narrower_kind_is_revived_as_what_it_was() -> None:
    error = OutdatedModelError("model 1 was made with other code", **PARTS)
    revived = revive_error(error.to_json())
    assert type(revived) is OutdatedModelError
    assert str(revived) == str(error)


def test_an_error_learns_where_it_belongs_and_keeps_what_it_knew() -> None:
    error = UnavailableError("no answer", partition="2024-03-01")
    error.locate("meter_readings", "2024-03-03")
    assert (error.job, error.partition) == ("meter_readings", "2024-03-01")
    assert str(error) == "no answer\n  job: meter_readings\n  partition: 2024-03-01"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own bytes
