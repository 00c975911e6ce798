"""A run that was overtaken while it worked publishes nothing, whenever it wakes up."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import tasks
from pipeline.errors import RefusedError
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, land_again, live_header, read_live, run_night, run_until_scored


def double_amps(table: pa.Table) -> pa.Table:
    amps = pc.multiply(table["rated_amps"], 2.0)
    return table.set_column(table.schema.get_field_index("rated_amps"), "rated_amps", amps)


def test_a_late_publish_does_not_undo_a_correction(served: Served) -> None:
    workspace, job = served.workspace, served.job
    slow = run_until_scored(workspace, job, LIVE, "slow")
    land_again(workspace, "meters", LIVE, double_amps)
    fixed = run_night(workspace, job, LIVE, "fix")
    corrected = read_live(workspace, job, list(served.predictions))
    with pytest.raises(RefusedError, match="overtaken") as refused:
        tasks.publish(workspace, job, LIVE, "slow", slow["score"])
    assert "meters" in str(refused.value.expected)
    assert live_header(workspace, job).generation == fixed["publish"]["generation"]
    assert read_live(workspace, job, list(served.predictions)) == corrected


def test_scores_of_a_model_that_is_not_champion_any_more_are_not_published(served: Served) -> None:
    workspace, job = served.workspace, served.job
    scored = run_until_scored(workspace, job, NEXT, "night")
    workspace.ledger(job).demote("1", holds_from=LIVE, who="a person", why="it predicts nonsense")
    with pytest.raises(RefusedError, match="overtaken") as refused:
        tasks.publish(workspace, job, NEXT, "night", scored["score"])
    assert (refused.value.expected, refused.value.found) == ("no champion", "scores of model 1")
    served.check_refused(refused.value)


def test_publishing_again_what_nobody_overtook_is_fine(served: Served) -> None:
    workspace, job = served.workspace, served.job
    again = tasks.publish(workspace, job, LIVE, "again", served.first["score"])
    assert again["result"] == "live"
    assert again["generation"] != served.first["publish"]["generation"]
