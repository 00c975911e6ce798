"""The inputs of a night are compared with what the model was trained on, and with the same weekday of weeks before."""

from __future__ import annotations

from datetime import date, timedelta

from pipeline.job import Job
from pipeline.monitoring import Profile
from pipeline.stores.monitoring import MonitoringRecords
from pipeline.stores.stage_outputs import Output
from pipeline.tasks import Workspace
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.monitoring.inputs import InputsSeen, observe_inputs
from pipeline.tasks.monitoring.past_nights import read_past
from pipeline.tasks.monitoring.profiles import PROFILE_STAGE
from pipeline.tasks.monitoring.references import ensure_reference
from tests.monitoring_records import make_observed, name_night
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE

WEEK_BEFORE = (date.fromisoformat(LIVE) - timedelta(days=7)).isoformat()


def load_profile(served: Served) -> Output:
    return served.workspace.outputs(served.job).load(PROFILE_STAGE, served.first["score"]["profile"])


def observe(served: Served, profile: Output | None = None) -> InputsSeen:
    workspace, job = served.workspace, served.job
    version, past = workspace.ledger(job).require_champion(LIVE), read_past(workspace, job, LIVE)
    return observe_inputs(workspace, job, LIVE, version, profile or load_profile(served), past)


def records_of(served: Served) -> MonitoringRecords:
    return served.workspace.monitoring(served.job)


def watch_week_before(served: Served, profile: Profile) -> None:
    """As if that night had been watched, with these counts, and the two that tonight's alarms are judged along with."""
    records_of(served).write_profile(WEEK_BEFORE, profile)
    for days in (7, 2, 1):
        day = (date.fromisoformat(LIVE) - timedelta(days=days)).isoformat()
        records_of(served).write_observed(make_observed(day))


def count_over_other_bins(profile: Profile) -> Profile:
    """As if the model of that night had been trained in another region."""
    region = profile["features"]["region"]
    return {**profile, "features": {**profile["features"], "region": {**region, "own": ["elsewhere"]}}}


def test_every_feature_is_compared_with_the_reference_the_furthest_first(served: Served) -> None:
    seen = observe(served)
    assert {item.against for item in seen.drift} == {"reference"}
    assert {item.feature for item in seen.drift} == set(load_profile(served).facts["features"])
    assert [item.psi for item in seen.drift] == sorted((item.psi for item in seen.drift), reverse=True)
    assert seen.profile == load_profile(served).facts


def test_a_first_night_says_what_it_waits_for(served: Served) -> None:
    reference, weekday = observe(served).signals
    assert (reference.name, reference.muted) == ("inputs.drift", "0 of the 21 nights that a limit is learnt from")
    assert weekday.name == "inputs.weekday_drift"
    assert weekday.muted == "none of the 4 weeks before has a night of this weekday"


def test_the_same_weekday_a_week_before_is_compared_with(served: Served) -> None:
    watch_week_before(served, load_profile(served).facts)
    weekday = [item for item in observe(served).drift if item.against == "weekday"]
    assert len(weekday) == len(load_profile(served).facts["features"])
    assert {item.psi for item in weekday} == {0.0}


def test_another_day_of_the_week_is_not(served: Served) -> None:
    six_before = (date.fromisoformat(LIVE) - timedelta(days=6)).isoformat()
    records_of(served).write_profile(six_before, load_profile(served).facts)
    assert {item.against for item in observe(served).drift} == {"reference"}


def test_a_night_of_another_model_is_counted_again_over_the_bins_of_this_one(served: Served) -> None:
    """Its profile names the features that it was made of; here, tonight's."""
    watch_week_before(served, count_over_other_bins(load_profile(served).facts))
    weekday = [item for item in observe(served).drift if item.against == "weekday"]
    assert weekday
    assert {item.psi for item in weekday} == {0.0}


def test_a_night_whose_features_are_gone_is_left_out(served: Served) -> None:
    profile, outputs = load_profile(served), served.workspace.outputs(served.job)
    watch_week_before(served, count_over_other_bins(profile.facts))
    outputs.remove(BUILD_STAGE, served.first["build_features"]["output"])
    assert {item.against for item in observe(served, profile).drift} == {"reference"}


def test_a_release_that_was_rolled_back_is_not_compared_with(served: Served) -> None:
    """Its profile is there, but no record that teaches."""
    records_of(served).write_profile(WEEK_BEFORE, load_profile(served).facts)
    assert {item.against for item in observe(served).drift} == {"reference"}


def test_a_night_that_stands_in_for_the_training_rows_is_not_compared_with_itself(served: Served) -> None:
    version = served.workspace.ledger(served.job).require_champion(LIVE)
    reference = ensure_reference(served.workspace, served.job, version)
    lake, digest = served.workspace.lake, version.registration.model_digest
    path = f"jobs/{served.job.name}/monitoring/references/{digest}.json"
    lake.replace_json(path, reference | {"made_from": LIVE})
    assert observe(served).signals[0].muted == "the model's training rows are gone: this night stands in"


def test_as_many_nights_are_recalled_as_limits_are_learnt_from(workspace: Workspace, job: Job) -> None:
    job = job.model_copy(update={"monitoring": job.monitoring.model_copy(update={"history": 30})})
    for number in range(80):
        workspace.monitoring(job).write_observed(make_observed(name_night(number)))
    found = read_past(workspace, job, name_night(79))
    # But for the two that are judged along with tonight.
    assert [night.partition for night in found] == [name_night(number) for number in range(47, 77)]
