"""Priors come out of the training rows and belong to the model."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
import redis

from pipeline.errors import DeclarationError
from pipeline.job import Job, Priors
from pipeline.jobs.flight_delays.job import JOB as FLIGHTS
from pipeline.tasks import Workspace, check_health
from pipeline.tasks.candidates import find_candidate
from pipeline.tasks.cold_starts import check_priors, read_priors
from pipeline.tasks.restoring import republish
from tests.meter_readings.upstream import MeterUpstream
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, TRAINED_ON, live_header, open_reader, train_model

TRAINED = [date(2024, 2, 21) + timedelta(days=age) for age in range(6)]
"""The partitions of the training, without those of the gap and the holdout."""


def read_outcomes() -> list[tuple[str | None, float]]:
    """Tariff and kilowatt-hours of the next day, straight from upstream."""
    upstream = MeterUpstream()
    outcomes = []
    for day in TRAINED:
        meters, readings = upstream.deliver("meters", day), upstream.deliver("readings", day + timedelta(days=1))
        assert meters is not None
        assert readings is not None
        tariffs = dict(zip(meters["meter_id"].to_pylist(), meters["tariff"].to_pylist(), strict=True))
        for meter, kwh in zip(readings["meter_id"].to_pylist(), readings["kwh"].to_pylist(), strict=True):
            if kwh is not None:
                outcomes.append((tariffs[meter], kwh))
    return outcomes


def test_the_priors_of_the_meter_job_are_those_of_its_upstream(trained: Workspace, job: Job) -> None:
    """Its segment is the tariff, which is no feature, and a quarter of the meters have none."""
    outcomes = read_outcomes()
    everything = math.fsum(kwh for _, kwh in outcomes) / len(outcomes)
    expected = {"": round(everything, 3)}
    for tariff in ("day", "night", "unheard"):
        own = [kwh for name, kwh in outcomes if name == tariff]
        expected[tariff] = round((math.fsum(own) + 50 * everything) / (len(own) + 50), 3)
    champion = trained.ledger(job).version("1")
    assert trained.models(job).load(champion).priors == pytest.approx(expected, abs=0)
    assert trained.models(job).read_metadata(champion).priors == expected


def test_without_a_segment_there_is_one_for_all(trained: Workspace, job: Job) -> None:
    for priors, segments in ((Priors(), {""}), (None, set()), (Priors(segment="weekday"), {"", *"013456"})):
        changed = job.model_copy(update={"priors": priors})
        version = train_model(trained, changed, TRAINED_ON, "again")["train"]["model_version"]
        model = trained.models(job).load(trained.ledger(job).version(version))
        assert set(model.priors) == segments


@pytest.mark.parametrize(("segment", "found"), [("rated_amps", "float64"), ("colour", "no such column")])
def test_a_column_that_is_none_of_segments_is_refused(trained: Workspace, job: Job, segment: str, found: str) -> None:
    changed = job.model_copy(update={"priors": Priors(segment=segment)})
    with pytest.raises(DeclarationError, match="cannot be the segment") as caught:
        train_model(trained, changed, TRAINED_ON, "wrong")
    assert caught.value.job == job.name
    assert found in str(caught.value.found)


def test_the_declarations_of_the_project_hold(job: Job) -> None:
    check_priors(FLIGHTS)
    check_priors(job)
    assert FLIGHTS.priors == Priors(segment="carrier")


def test_doctor_looks_at_the_segment(trained: Workspace, monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    monkeypatch.setattr("tests.meter_readings.job.JOB", job.model_copy(update={"priors": Priors(segment="colour")}))
    assert any("colour cannot be the segment" in problem for problem in check_health(trained)["problems"])


def test_they_are_no_part_of_what_other_programs_are_told(trained: Workspace, job: Job) -> None:
    """A segment is a value of upstream: it stays in the lake and Redis."""
    registration = trained.ledger(job).version("1").registration
    assert "unheard" not in registration.model_dump_json()


def test_readers_get_them_for_who_is_not_in_the_population(served: Served) -> None:
    """By the segment that the application knows, else the one for all; a member of the population gets its own."""
    workspace, job = served.workspace, served.job
    priors, segment = read_priors(workspace, job, "1")
    header = live_header(workspace, job)
    assert (header.priors, header.prior_segment) == (len(priors), segment) == (4, "tariff")
    reader = open_reader(workspace, job)
    for asked, prior in {"day": priors["day"], "unknown to us": priors[""], None: priors[""]}.items():
        answer = reader.get("nobody", segment=asked)
        assert (answer.value, str(answer.source)) == (prior, "prior")
    member = next(iter(served.predictions))
    assert reader.get(member, segment="day").value == served.predictions[member]


def test_they_are_restored_with_what_was_live(served: Served) -> None:
    workspace, job = served.workspace, served.job
    before = open_reader(workspace, job).get("nobody", segment="night")
    redis.Redis.from_url(workspace.settings.redis_url.get_secret_value()).flushall()
    republish(workspace, job, who="tests")
    after = open_reader(workspace, job).get("nobody", segment="night")
    assert (after.value, after.generation, after.source) == (before.value, before.generation, before.source)
    assert str(after.source) == "prior"


def test_other_priors_are_another_release(served: Served) -> None:
    """A rollback rejects what predictions are made of, and priors are predictions."""
    workspace, job = served.workspace, served.job
    candidate = find_candidate(workspace, job, LIVE, "tests", served.first["score"])
    priors, _ = read_priors(workspace, job, "1")
    assert live_header(workspace, job).inputs == candidate.digest_inputs(priors)
    assert candidate.digest_inputs(priors) != candidate.digest_inputs({**priors, "day": 1.0})
