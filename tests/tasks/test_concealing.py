"""What is told of an error names classes and places, and never what a library said of a row."""

from __future__ import annotations

import traceback

import pytest

from pipeline.errors import BadInputError, FaultError, NightjarError, UnavailableError, UnforeseenError
from pipeline.tasks.concealing import conceal_rows

CANARY = "Jane Doe"


def parse(text: str) -> float:
    return float(text)


def read_as_foreseen() -> None:
    try:
        parse(CANARY)
    except ValueError as error:
        raise BadInputError("a column cannot be read", found="text") from error


def fail_on_none(text: str | None) -> None:
    raise TypeError(f"cannot use {CANARY} and {text}")


def show(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_an_unforeseen_error_is_told_by_class_and_place() -> None:
    with pytest.raises(UnforeseenError) as caught, conceal_rows("meters", "2024-03-03"):
        parse(CANARY)
    error = caught.value
    assert (error.job, error.partition) == ("meters", "2024-03-03")
    assert "ValueError" in error.problem
    assert "tests/tasks/test_concealing.py" in str(error.found)
    assert "in parse" in str(error.found)
    assert CANARY not in show(error)
    assert CANARY not in str(error.to_json())


def test_a_fault_in_the_code_is_told_apart_since_a_retry_would_find_it_again() -> None:
    with pytest.raises(FaultError) as caught, conceal_rows("meters", "2024-03-03"):
        fail_on_none(None)
    assert CANARY not in show(caught.value)


def test_an_error_that_was_foreseen_stays_and_its_cause_becomes_a_note() -> None:
    with pytest.raises(BadInputError, match="a column cannot be read") as caught, conceal_rows("meters", "2024-03-03"):
        read_as_foreseen()
    error = caught.value
    assert error.partition == "2024-03-03"
    (note,) = error.__notes__
    assert note.startswith("behind it: ValueError ← ")
    assert "in parse" in note
    assert note in show(error)
    assert CANARY not in show(error)


def test_what_was_being_handled_is_no_cause_where_somebody_said_so() -> None:
    def refuse() -> None:
        try:
            parse(CANARY)
        except ValueError:
            raise UnavailableError("later") from None

    with pytest.raises(UnavailableError) as caught, conceal_rows("meters", "2024-03-03"):
        refuse()
    assert not hasattr(caught.value, "__notes__")
    assert CANARY not in show(caught.value)


@pytest.mark.parametrize("error", [FileNotFoundError("lake/x"), ConnectionResetError("redis"), KeyboardInterrupt()])
def test_files_connections_and_people_speak_for_themselves(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, conceal_rows("meters", "2024-03-03"):
        raise error
    assert caught.value is error
    assert not isinstance(caught.value, NightjarError)
