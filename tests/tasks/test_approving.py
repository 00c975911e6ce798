"""What the gate held back or blocked goes live when a named person says so, and not otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline import tasks
from pipeline.errors import BadInputError, NotReadyError, RefusedError
from pipeline.tasks import Workspace
from tests.tasks.conftest import Prepare, Reopen, Served
from tests.tasks.gates import make_lossy, with_gate
from tests.tasks.kept import Kept
from tests.tasks.nights import NEXT, live_header, open_reader, run_night


@pytest.fixture(scope="module")
def kept_held(kept_served: Kept, prepare: Prepare) -> Kept:
    """The night of NEXT lost a region, and waits for an answer."""

    def lose_region(workspace: Workspace) -> tuple[Served, str]:
        strict = with_gate(replace(kept_served.made, workspace=workspace), on_breach="ask")
        make_lossy(workspace, NEXT)
        published = run_night(workspace, strict.job, NEXT, "lossy")["publish"]
        assert published["result"] == "held"
        return strict, published["generation"]

    return prepare(kept_served, lose_region)


@pytest.fixture
def held(kept_held: Kept, reopen: Reopen) -> tuple[Served, str]:
    """A copy of it, and the generation that waits."""
    strict, generation = kept_held.made
    return replace(strict, workspace=reopen(kept_held)), generation


def test_what_waits_is_not_live_and_can_be_read_by_partition(held: tuple[Served, str]) -> None:
    served, generation = held
    served.check_still_served()
    found = open_reader(served.workspace, served.job).get(next(iter(served.predictions)), partition=NEXT)
    assert found.generation == generation


def test_an_approval_makes_it_live_and_says_who_gave_it(held: tuple[Served, str]) -> None:
    served, generation = held
    workspace, job = served.workspace, served.job
    done = tasks.approve_release(workspace, job, generation, who="Jane Doe", why="the region was sold")
    assert done["result"] == "live"
    assert live_header(workspace, job).generation == generation
    last = workspace.release_log(job).events()[-1]
    assert (last.kind, last.who, last.why) == ("approved", "Jane Doe", "the region was sold")
    tasks.approve_release(workspace, job, generation, who="Jane Doe", why="the region was sold")
    assert workspace.release_log(job).events()[-1] == last


def test_what_was_turned_down_does_not_go_live(held: tuple[Served, str]) -> None:
    served, generation = held
    workspace, job = served.workspace, served.job
    tasks.decline_release(workspace, job, generation, who="Jane Doe", why="half of the grid is missing")
    with pytest.raises(RefusedError, match="does not wait") as refused:
        tasks.approve_release(workspace, job, generation, who="John Doe", why="why not")
    assert "half of the grid is missing" in str(refused.value.found)
    served.check_refused(refused.value)


def test_what_was_overtaken_while_it_waited_does_not_go_live(held: tuple[Served, str]) -> None:
    served, generation = held
    workspace, job = served.workspace, served.job
    workspace.ledger(job).demote("1", holds_from=NEXT, who="a person", why="it predicts nonsense")
    with pytest.raises(RefusedError, match="overtaken") as refused:
        tasks.approve_release(workspace, job, generation, who="Jane Doe", why="looks fine")
    served.check_refused(refused.value)


def test_a_release_that_nobody_held_back_needs_no_approval(served: Served) -> None:
    generation = served.first["publish"]["generation"]
    with pytest.raises(RefusedError, match="does not wait"):
        tasks.approve_release(served.workspace, served.job, generation, who="Jane Doe", why="looks fine")


@pytest.mark.parametrize("generation", ["9-abcd", "../../upstream"])
def test_an_unknown_generation_is_named(served: Served, generation: str) -> None:
    with pytest.raises(NotReadyError, match="no release"):
        tasks.approve_release(served.workspace, served.job, generation, who="Jane Doe", why="looks fine")


def test_an_approval_without_a_name_or_a_reason_is_refused(held: tuple[Served, str]) -> None:
    served, generation = held
    with pytest.raises(BadInputError, match="nobody would know"):
        tasks.approve_release(served.workspace, served.job, generation, who=" ", why="looks fine")


def test_what_was_rolled_back_goes_live_again_if_that_was_asked_for_too(held: tuple[Served, str]) -> None:
    served, generation = held
    workspace, job = served.workspace, served.job
    tasks.approve_release(workspace, job, generation, who="Jane Doe", why="the region was sold")
    before = served.first["publish"]["generation"]
    tasks.roll_back(workspace, job, before, with_model=False, who="Jane Doe", why="it was not")
    forced = run_night(workspace, job, NEXT, "forced", release_rejected=True)["publish"]
    assert forced["result"] == "held"
    with pytest.raises(RefusedError, match="rolled back"):
        tasks.approve_release(workspace, job, forced["generation"], who="Jane Doe", why="it was")
    tasks.approve_release(workspace, job, forced["generation"], who="Jane Doe", why="it was", release_rejected=True)
    assert live_header(workspace, job).generation == forced["generation"]
    assert workspace.predictions.rejections(job.name) == {}
