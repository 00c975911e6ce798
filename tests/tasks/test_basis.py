"""A past night made again of what it knew then, or of what is known today."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from pipeline import tasks
from pipeline.errors import NotReadyError, RefusedError
from pipeline.keyspace import partitions_key
from pipeline.serving import PartitionNotKept
from pipeline.tasks import Workspace
from pipeline.tasks.manifests import read_manifest
from tests.meter_readings.upstream import FIRST_ID
from tests.tasks.conftest import PrepareServed, ReopenServed, Served
from tests.tasks.kept import Kept
from tests.tasks.nights import LIVE, NEXT, land_again, let_pass, live_header, open_reader, run_night, train_model
from tests.tasks.test_differing import warm_up


@pytest.fixture(scope="module")
def kept_corrected(prepare_served: PrepareServed) -> Kept:
    """Since LIVE was released: a correction of its own day, one of an earlier day, and another champion for it."""
    return prepare_served(correct)


@pytest.fixture
def corrected(kept_corrected: Kept, reopen_served: ReopenServed) -> Served:
    """A copy of it."""
    return reopen_served(kept_corrected)


def correct(served: Served) -> None:
    workspace, job = served.workspace, served.job
    land_again(workspace, "readings", LIVE, warm_up)
    land_again(workspace, "readings", "2024-03-01", warm_up)
    land_again(workspace, "tariffs", "2024-02-26", lambda table: table.slice(1))
    lenient = let_pass(job, window=5)
    assert train_model(workspace, lenient, "2024-03-02", "later")["promote"]["champion"] == "2"


def test_as_known_then_gives_what_was_released_then(corrected: Served) -> None:
    """To the digest: deliveries, trailing windows, dimensions, trailing profiles, and the champion of that night."""
    workspace, job = corrected.workspace, corrected.job
    again = run_night(workspace, job, LIVE, "audit", basis="as_known_then")
    assert again["validate"]["output"] == corrected.first["validate"]["output"]
    assert again["build_features"]["output"] == corrected.first["build_features"]["output"]
    assert again["score"]["output"] == corrected.first["score"]["output"]


def test_as_known_then_never_goes_live_and_says_what_it_is(corrected: Served) -> None:
    workspace, job = corrected.workspace, corrected.job
    published = run_night(workspace, job, LIVE, "audit", basis="as_known_then")["publish"]
    assert published["result"] == "kept"
    corrected.check_still_served()
    header = workspace.predictions.header(job.name, published["generation"])
    assert header is not None
    assert header.basis == "as_known_then"
    assert header.caveats == ("as known then: made without what was corrected since",)
    assert open_reader(workspace, job).get(str(FIRST_ID), partition=LIVE).generation == first_generation(corrected)
    manifest = read_manifest(workspace, job, published["generation"])
    assert manifest["basis"] == "as_known_then"
    assert manifest["known_by"] == live_header(workspace, job).to_json_object()["published_at"]
    assert manifest["model"]["version"] == "1"


def test_as_known_then_is_read_by_partition_where_nothing_else_is(corrected: Served) -> None:
    workspace, job = corrected.workspace, corrected.job
    run_night(workspace, job, NEXT, "next")
    workspace.predictions._client.hdel(partitions_key(job.name), LIVE)
    published = run_night(workspace, job, LIVE, "audit", basis="as_known_then")["publish"]
    answer = open_reader(workspace, job).get(str(FIRST_ID), partition=LIVE)
    assert answer.generation == published["generation"]
    assert answer.caveats == ("as known then: made without what was corrected since",)


def test_a_night_that_was_rolled_back_can_be_made_as_known_then(served: Served) -> None:
    """It is the one that somebody wants to look at; what was rejected stays rejected, and is not read by partition."""
    workspace, job = served.workspace, served.job
    run_night(workspace, job, NEXT)
    target = tasks.choose_rollback(workspace, job, to=None, with_model=False)
    tasks.roll_back(workspace, job, target, with_model=False, who="Jane Doe", why="scores are off")
    audit = run_night(workspace, job, NEXT, "audit", basis="as_known_then")["publish"]
    assert audit["result"] == "kept"
    served.check_still_served()
    with pytest.raises(PartitionNotKept):
        open_reader(workspace, job).get(str(FIRST_ID), partition=NEXT)
    with pytest.raises(RefusedError, match="rolled back"):
        run_night(workspace, job, NEXT, "again")


def first_generation(served: Served) -> str:
    """The generation that was live first."""
    return live_header(served.workspace, served.job).generation


def test_as_known_then_does_not_go_live_even_where_nothing_is(corrected: Served) -> None:
    workspace, job = corrected.workspace, corrected.job
    workspace.predictions._client.flushall()
    assert run_night(workspace, job, LIVE, "audit", basis="as_known_then")["publish"]["result"] == "kept"
    assert workspace.predictions.live(job.name) is None


def test_as_corrected_takes_what_there_is_today(corrected: Served) -> None:
    workspace, job = corrected.workspace, corrected.job
    again = run_night(workspace, job, LIVE, "again")
    assert again["publish"]["result"] == "live"
    assert again["score"]["model_version"] == "2"
    assert again["score"]["output"] != corrected.first["score"]["output"]
    manifest = read_manifest(workspace, job, again["publish"]["generation"])
    assert (manifest["basis"], manifest["known_by"]) == ("as_corrected", None)
    found = open_reader(workspace, job).get(next(iter(corrected.predictions)))
    assert found.model_version == "2"


def test_a_night_that_was_never_released_knew_what_had_landed_by_its_deadline(served: Served) -> None:
    """All was landed on the 9th, days after the deadline of this night."""
    with pytest.raises(NotReadyError, match="by 2024-03-04T") as refused:
        tasks.ingest(served.workspace, served.job, NEXT, "audit", basis="as_known_then")
    assert refused.value.partition == NEXT


def test_history_is_prepared_by_other_processes_as_it_was_known(corrected: Served) -> None:
    """The workspace keeps its moment when it is sent to another process."""
    then: Workspace = corrected.workspace.as_known_by(datetime(2024, 3, 9, tzinfo=UTC))
    sent: Workspace = pickle.loads(pickle.dumps(then))  # noqa: S301 - our own bytes
    assert sent.known_by == then.known_by
    newest = sent.deliveries.newest("readings", LIVE)
    assert newest is not None
    assert newest != corrected.workspace.deliveries.newest("readings", LIVE)
