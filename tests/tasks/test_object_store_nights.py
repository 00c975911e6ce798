"""A whole night on a lake in an object store: from a model to predictions in Redis, the same bytes as on a disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.job import Job
from pipeline.stores.lake import Lake
from pipeline.tasks import Workspace, open_workspace
from tests.object_store import BUCKET, ObjectStore
from tests.tasks.nights import LIVE, read_live, read_scores, run_night, run_until_scored

PREFIX = "team"


def move_to(workspace: Workspace, store: ObjectStore) -> Workspace:
    """The same workspace, with its lake in the object store."""
    root, client = Path(workspace.settings.lake), store.client()
    for path in sorted(root.rglob("*")):
        if path.is_file():
            client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{path.relative_to(root)}", Body=path.read_bytes())
    settings = workspace.settings.model_copy(update={"lake": f"s3://{BUCKET}/{PREFIX}"})
    return open_workspace(settings, workspace.clock)


def list_made(workspace: Workspace) -> dict[str, bytes]:
    """Everything in the lake that stages have made."""
    lake = Lake(workspace.settings.lake)
    return {found.path: lake.read_bytes(found.path) for folder in ("stages", "tiles") for found in lake.walk(folder)}


def test_a_night_in_an_object_store_gives_the_same_bytes(
    trained_home: Path, open_copy: Callable[[Path], Workspace], job: Job, object_store: ObjectStore
) -> None:
    on_disk = open_copy(trained_home)
    in_store = move_to(open_copy(trained_home), object_store)
    here, there = run_until_scored(on_disk, job, LIVE), run_night(in_store, job, LIVE)
    predictions = read_scores(in_store, job, there["score"])
    assert predictions == read_scores(on_disk, job, here["score"])
    assert read_live(in_store, job, list(predictions)) == predictions
    assert list_made(in_store) == list_made(on_disk)
