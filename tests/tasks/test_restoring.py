"""Republishing: a Redis that lost everything gets it back from the lake, to the byte, and nothing is scored again."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import tasks
from pipeline.errors import DamagedError, RefusedError
from pipeline.keyspace import bucket_of
from pipeline.stores.models import Models
from pipeline.stores.parquet import encode_parquet
from pipeline.stores.redactions import Redacted
from pipeline.tasks import Workspace
from tests.tasks.conftest import PrepareServed, ReopenServed, Served
from tests.tasks.gates import make_lossy, with_gate
from tests.tasks.kept import Kept
from tests.tasks.nights import LIVE, NEXT, NIGHTS, live_header, open_reader, read_live, run_night

SERVED_CONTROL = ("live", "headers", "partitions", "rejected", "released", "token", "states", "pins")


def read_everything(workspace: Workspace, job: str) -> dict[str, Any]:
    """Every data key of every generation, and every control key but the two that hold when something happened."""
    client = workspace.predictions._client
    found: dict[str, Any] = {}
    for key in client.scan_iter(f"*{job}*"):
        control = key.removeprefix(f"nightjar:{{{job}}}:")
        if control == key or control in SERVED_CONTROL:
            found[key] = read_raw(client, key)
    return found


def read_raw(client: Any, key: str) -> Any:
    """A key's content; in a bucket of predictions the order counts, since the wire has it so."""
    if client.type(key) == "string":
        return client.get(key)
    # The field '' fences loads that a rollback overtook: none of them outlives Redis.
    entries = [(name, value) for name, value in client.hgetall(key).items() if name]
    return entries if ":{" not in key and ":reasons:" not in key else sorted(entries)


@pytest.fixture(scope="module")
def kept_busy(prepare_served: PrepareServed) -> Kept:
    """Three nights, of which the last was rolled back, and an older one that was run again."""
    return prepare_served(keep_busy)


@pytest.fixture
def busy(kept_busy: Kept, reopen_served: ReopenServed) -> Served:
    """A copy of it."""
    return reopen_served(kept_busy)


def keep_busy(served: Served) -> None:
    workspace, job = served.workspace, served.job
    run_night(workspace, job, NEXT)
    run_night(workspace, job, NIGHTS[2])
    target = tasks.choose_rollback(workspace, job, to=None, with_model=False)
    tasks.roll_back(workspace, job, target, with_model=False, who="Jane Doe", why="too cold")
    workspace.clock.advance(hours=2)  # type: ignore[attr-defined]
    run_night(workspace, job, LIVE, "again")


def test_every_hash_comes_back_byte_for_byte(busy: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, job = busy.workspace, busy.job
    before = read_everything(workspace, job.name)
    live = live_header(workspace, job)
    predictions = read_live(workspace, job, list(busy.predictions))
    workspace.predictions._client.flushall()
    monkeypatch.setattr(Models, "load", None)
    done = tasks.republish(workspace, job, who="Jane Doe")
    assert (done["live"], done["partition"]) == (live.generation, NEXT)
    assert set(done["generations"].values()) == {"restored"}
    assert read_everything(workspace, job.name) == before
    assert read_live(workspace, job, list(busy.predictions)) == predictions


def test_work_goes_on_with_higher_tokens_and_what_was_rolled_back_stays_so(busy: Served) -> None:
    workspace, job = busy.workspace, busy.job
    token = read_everything(workspace, job.name)[f"nightjar:{{{job.name}}}:token"]
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job, who="Jane Doe")
    with pytest.raises(RefusedError, match="rolled back"):
        run_night(workspace, job, NIGHTS[2], "again")
    after = run_night(workspace, job, NIGHTS[3])["publish"]
    assert after["result"] == "live"
    assert int(after["generation"].split("-")[0]) > int(token)


def test_a_rollback_works_after_it(busy: Served) -> None:
    workspace, job = busy.workspace, busy.job
    previous = tasks.choose_rollback(workspace, job, to=None, with_model=False)
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job, who="Jane Doe")
    assert tasks.choose_rollback(workspace, job, to=None, with_model=False) == previous
    tasks.roll_back(workspace, job, previous, with_model=False, who="Jane Doe", why="still too cold")
    assert live_header(workspace, job).generation == previous


def test_what_redis_still_has_is_left_as_it_is(busy: Served) -> None:
    workspace, job = busy.workspace, busy.job
    before = read_everything(workspace, job.name)
    done = tasks.republish(workspace, job, who="Jane Doe")
    assert set(done["generations"].values()) == {"present"}
    assert read_everything(workspace, job.name) == before


def test_what_was_published_since_the_loss_stays_live(busy: Served) -> None:
    workspace, job = busy.workspace, busy.job
    workspace.predictions._client.flushall()
    newest = run_night(workspace, job, NIGHTS[3])["publish"]["generation"]
    tasks.republish(workspace, job, who="Jane Doe")
    assert live_header(workspace, job).generation == newest
    found = open_reader(workspace, job).get(next(iter(busy.predictions)), partition=NEXT)
    assert found.partition == NEXT


def test_ids_whose_buckets_were_chosen_together_come_back_too(served_names: Served) -> None:
    workspace, job = served_names.workspace, served_names.job
    before = read_everything(workspace, job.name)
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job, who="Jane Doe")
    assert read_everything(workspace, job.name) == before


def test_without_the_scores_of_what_was_live_it_says_what_to_do(served: Served) -> None:
    workspace, job = served.workspace, served.job
    workspace.predictions._client.flushall()
    workspace.lake.remove(f"stages/{job.name}/score")
    fresh = tasks.open_workspace(workspace.settings, workspace.clock)
    with pytest.raises(DamagedError, match="not in the lake any more") as damaged:
        tasks.republish(fresh, job, who="Jane Doe")
    assert f"nightjar run {job.name} --partition {LIVE}" in str(damaged.value.next_step)


def test_a_job_without_any_release_has_nothing_to_republish(served: Served) -> None:
    lonely = served.job.model_copy(update={"name": "lonely"})
    with pytest.raises(RefusedError, match="nothing to republish"):
        tasks.republish(served.workspace, lonely, who="Jane Doe")


def read_pointer(served: Served, partition: str) -> str:
    """The generation that stands for a partition."""
    key = f"nightjar:{{{served.job.name}}}:partitions"
    return str(served.workspace.predictions._client.hget(key, partition))


def test_what_was_approved_stands_for_its_partition_again(served: Served) -> None:
    """And not the release that it took the place of, although two nights have passed since."""
    workspace, gated = served.workspace, with_gate(served, on_breach="ask").job
    run_night(workspace, gated, NEXT)
    make_lossy(workspace, NEXT)
    held = run_night(workspace, gated, NEXT, "lossy")["publish"]
    assert held["result"] == "held"
    tasks.approve_release(workspace, gated, held["generation"], who="Jane Doe", why="the region was sold")
    for night in NIGHTS[2:4]:
        run_night(workspace, served.job, night)
    workspace.predictions._client.flushall()
    tasks.republish(workspace, served.job, who="Jane Doe")
    assert read_pointer(served, NEXT) == held["generation"]


def test_what_was_kept_comes_back_after_a_rollback_behind_it_and_pins_with_it(served: Served) -> None:
    """It is newer than what is live by then, and a newer run of its partition is there: neither stands in its way."""
    workspace, job = served.workspace, served.job
    run_night(workspace, job, NIGHTS[2])
    pinned, kept = (run_night(workspace, job, NEXT, run)["publish"] for run in ("first", "again"))
    assert kept["result"] == "kept"
    tasks.pin_release(workspace, job, pinned["generation"], who="Jane Doe", why="for the auditors")
    target = tasks.choose_rollback(workspace, job, to=None, with_model=False)
    tasks.roll_back(workspace, job, target, with_model=False, who="Jane Doe", why="too cold")
    before = read_everything(workspace, job.name)
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job, who="Jane Doe")
    served.check_still_served()
    assert read_pointer(served, NEXT) == kept["generation"]
    assert (
        read_everything(workspace, job.name)[f"nightjar:{{{job.name}}}:pins"] == before[f"nightjar:{{{job.name}}}:pins"]
    )


@pytest.fixture
def taken_back(served: Served) -> tuple[Served, str]:
    """A night that was rolled back, was pinned to be looked into, and has another one of its partition after it."""
    workspace, job = served.workspace, served.job
    generation = run_night(workspace, job, NEXT)["publish"]["generation"]
    target = tasks.choose_rollback(workspace, job, to=None, with_model=False)
    tasks.roll_back(workspace, job, target, with_model=False, who="Jane Doe", why="too cold")
    tasks.pin_release(workspace, job, generation, who="Jane Doe", why="to find out why")
    run_night(workspace, job, NIGHTS[2])
    return served, generation


def test_what_was_rolled_back_and_is_pinned_comes_back_as_rejected(taken_back: tuple[Served, str]) -> None:
    served, generation = taken_back
    workspace, job = served.workspace, served.job
    before = read_everything(workspace, job.name)
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job, who="Jane Doe")
    assert read_everything(workspace, job.name) == before
    with pytest.raises(RefusedError, match="nothing was rolled back"):
        tasks.roll_back(workspace, job, generation, with_model=False, who="Jane Doe", why="to try it")


def test_what_was_taken_back_stands_for_no_partition_though_its_inputs_are_those_of_the_target(served: Served) -> None:
    workspace, job = served.workspace, served.job
    first = served.first["publish"]["generation"]
    again = run_night(workspace, job, LIVE, "again")["publish"]["generation"]
    tasks.roll_back(workspace, job, first, with_model=False, who="Jane Doe", why="a drill")
    tasks.pin_release(workspace, job, again, who="Jane Doe", why="to compare with")
    for night in (NEXT, NIGHTS[2]):
        run_night(workspace, job, night)
    before = read_everything(workspace, job.name)
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job, who="Jane Doe")
    assert read_everything(workspace, job.name) == before
    assert read_pointer(served, LIVE) == first


def test_a_pin_of_what_the_lake_has_lost_is_told(taken_back: tuple[Served, str]) -> None:
    """A pin without data would keep nothing, and nothing could take it out by name."""
    served, generation = taken_back
    workspace, job = served.workspace, served.job
    manifest = workspace.lake.read_json(f"jobs/{job.name}/releases/{generation}.json")
    workspace.lake.remove(f"stages/{job.name}/score/{manifest['scores']['address']}")
    workspace.predictions._client.flushall()
    done = tasks.republish(tasks.open_workspace(workspace.settings, workspace.clock), job, who="Jane Doe")
    assert done["generations"][generation] == "gone"
    assert done["pins_lost"] == [generation]


def test_predictions_have_the_digits_that_they_were_released_with(served: Served) -> None:
    workspace, job = served.workspace, served.job
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job.model_copy(update={"decimals": 1}), who="Jane Doe")
    served.check_still_served()


def test_a_bucket_that_an_erasure_emptied_comes_back(served_names: Served) -> None:
    workspace, job = served_names.workspace, served_names.job
    summary, outputs = served_names.first["score"], workspace.outputs(job)
    buckets = live_header(workspace, job).buckets
    going = [name for name in served_names.predictions if bucket_of(name, buckets) == 0]
    made = [outputs.load("score", summary["output"]), outputs.load("explain", summary["reasons"]["output"])]
    for output, label in [(each, label) for each in made for label in each.files]:
        table = outputs.read(output, label)
        left = table.filter(pc.invert(pc.is_in(table["entity_id"], pa.array(going, table["entity_id"].type))))
        if left.num_rows < table.num_rows:
            gone = table.num_rows - left.num_rows
            outputs.redact(output, {label: Redacted(encode_parquet(left), left.num_rows, gone)})
    for name in going:
        workspace.predictions.erase_entity(job.name, name)
    before = read_everything(workspace, job.name)
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job, who="Jane Doe")
    assert read_everything(workspace, job.name) == before
    assert open_reader(workspace, job).get(going[0]).source == "prior"


def test_an_older_partition_does_not_go_live_where_redis_lost_a_newer_one(served: Served) -> None:
    workspace, job = served.workspace, served.job
    run_night(workspace, job, NEXT)
    workspace.predictions._client.flushall()
    with pytest.raises(RefusedError, match="lost a newer partition") as refused:
        run_night(workspace, job, LIVE, "again")
    assert f"nightjar republish {job.name}" in str(refused.value.next_step)
    assert workspace.predictions.live(job.name) is None
    tasks.republish(workspace, job, who="Jane Doe")
    assert run_night(workspace, job, LIVE, "again")["publish"]["result"] == "kept"


def test_a_manifest_that_was_altered_is_not_followed(served: Served) -> None:
    """Its scores would be served under the header of others."""
    workspace, job = served.workspace, served.job
    generation = live_header(workspace, job).generation
    path = f"jobs/{job.name}/releases/{generation}.json"
    workspace.lake.replace_json(path, {**workspace.lake.read_json(path), "run": "somebody else's"})
    workspace.predictions._client.flushall()
    with pytest.raises(DamagedError, match="manifest is not that of its place"):
        tasks.republish(workspace, job, who="Jane Doe")
    assert workspace.predictions.live(job.name) is None
