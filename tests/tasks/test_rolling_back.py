"""Rollbacks: an earlier generation is live again, and what was rolled back does not come back by itself."""

from __future__ import annotations

import pytest

from pipeline import tasks
from pipeline.errors import BadInputError, NotReadyError, RefusedError, UnavailableError
from pipeline.serving import PartitionNotKept
from pipeline.stores.lake import Lake
from tests.tasks.conftest import PrepareServed, ReopenServed, Served
from tests.tasks.kept import Kept
from tests.tasks.nights import (
    LIVE,
    NEXT,
    NIGHTS,
    land_again,
    let_pass,
    live_header,
    open_reader,
    run_night,
    train_model,
)
from tests.tasks.test_redeliveries import double_amps

WHO, WHY = "Jane Doe", "it is warmer than that"


@pytest.fixture(scope="module")
def kept_bad(prepare_served: PrepareServed) -> Kept:
    """The night of NEXT is live, and somebody wants the one before it back."""

    def run_next(served: Served) -> None:
        assert run_night(served.workspace, served.job, NEXT)["publish"]["result"] == "live"

    return prepare_served(run_next)


@pytest.fixture
def bad(kept_bad: Kept, reopen_served: ReopenServed) -> Served:
    """A copy of it."""
    return reopen_served(kept_bad)


def roll_back(served: Served, *, to: str | None = None, with_model: bool = False) -> dict[str, object]:
    target = tasks.choose_rollback(served.workspace, served.job, to=to, with_model=with_model)
    return tasks.roll_back(served.workspace, served.job, target, with_model=with_model, who=WHO, why=WHY)


def test_the_generation_before_is_served_again(bad: Served) -> None:
    left = live_header(bad.workspace, bad.job).generation
    done = roll_back(bad)
    bad.check_still_served()
    assert (done["previous"], done["rejected"]) == (left, [left])
    last = bad.workspace.release_log(bad.job).events()[-1]
    assert (last.kind, last.who, last.why, last.previous) == ("rolled_back", WHO, WHY, left)
    assert [rejection.generation for rejection in last.rejected.values()] == [left]


def test_a_generation_can_be_named(bad: Served) -> None:
    third = run_night(bad.workspace, bad.job, NIGHTS[2])["publish"]
    done = roll_back(bad, to=bad.first["publish"]["generation"])
    bad.check_still_served()
    assert third["generation"] in str(done["rejected"])
    assert len(done["rejected"]) == 2  # type: ignore[arg-type]


def test_repeating_a_rollback_to_a_named_generation_changes_nothing(bad: Served) -> None:
    target = bad.first["publish"]["generation"]
    first = roll_back(bad, to=target)
    events = len(bad.workspace.release_log(bad.job).events())
    again = roll_back(bad, to=target)
    assert again["token"] == first["token"]
    assert len(bad.workspace.release_log(bad.job).events()) == events
    bad.check_still_served()


def test_the_same_inputs_do_not_come_back(bad: Served) -> None:
    roll_back(bad)
    with pytest.raises(RefusedError, match="rolled back") as refused:
        run_night(bad.workspace, bad.job, NEXT, "again")
    assert WHO in str(refused.value.found)
    assert WHY in str(refused.value.found)
    bad.check_refused(refused.value)


def test_the_same_inputs_do_not_come_back_when_redis_forgot_them(bad: Served) -> None:
    roll_back(bad)
    bad.workspace.predictions._client.flushall()
    with pytest.raises(RefusedError, match="rolled back"):
        run_night(bad.workspace, bad.job, NEXT, "again")


def test_the_same_inputs_come_back_when_they_are_forced_and_again_after_that(bad: Served) -> None:
    roll_back(bad)
    forced = run_night(bad.workspace, bad.job, NEXT, "forced", release_rejected=True)["publish"]
    assert forced["result"] == "live"
    assert run_night(bad.workspace, bad.job, NEXT, "again")["publish"]["result"] == "live"


def test_corrected_inputs_go_live(bad: Served) -> None:
    roll_back(bad)
    land_again(bad.workspace, "meters", NEXT, double_amps)
    fixed = run_night(bad.workspace, bad.job, NEXT, "fixed")["publish"]
    assert fixed["result"] == "live"
    assert live_header(bad.workspace, bad.job).generation == fixed["generation"]


def test_the_next_night_goes_on_normally(bad: Served) -> None:
    roll_back(bad)
    assert run_night(bad.workspace, bad.job, NIGHTS[2])["publish"]["result"] == "live"


def test_a_publish_that_slept_through_the_rollback_is_refused(bad: Served) -> None:
    workspace, job = bad.workspace, bad.job
    scored = run_night(workspace, job, NIGHTS[2])["score"]
    roll_back(bad)
    with pytest.raises(RefusedError):
        tasks.publish(workspace, job, NIGHTS[2], "late", scored)
    assert live_header(workspace, job).partition == NEXT


def test_what_was_rolled_back_is_not_read_by_partition(bad: Served) -> None:
    roll_back(bad)
    with pytest.raises(PartitionNotKept):
        open_reader(bad.workspace, bad.job).get(next(iter(bad.predictions)), partition=NEXT)


@pytest.fixture(scope="module")
def kept_remodelled(prepare_served: PrepareServed) -> Kept:
    """A second model became champion from NEXT on, and made two nights."""
    return prepare_served(remodel)


@pytest.fixture
def remodelled(kept_remodelled: Kept, reopen_served: ReopenServed) -> Served:
    """A copy of it."""
    return reopen_served(kept_remodelled)


def remodel(served: Served) -> None:
    workspace, job = served.workspace, served.job
    land_again(workspace, "readings", "2024-02-28", lambda table: table.slice(3))
    lenient = let_pass(job)
    assert train_model(workspace, lenient, LIVE, "later")["promote"]["champion"] == "2"
    for night in NIGHTS[1:3]:
        assert run_night(workspace, job, night)["publish"]["model_version"] == "2"


def test_model_and_predictions_go_back_together(remodelled: Served) -> None:
    workspace, job = remodelled.workspace, remodelled.job
    done = roll_back(remodelled, with_model=True)
    remodelled.check_still_served()
    assert (done["demoted"], done["champion"]) == (["2"], "1")
    again = run_night(workspace, job, NIGHTS[2], "again")["publish"]
    assert (again["result"], again["model_version"]) == ("live", "1")


def test_a_rollback_that_broke_off_after_the_ledger_is_completed_by_repeating_it(
    remodelled: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, job = remodelled.workspace, remodelled.job
    target = tasks.choose_rollback(workspace, job, to=None, with_model=True)
    with monkeypatch.context() as broken:

        def fail(*_: object, **__: object) -> None:
            raise UnavailableError("Redis does not answer")

        broken.setattr(type(workspace.predictions), "rollback", fail)
        with pytest.raises(UnavailableError, match="in part"):
            roll_back(remodelled, to=target, with_model=True)
    assert live_header(workspace, job).model_version == "2"
    done = roll_back(remodelled, to=target, with_model=True)
    assert (done["demoted"], done["champion"]) == (["2"], "1")
    remodelled.check_still_served()


def test_a_rollback_that_broke_off_before_the_log_is_completed_by_repeating_it(
    remodelled: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, job = remodelled.workspace, remodelled.job
    target = tasks.choose_rollback(workspace, job, to=None, with_model=True)
    put = Lake.put_json_if_absent
    with monkeypatch.context() as broken:

        def fail(lake: Lake, path: str, value: object) -> bool:
            if "release_log" in path:
                raise OSError("no space left on device")
            return put(lake, path, value)

        broken.setattr(Lake, "put_json_if_absent", fail)
        with pytest.raises(UnavailableError, match="in part") as failed:
            roll_back(remodelled, to=target, with_model=True)
    assert f"--to {target} --with-model" in str(failed.value.next_step)
    remodelled.check_still_served()
    done = roll_back(remodelled, to=target, with_model=True)
    assert len(done["rejected"]) == 2  # type: ignore[arg-type]
    last = workspace.release_log(job).events()[-1]
    assert (last.kind, len(last.rejected)) == ("rolled_back", 2)


def test_with_the_model_there_must_be_another_one(bad: Served) -> None:
    with pytest.raises(RefusedError, match="no generation to return to"):
        roll_back(bad, with_model=True)
    with pytest.raises(RefusedError, match="model 1 made"):
        roll_back(bad, to=bad.first["publish"]["generation"], with_model=True)


def test_without_anything_before_there_is_nothing_to_return_to(served: Served) -> None:
    with pytest.raises(RefusedError, match="no generation to return to"):
        roll_back(served)
    served.check_still_served()


def test_an_unknown_generation_is_not_rolled_back_to(bad: Served) -> None:
    with pytest.raises(NotReadyError, match="no release"):
        roll_back(bad, to="77-abcd")


def test_a_rollback_says_who_and_why(bad: Served) -> None:
    with pytest.raises(BadInputError, match="nobody would know"):
        tasks.roll_back(bad.workspace, bad.job, bad.first["publish"]["generation"], with_model=False, who="", why=WHY)
    assert live_header(bad.workspace, bad.job).partition == NEXT


def test_a_night_that_was_run_again_is_left_altogether(bad: Served) -> None:
    again = run_night(bad.workspace, bad.job, NEXT, "again")["publish"]["generation"]
    done = roll_back(bad)
    bad.check_still_served()
    assert (done["previous"], done["rejected"]) == (again, [again])
    with pytest.raises(RefusedError, match="rolled back"):
        run_night(bad.workspace, bad.job, NEXT, "once more")


def test_an_audit_of_what_was_rolled_back_does_not_let_it_in_again(bad: Served) -> None:
    workspace, job = bad.workspace, bad.job
    roll_back(bad)
    audit = run_night(workspace, job, NEXT, "audit", basis="as_known_then", release_rejected=True)["publish"]
    assert audit["result"] == "kept"
    with pytest.raises(RefusedError, match="rolled back"):
        run_night(workspace, job, NEXT, "again")


def test_a_rollback_that_nobody_could_write_down_is_written_down_by_the_next_night(bad: Served) -> None:
    """Killed between Redis and the log; then Redis loses everything, too."""
    workspace, job = bad.workspace, bad.job
    workspace.predictions.rollback(job.name, None, who=WHO, why=WHY)
    run_night(workspace, job, NIGHTS[2])
    noticed = next(event for event in workspace.release_log(job).events() if event.kind == "rolled_back")
    assert (noticed.who, noticed.why, noticed.partition) == (WHO, WHY, LIVE)
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job, who=WHO)
    with pytest.raises(RefusedError, match="rolled back"):
        run_night(workspace, job, NEXT, "again")


def test_nobody_is_demoted_for_a_generation_that_is_not_returned_to(remodelled: Served) -> None:
    workspace, job = remodelled.workspace, remodelled.job
    kept = run_night(workspace, job, LIVE, "again")["publish"]
    assert (kept["result"], kept["model_version"]) == ("kept", "1")
    assert run_night(workspace, job, NIGHTS[3])["publish"]["model_version"] == "2"
    with pytest.raises(RefusedError, match="nothing was rolled back"):
        roll_back(remodelled, to=kept["generation"], with_model=True)
    champion = workspace.ledger(job).champion(NIGHTS[3])
    assert champion is not None
    assert champion.version == "2"
