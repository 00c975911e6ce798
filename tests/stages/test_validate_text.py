"""Entity ids and other text: what readers could not ask for, and bytes that are no text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import DeclarationError
from pipeline.stages.validate import frame_from_arrow, judge_rows
from tests.stages.flight_rows import CONTRACT, judge, make_table, reasons_of


@pytest.mark.parametrize(
    ("entity_id", "reason"),
    [
        ("", "id: must not be empty"),
        ("x" * 65, "id: must be at most 64 bytes long"),
        ("é" * 33, "id: must be at most 64 bytes long"),
        ("a\x00b", "id: must not hold control characters"),
        ("a\nb", "id: must not hold control characters"),
        ("a\rb", "id: must not hold control characters"),
        ("a\x7f", "id: must not hold control characters"),
        ("a\x85", "id: must not hold control characters"),
    ],
)
def test_an_id_that_readers_cannot_ask_for_is_refused(entity_id: str, reason: str) -> None:
    assert reasons_of(judge({"id": entity_id}, entity_id="id")) == {0: [reason]}


@pytest.mark.parametrize("entity_id", ["a b", "x" * 64, "é" * 32, "東京", "{id}:1", "\u200d"])
def test_ids_of_any_script_and_with_spaces_are_fine(entity_id: str) -> None:
    assert judge({"id": entity_id}, entity_id="id").valid["id"].tolist() == [entity_id]


def test_ids_may_be_integers_but_not_floats() -> None:
    assert judge({}, key=("seats",), entity_id="seats").quarantined.empty
    with pytest.raises(DeclarationError, match="delay is the entity id"):
        judge({}, entity_id="delay")


def test_bytes_that_are_no_text_are_refused_and_can_be_shown() -> None:
    table = make_table({}, {})
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 3, 6], dtype=np.int32)), pa.py_buffer(b"EWRE\xffR")]
    )
    table = table.set_column(table.column_names.index("origin"), "origin", bad)
    verdict = judge_rows(frame_from_arrow(table, CONTRACT), CONTRACT, key=("id",))
    assert "origin: must be valid UTF-8 text" in reasons_of(verdict)[1]
    assert verdict.quarantined["origin"].tolist() == ["E\ufffdR"]
    assert verdict.valid["origin"].tolist() == ["EWR"]
