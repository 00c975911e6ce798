"""Releases: rows that do not add up are never made live."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline import tasks
from pipeline.errors import DamagedError
from pipeline.keyspace import State
from pipeline.stores.predictions.load import Load
from pipeline.tasks.candidates import find_candidate
from pipeline.tasks.manifests import require_manifest
from pipeline.tasks.releasing import publish_release
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE


def test_a_population_that_is_not_accounted_for_is_not_published(served: Served) -> None:
    workspace, job = served.workspace, served.job
    candidate = find_candidate(workspace, job, LIVE, "bad", served.first["score"])
    population = candidate.own["meters"].rows
    lost = population.model_copy(update={"facts": {**population.facts, "received": 241}})
    own = {**candidate.own, "meters": replace(candidate.own["meters"], rows=lost)}
    with pytest.raises(DamagedError, match="not accounted for") as caught:
        publish_release(workspace, job, replace(candidate, own=own))
    assert caught.value.expected == "received = quarantined + scored"
    assert caught.value.found == "241 received, 0 quarantined, 240 scored"
    served.check_refused(caught.value, LIVE)


def test_what_was_scored_before_there_was_monitoring_is_released_without_it(served: Served) -> None:
    """As by a publication that is cleared after an upgrade: its run knows neither profile nor reasons."""
    added = {"profile", "reasons", "profile_seconds", "computed"}
    scored = {name: value for name, value in served.first["score"].items() if name not in added}
    published = tasks.publish(served.workspace, served.job, LIVE, "cleared", scored)
    assert (published["result"], published["reasons"], published["warnings"]) == ("live", 0, [])
    assert published["rows"] == served.first["publish"]["rows"]
    manifest = require_manifest(served.workspace, served.job, published["generation"])
    assert (manifest["profile"], manifest["reasons"]) == (None, None)


def test_rows_that_redis_lost_are_not_made_live(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, job = served.workspace, served.job
    candidate = find_candidate(workspace, job, LIVE, "bad", served.first["score"])
    read_back = Load.read_back
    monkeypatch.setattr(Load, "read_back", lambda load: read_back(load) - 1)
    with pytest.raises(DamagedError, match="not accounted for") as caught:
        publish_release(workspace, job, candidate)
    assert caught.value.expected == "scored = published = read back"
    served.check_refused(caught.value, LIVE)
    newest = workspace.predictions.generations(job.name)[0]
    assert newest.state is State.REJECTED
