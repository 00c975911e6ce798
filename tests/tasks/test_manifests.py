"""Release manifests in the lake: which there are, and the highest token that the lake knows."""

from __future__ import annotations

import pytest

from pipeline.errors import NotReadyError
from pipeline.job import Job
from pipeline.tasks import Workspace
from pipeline.tasks.manifests import find_highest_token, list_releases, require_manifest


def put_manifests(workspace: Workspace, job: Job, *names: str) -> None:
    for name in names:
        workspace.lake.put_json_if_absent(f"jobs/{job.name}/releases/{name}.json", {"generation": name})


def test_releases_are_listed_in_the_order_of_their_tokens(workspace: Workspace, job: Job) -> None:
    put_manifests(workspace, job, "10-aaaa", "9-ffff", "notes", "100-0000")
    assert list_releases(workspace, job) == ["9-ffff", "10-aaaa", "100-0000"]


def test_the_highest_token_is_that_of_a_manifest_or_of_the_log(workspace: Workspace, job: Job) -> None:
    assert find_highest_token(workspace, job) == 0
    put_manifests(workspace, job, "10-aaaa", "9-ffff")
    assert find_highest_token(workspace, job) == 10
    workspace.release_log(job).append(
        "rolled_back", generation="9-ffff", partition="2024-03-03", token=11, inputs="", who="Jane Doe", why="too cold"
    )
    assert find_highest_token(workspace, job) == 11


def test_an_unknown_release_is_told_with_the_newest_that_there_are(workspace: Workspace, job: Job) -> None:
    put_manifests(workspace, job, *(f"{token}-aaaa" for token in range(5, 12)))
    with pytest.raises(NotReadyError, match="there is no release '12-aaaa'") as unknown:
        require_manifest(workspace, job, "12-aaaa")
    assert unknown.value.expected == "a generation such as 7-aaaa, 8-aaaa, 9-aaaa, 10-aaaa, 11-aaaa"
