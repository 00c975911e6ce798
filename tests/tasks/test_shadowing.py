"""A challenger on shadow nights scores along, is never served, and is settled when their outcomes are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import tasks
from pipeline.errors import BadInputError, RefusedError
from pipeline.job import Job
from pipeline.tasks import Workspace, settling, shadowing
from pipeline.tasks.runs import Summary
from pipeline.tasks.scoring import SCORE_STAGE, SHADOW_STAGE
from tests.meter_readings.job import JOB
from tests.tasks.conftest import NOON, Prepare, Reopen
from tests.tasks.kept import Kept
from tests.tasks.nights import (
    LIVE,
    NEXT,
    NIGHTS,
    live_header,
    read_live,
    read_scores,
    run_night,
    run_until_scored,
    train_model,
)

SETTLED = NIGHTS[2]
"""The first partition by which the outcomes of both shadow nights are known."""


@pytest.fixture(scope="module")
def job() -> Job:
    """The second job, whose challengers score along for two nights."""
    return JOB.model_copy(update={"training": JOB.training.model_copy(update={"shadow_nights": 2})})


@pytest.fixture(scope="module")
def kept_guess(validated_home: Path, prepare: Prepare, job: Job) -> Kept:
    """Champion is a guess."""
    return prepare(Kept(validated_home, NOON), lambda workspace: begin_with_guess(workspace, job))


@pytest.fixture(scope="module")
def kept_better(kept_guess: Kept, prepare: Prepare, job: Job) -> Kept:
    """And a line scores along."""
    return prepare(kept_guess, lambda workspace: begin_shadow(workspace, job, "build_model"))


@pytest.fixture(scope="module")
def kept_over(kept_better: Kept, prepare: Prepare, job: Job) -> Kept:
    """And both nights are over."""
    return prepare(kept_better, lambda workspace: run_both(workspace, job))


@pytest.fixture(scope="module")
def kept_uneven(kept_guess: Kept, prepare: Prepare, job: Job) -> Kept:
    """What scored along, on nights that are over, is better overall and worse in a segment."""

    def run(workspace: Workspace) -> None:
        begin_shadow(workspace, job, "build_uneven")
        run_both(workspace, job)

    return prepare(kept_guess, run)


@pytest.fixture
def better(kept_better: Kept, reopen: Reopen) -> Workspace:
    """Champion is a guess, and a line scores along."""
    return reopen(kept_better)


@pytest.fixture
def over(kept_over: Kept, reopen: Reopen) -> Workspace:
    """The same once both nights are over."""
    return reopen(kept_over)


@pytest.fixture
def worse(trained: Workspace, job: Job) -> Workspace:
    """Champion is a line, and a guess scores along, which no gate would have let pass."""
    guessing = job.model_copy(update={"model": "tests.meter_readings.model:build_guess"})
    train_model(trained, guessing, run="guess")
    trained.ledger(job).shadow("2", holds_from=LIVE, until=NEXT, who="tests", why="a test", expected_champion="1")
    return trained


def begin_with_guess(workspace: Workspace, job: Job) -> None:
    """Train a guess, which becomes champion."""
    train_model(workspace, job.model_copy(update={"model": "tests.meter_readings.model:build_guess"}), run="guess")


def begin_shadow(workspace: Workspace, job: Job, model: str) -> None:
    """Train another model, which scores along."""
    done = train_model(workspace, job.model_copy(update={"model": f"tests.meter_readings.model:{model}"}))["promote"]
    assert (done["promoted"], done["shadowed"], done["champion"]) == (False, True, "1")


def run_both(workspace: Workspace, job: Job) -> list[dict[str, Summary]]:
    """The summaries of both shadow nights."""
    return [run_night(workspace, job, night) for night in (LIVE, NEXT)]


def settle(workspace: Workspace, job: Job, partition: str = SETTLED) -> list[dict[str, object]]:
    settled: list[dict[str, object]] = tasks.settle_shadow(workspace, job, partition, "settling")["settled"]
    return settled


def test_one_event_says_which_nights_and_the_first_model_needs_none(better: Workspace, job: Job) -> None:
    events = better.ledger(job).events()
    assert [event.kind for event in events] == ["registered", "promoted", "registered", "shadowed"]
    assert (events[-1].model_version, events[-1].holds_from, events[-1].until) == ("2", LIVE, NEXT)
    shown = tasks.list_models(better, job)["versions"][1]
    assert (shown["standing"], shown["until"]) == ("shadowed", NEXT)
    repeated = train_model(better, job, run="retry")["promote"]
    assert repeated["shadowed"]
    assert len(better.ledger(job).events()) == 4


def test_its_scores_are_stored_and_the_champion_s_are_served(better: Workspace, job: Job) -> None:
    night = run_night(better, job, LIVE)
    shadow = better.outputs(job).load(SHADOW_STAGE, night["score_shadows"]["shadows"]["2"])
    assert shadow.facts["rows"] == night["score"]["rows"]
    served = read_scores(better, job, night["score"])
    assert live_header(better, job).model_version == "1"
    assert read_live(better, job, list(served)) == served
    assert (night["score"]["model_version"], night["score_shadows"]["warnings"]) == ("1", [])


def test_before_and_after_those_nights_nothing_scores_along(better: Workspace, job: Job) -> None:
    assert run_night(better, job, SETTLED)["score_shadows"]["shadows"] == {}


def test_a_shadow_that_fails_is_a_warning_of_a_night_that_succeeds(better: Workspace, job: Job) -> None:
    better.lake.replace(better.ledger(job).version("2").registration.artifact_path, b"altered")
    night = run_night(better, job, LIVE)
    assert night["publish"]["result"] == "live"
    record = tasks.read_run(better, job, LIVE)["stages"][-1]
    (warning,) = record["warnings"]
    assert "shadow model 2 did not score this night" in warning
    assert (record["stage"], record["state"]) == ("score_shadows", "success")


def test_the_night_itself_knows_nothing_of_shadows(
    better: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs or takes all memory cannot be caught by the task that it does that to."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a night asked for a shadow")

    monkeypatch.setattr(shadowing, "score_features", refuse)
    scored = run_until_scored(better, job, LIVE)["score"]
    assert tasks.publish(better, job, LIVE, "first", scored)["result"] == "live"
    assert "did not score this night" in tasks.score_shadows(better, job, LIVE, "first", scored)["warnings"][0]


def test_a_better_shadow_is_promoted_with_the_evidence(over: Workspace, job: Job) -> None:
    assert settle(over, job, NEXT) == []  # the outcomes of the second night are not known yet
    (done,) = settle(over, job)
    assert done["promoted"]
    assert str(done["why"]).startswith("2 of 2 shadow nights: better than the champion")
    event = over.ledger(job).events()[-1]
    assert (event.kind, event.model_version, event.holds_from) == ("promoted", "2", NIGHTS[3])
    assert event.why == done["why"]
    assert [over.ledger(job).require_champion(night).version for night in NIGHTS] == ["1", "1", "1", "2"]
    assert settle(over, job) == []


def test_a_worse_shadow_is_rejected_with_the_evidence(worse: Workspace, job: Job) -> None:
    run_both(worse, job)
    (done,) = settle(worse, job)
    assert not done["promoted"]
    assert "may be worse than the margin" in str(done["why"])
    event = worse.ledger(job).events()[-1]
    assert (event.kind, event.model_version) == ("rejected", "2")
    assert worse.ledger(job).require_champion(NIGHTS[3]).version == "1"
    with pytest.raises(RefusedError, match="was rejected"):
        worse.ledger(job).shadow("2", holds_from=LIVE, until=NEXT, who="t", why="again", expected_champion="1")


def test_a_night_that_it_did_not_score_is_left_out_and_counted(better: Workspace, job: Job) -> None:
    run_night(better, job, NEXT)
    (done,) = settle(better, job)
    assert str(done["why"]).startswith("1 of 2 shadow nights")


def test_without_any_night_it_is_rejected(better: Workspace, job: Job) -> None:
    (done,) = settle(better, job)
    assert "no night was scored by both" in str(done["why"])
    assert better.ledger(job).events()[-1].kind == "rejected"


def lose_scores(workspace: Workspace, job: Job, night: Summary) -> None:
    workspace.outputs(job).remove(SCORE_STAGE, night["score"]["output"])


def damage_scores(workspace: Workspace, job: Job, night: Summary) -> None:
    folder = f"stages/{job.name}/{SHADOW_STAGE}/{night['score_shadows']['shadows']['2']}"
    (name,) = [name for name in workspace.lake.list(folder) if name.endswith(".parquet")][:1]
    workspace.lake.replace(f"{folder}/{name}", b"damaged")


@pytest.mark.parametrize("break_night", [lose_scores, damage_scores])
def test_a_night_whose_scores_are_gone_or_damaged_is_left_out_and_counted(
    kept_over: Kept, over: Workspace, job: Job, break_night: Callable[[Workspace, Job, Summary], None]
) -> None:
    first, _ = kept_over.made
    break_night(over, job, first)
    (done,) = settle(over, job)
    assert str(done["why"]).startswith("1 of 2 shadow nights")


def test_outcomes_that_decide_nothing_reject_it_and_say_so(
    over: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As outcomes that are all the same do, where the task is binary."""

    def find_one_class(*_: object) -> None:
        raise BadInputError("labels of a binary task must hold both outcomes", found="1 values")

    monkeypatch.setattr(settling, "compare_scores", find_one_class)
    (done,) = settle(over, job)
    assert str(done["why"]).startswith(
        "2 of 2 shadow nights: the outcomes decide nothing: labels of a binary task must"
    )
    assert over.ledger(job).events()[-1].kind == "rejected"


def test_a_shadow_that_does_not_load_any_more_is_rejected(over: Workspace, job: Job) -> None:
    over.lake.replace(over.ledger(job).version("2").registration.artifact_path, b"altered")
    (done,) = settle(over, job)
    assert "it does not load any more: model 2 is not the one that was registered" in str(done["why"])
    assert over.ledger(job).events()[-1].kind == "rejected"


def test_nights_that_the_champion_was_trained_on_are_left_out(over: Workspace, job: Job) -> None:
    """As those are of a champion that a person has promoted, and that was trained later than the shadow."""
    registered = f"jobs/{job.name}/models/000001.json"
    event = over.lake.read_json(registered)
    event["registration"]["trained_through"] = LIVE
    over.lake.replace_json(registered, event)
    (done,) = settle(over, job)
    assert str(done["why"]).startswith("1 of 2 shadow nights")


@pytest.mark.parametrize(("segments", "promoted"), [((), True), (("region",), False)])
def test_a_shadow_that_is_better_overall_and_worse_in_a_segment_is_rejected(
    kept_uneven: Kept, reopen: Reopen, job: Job, segments: tuple[str, ...], promoted: bool
) -> None:
    """Segments are declared after its training, whose gate they would have kept it from passing."""
    uneven = reopen(kept_uneven)
    gate = job.training.gate.model_copy(update={"min_segment": 50})
    training = job.training.model_copy(update={"gate": gate})
    (done,) = settle(uneven, job.model_copy(update={"segments": segments, "training": training}))
    assert done["promoted"] is promoted
    assert ("significantly worse in 1 of 3 segments, most of all in one of region" in str(done["why"])) is not promoted
    assert uneven.ledger(job).events()[-1].kind == ("promoted" if promoted else "rejected")
