"""What a replay's processes remember."""

from __future__ import annotations

import pandas as pd
from pandas.testing import assert_frame_equal

from pipeline.tasks.memory import Memory, memory_of


def test_what_was_made_is_made_once_and_given_out_as_a_copy() -> None:
    memory, made = Memory(), []

    def make() -> pd.DataFrame:
        made.append(1)
        return pd.DataFrame({"id": pd.Series(["a", None], dtype="str"), "value": [0.1, float("nan")]})

    first = memory.recall("day", make)
    whole = first.copy()
    first.loc[0, "value"] = 7.0
    assert_frame_equal(memory.recall("day", make), whole)
    memory.recall("day", make).loc[0, "value"] = 8.0
    assert_frame_equal(memory.recall("day", make), whole)
    assert len(made) == 1


def test_another_replay_has_a_memory_of_its_own() -> None:
    first = memory_of("lake", "one")
    assert memory_of("lake", "one") is first
    assert memory_of("lake", "two") is not first
