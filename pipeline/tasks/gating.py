"""The release gate: hold a staged generation against the live one before readers see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.errors import DamagedError, RefusedError
from pipeline.job import Job
from pipeline.stages.compare import Breach, Tally, find_breaches
from pipeline.stores.predictions.registry import Live
from pipeline.tasks.candidates import read_scored_population
from pipeline.tasks.comparing import ScoredPopulation, compare_populations
from pipeline.tasks.manifests import read_manifest
from pipeline.tasks.workspace import Workspace


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a staged generation.

    Attributes:
        result: ``passed``; ``breached``; or ``not_asked``, where there is nothing to hold it against.
        why: in one line, without values of upstream's rows.
        against: the live generation that it was compared with.
        breaches: of limits; empty for a breach that is only that the two cannot be compared.
        tally: the comparison itself; None where there was none.
    """

    result: Literal["passed", "breached", "not_asked"]
    why: str
    against: str | None = None
    against_partition: str | None = None
    breaches: list[Breach] = field(default_factory=list)
    tally: Tally | None = None

    def to_json(self) -> dict[str, Any]:
        """For the manifest: with every segment by name."""
        return {
            **self.summarise(),
            "breaches": [breach.to_json() for breach in self.breaches],
            "segments": [] if self.tally is None else [item.to_json() for item in self.tally.segments],
        }

    def summarise(self) -> dict[str, Any]:
        """For logs, XCom and approvals: no segment by name, since segments are values of upstream's rows."""
        return {
            "result": self.result,
            "why": self.why,
            "against": self.against,
            "against_partition": self.against_partition,
            "breaches": [breach.describe() for breach in self.breaches],
            "overall": None if self.tally is None else self.tally.overall.to_json(),
        }


def judge_release(
    workspace: Workspace, job: Job, partition: str, staged: ScoredPopulation, live: Live | None
) -> Verdict:
    """Compare a staged generation with the live one, as the job's gate declares."""
    gate = job.release_gate
    if gate is None:
        return Verdict("not_asked", "the job declares no release gate")
    if live is None:
        return Verdict("not_asked", "nothing is live yet")
    header = live.header
    against = (header.generation, header.partition)
    if partition < header.partition:
        return Verdict("not_asked", f"an older partition than the live one, {header.partition}", *against)
    try:
        served = read_scored_population(workspace, job, read_manifest(workspace, job, header.generation))
        tally = compare_populations(workspace, job, served, staged)
    except (FileNotFoundError, KeyError, DamagedError) as error:
        why = f"the live generation {header.generation} cannot be compared with: {type(error).__name__}"
        return Verdict("breached", why, *against)
    breaches = find_breaches(tally, gate, same_partition=partition == header.partition)
    if not breaches:
        return Verdict("passed", f"within every limit against {header.generation}", *against, tally=tally)
    others = f", and {len(breaches) - 1} more" if len(breaches) > 1 else ""
    return Verdict("breached", breaches[0].describe() + others, *against, breaches, tally)


def refuse_breach(job: Job, partition: str, generation: str, verdict: Verdict) -> RefusedError:
    """The error for a generation that the gate blocked."""
    return RefusedError(
        f"the release gate blocked generation {generation}; {verdict.against} stays live",
        job=job.name,
        partition=partition,
        expected=f"within the limits of the job's release_gate, against {verdict.against}"
        f" of {verdict.against_partition}",
        found="; ".join(breach.describe() for breach in verdict.breaches[:3]) or verdict.why,
        next_step=f"see `nightjar explain {job.name} {generation}` and `nightjar diff {job.name} {verdict.against} "
        f"{generation}`; have upstream correct its data and run the partition again, or make it live as it is: "
        f"nightjar approve {job.name} {generation} --why TEXT",
    )
