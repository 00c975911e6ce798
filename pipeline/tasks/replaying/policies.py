"""Policies: when to retrain, on how much, and whether a challenger has to show anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.stages.sustained import Drop

MONTH: Literal["month"] = "month"


@dataclass(frozen=True)
class Policy:
    """One way to retrain.  Every policy begins with a model of the day before the first night.

    Attributes:
        every: days between retrainings, or at the beginning of every calendar month; None: not by the calendar.
        on_drop: retrain when accuracy dropped, at most once in the job's ``cool_down``.
        window: partitions to train on; None for the job's own.
        gate: whether the promotion gate decides; without it every challenger is promoted.
        is_usual: replayed where no policy is named.
    """

    name: str
    description: str
    every: int | Literal["month"] | None = None
    on_drop: Drop | None = None
    window: int | None = None
    gate: bool = True
    is_usual: bool = True

    def is_due(self, night: date, first: date) -> bool:
        """Whether the calendar has a model retrained that would serve from ``night`` on."""
        if self.every is None:
            return False
        return night.day == 1 if self.every == MONTH else (night - first).days % self.every == 0

    def adapt(self, job: Job) -> Job:
        """The job as this policy trains it.  Nobody is asked, and no challenger waits in the shadow."""
        changes: dict[str, object] = {"approval": None, "shadow_nights": 0}
        if self.window is not None:
            changes |= {"window": self.window, "minimum": min(job.training.minimum, self.window)}
        return job.model_copy(update={"training": job.training.model_copy(update=changes)})

    def twin(self, others: Sequence[Policy]) -> Policy | None:
        """Of the others the one that only differs in having no gate."""
        for other in others:
            same = (other.every, other.on_drop, other.window) == (self.every, self.on_drop, self.window)
            if same and self.gate and not other.gate:
                return other
        return None


POLICIES = (
    Policy("never", "one first model, never retrained"),
    Policy("monthly", "retrained at the beginning of every month", every=MONTH),
    Policy("weekly", "retrained every seven days, as the job is by default", every=7),
    Policy("weekly_90d", "the same, on the newest 90 partitions", every=7, window=90),
    Policy("weekly_no_gate", "the same as weekly, with every challenger promoted", every=7, gate=False),
    Policy("on_drop", "retrained when 5 of the 7 newest graded nights were bad", on_drop=Drop()),
    Policy("daily_no_gate", "retrained every day, every challenger promoted", every=1, gate=False, is_usual=False),
)


def choose_policies(names: Sequence[str], every: int | None = None) -> list[Policy]:
    """The policies that are named, in the order of their declaration; the usual ones if none are.

    Args:
        every: replay a policy that retrains every so many days too.

    Raises:
        BadInputError: there is no policy of that name.
    """
    known = {policy.name: policy for policy in POLICIES}
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise BadInputError(
            "there is no such policy",
            expected=" or ".join(known),
            found=", ".join(unknown),
            next_step="name one of them, or add yours to pipeline/tasks/replaying/policies.py",
        )
    chosen = [policy for policy in POLICIES if policy.name in names or (policy.is_usual and not names)]
    if every is not None and _every(every) not in chosen:
        chosen.append(_every(every))
    return chosen


def _every(days: int) -> Policy:
    """The declared policy that retrains so often, as the job trains and with its gate; or one made for it."""
    for policy in POLICIES:
        if (policy.every, policy.window, policy.gate) == (days, None, True):
            return policy
    return Policy(f"every_{days}d", f"retrained every {days} days", every=days)
