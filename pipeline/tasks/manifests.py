"""Release manifests: one JSON document a release, binding everything that it came from.

    jobs/<job>/releases/<generation>.json

A manifest is written before its generation is sealed and never changes; the generation's header carries its digest.
What became of the release later (approved, rolled back) is in the release log.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from pipeline.digests import digest_json
from pipeline.errors import DamagedError, NotReadyError
from pipeline.job import Job
from pipeline.keyspace import Basis, token_of
from pipeline.stores.release_log import highest_token
from pipeline.tasks.workspace import Workspace

AS_CORRECTED: Basis = "as_corrected"
AS_KNOWN_THEN: Basis = "as_known_then"


def write_manifest(workspace: Workspace, job: Job, manifest: Mapping[str, Any]) -> str:
    """Put a manifest into the lake; returns its digest."""
    workspace.lake.put_json_if_absent(_path(job, manifest["generation"]), manifest)
    return digest_json(manifest)


def read_manifest(workspace: Workspace, job: Job, generation: str) -> dict[str, Any]:
    """The release manifest of a generation.

    Raises:
        FileNotFoundError: there is none.
    """
    manifest: dict[str, Any] = workspace.lake.read_json(_path(job, generation))
    return manifest


def require_manifest(workspace: Workspace, job: Job, generation: str, *, digest: str | None = None) -> dict[str, Any]:
    """Like :func:`read_manifest`, for a generation that a person named.

    Args:
        digest: what the generation's header says of its manifest, where that is known.

    Raises:
        NotReadyError: there is none.
        DamagedError: it is that of another generation, or was altered.
    """
    if token_of(generation) is None:
        raise _unknown(workspace, job, generation)
    try:
        manifest = read_manifest(workspace, job, generation)
    except FileNotFoundError as error:
        raise _unknown(workspace, job, generation) from error
    found = digest_json(manifest)
    if manifest["generation"] != generation or found != (digest or found):
        raise DamagedError(
            "a release manifest is not that of its place",
            job=job.name,
            expected=f"the manifest of {generation}" + (f" with digest {digest}" if digest else ""),
            found=f"that of {manifest['generation']} with digest {found}",
            next_step=f"restore {workspace.lake.url(_path(job, generation))} from a backup of the lake",
        )
    return manifest


def find_reasons(manifest: Mapping[str, Any]) -> str | None:
    """Address of a release's reasons; None if it was loaded without, or before there were any."""
    described = manifest.get("reasons")
    return None if described is None else str(described["address"])


def list_releases(workspace: Workspace, job: Job) -> list[str]:
    """The generations that have a manifest, in the order in which they were loaded."""
    names = [PurePosixPath(name).stem for name in workspace.lake.list(_releases(job))]
    tokens = [(token, name) for name in names if (token := token_of(name)) is not None]
    return [name for _, name in sorted(tokens)]


def find_highest_token(workspace: Workspace, job: Job) -> int:
    """The highest token of anything in the lake: Redis may have lost its own count."""
    tokens = [token_of(name) or 0 for name in list_releases(workspace, job)]
    return max([*tokens, highest_token(workspace.release_log(job).events())])


def _unknown(workspace: Workspace, job: Job, generation: str) -> NotReadyError:
    newest = list_releases(workspace, job)[-5:]
    return NotReadyError(
        f"there is no release {generation!r} of this job in the lake",
        job=job.name,
        expected=f"a generation such as {', '.join(newest)}" if newest else "a generation that was released",
        found="no manifest of that name",
        next_step=f"nightjar releases {job.name}",
    )


def _path(job: Job, generation: str) -> str:
    return f"{_releases(job)}/{generation}.json"


def _releases(job: Job) -> str:
    return f"jobs/{job.name}/releases"
