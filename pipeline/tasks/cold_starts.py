"""Priors for entities that are not in the population: computed at training, from the rows that were trained on."""

from __future__ import annotations

from collections.abc import Mapping

from pandas.api.types import is_bool_dtype, is_integer_dtype, is_string_dtype

from pipeline.contracts import load_contract
from pipeline.errors import DeclarationError
from pipeline.job import Job
from pipeline.stages.priors import compute_priors
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.snapshots import load_outcomes
from pipeline.tasks.workspace import Workspace


def make_priors(workspace: Workspace, job: Job, snapshot: Output) -> dict[str, float]:
    """Priors by segment, as the job declares them; ``""`` is for all, and none are there if none are declared.

    Raises:
        DeclarationError: the segment is no column of the population that could be one.
        BadInputError: a mean outcome may not be published.
    """
    if job.priors is None:
        return {}
    check_priors(job)
    labels, segments = load_outcomes(workspace, job, snapshot, "train", job.priors.segment)
    return compute_priors(labels, segments, job)


def read_priors(workspace: Workspace, job: Job, model_version: str) -> tuple[Mapping[str, float], str | None]:
    """The priors of a registered model by segment, and the population's column that the segments are values of.

    Raises:
        RefusedError: the model's signature does not hold.
        DamagedError: its metadata is not what was registered.
    """
    metadata = workspace.models(job).read_metadata(workspace.ledger(job).version(model_version))
    return metadata.priors, metadata.prior_segment


def check_priors(job: Job) -> None:
    """Refuse a segment that is no column of the population, or not of text, integers or booleans.

    Raises:
        DeclarationError: see above.
    """
    if job.priors is None or job.priors.segment is None:
        return
    segment = job.priors.segment
    dtype = load_contract(job.population).dtypes.get(segment)
    if dtype is None or not (is_string_dtype(dtype) or is_integer_dtype(dtype) or is_bool_dtype(dtype)):
        raise DeclarationError(
            f"{segment} cannot be the segment of the job's priors",
            job=job.name,
            expected=f"a column of {job.population.name} that holds text, integers or booleans",
            found="no such column" if dtype is None else f"a column of {dtype}",
            next_step="correct priors.segment in the job's declaration",
        )
