"""Keys: which of several rows of one key is taken, if any."""

from __future__ import annotations

from pipeline.contracts import POSITION
from pipeline.stages.validate import frame_from_arrow, judge_rows
from tests.stages.flight_rows import CONTRACT, CUTOFF, judge, make_table, reasons_of


def test_of_identical_rows_the_first_by_position_stays() -> None:
    table = make_table({"id": "A"}, {}, {"id": "A"}, {"id": "A"}).take([3, 1, 2, 0])
    verdict = judge_rows(frame_from_arrow(table, CONTRACT), CONTRACT, key=("id",))
    assert sorted(verdict.valid[POSITION]) == [0, 1]
    assert reasons_of(verdict) == {2: ["duplicate of an earlier row"], 3: ["duplicate of an earlier row"]}


def test_identical_rows_may_have_missing_values() -> None:
    verdict = judge({"id": "A", "delay": None}, {"id": "A", "delay": None})
    assert reasons_of(verdict) == {1: ["duplicate of an earlier row"]}


def test_conflicting_rows_of_a_key_are_all_quarantined() -> None:
    verdict = judge({"id": "A"}, {"id": "A"}, {"id": "A", "delay": 6.0}, {})
    assert set(map(tuple, reasons_of(verdict).values())) == {("conflicts with another row of the same key",)}
    assert verdict.valid[POSITION].tolist() == [3]


def test_a_missing_value_conflicts_with_a_present_one() -> None:
    assert judge({"id": "A", "delay": None}, {"id": "A"}).valid.empty


def test_a_key_may_have_several_columns() -> None:
    verdict = judge({"id": "A", "seats": 1}, {"id": "A", "seats": 2}, {"id": "A", "seats": 2}, key=("id", "seats"))
    assert reasons_of(verdict) == {2: ["duplicate of an earlier row"]}


def test_a_row_from_after_the_cutoff_contradicts_nothing() -> None:
    verdict = judge({"id": "A"}, {"id": "A", "delay": 9.0, "known_at": CUTOFF})
    assert verdict.valid[POSITION].tolist() == [0]
    assert reasons_of(verdict) == {1: ["became known after the cutoff"]}
