"""Ask a person, with the evidence; on ordinary nights, and of what a gate refused, nobody is asked."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from nightjar_dags.stages import Summary, open_job
from pipeline.errors import NightjarError, RefusedError
from pipeline.job import Approval, Job, ReleaseGate

log = logging.getLogger(__name__)

NOBODY = "nobody"


class AskForApproval(ApprovalOperator):
    """Parks the run until somebody answers under *Required actions*; holds no worker meanwhile.

    A rejection, and silence beyond the time that the job allows, end the run as failed, which calls the owner.

    Args:
        job: whose decision it is.
        subject: the question.
        kept_in: where the reason goes, for people.
        approvers: names of Airflow users who may answer; empty for all who may write.
        answer_within: how long the run waits.
        summary: of the stage before.
    """

    template_fields: Collection[str] = (*ApprovalOperator.template_fields, "summary")

    def __init__(
        self,
        *,
        job: Job,
        subject: str,
        kept_in: str,
        approvers: Sequence[str],
        answer_within: timedelta,
        summary: Summary,
        **arguments: Any,
    ) -> None:
        own = {
            "subject": subject,
            "params": {"why": Param("", type="string", title="Why", description=f"Goes into the {kept_in}.")},
            "assigned_users": [{"id": user, "name": user} for user in approvers] or None,
            "response_timeout": answer_within,
            "retries": 0,
        }
        # Airflow passes the DAG's params and default arguments as if they had been given here.
        super().__init__(**{**arguments, **own})
        self.job = job.name
        self.summary = summary

    @abstractmethod
    def find_reason_to_skip(self) -> str | None:
        """Why nobody needs to be asked; None to ask."""

    @abstractmethod
    def describe_evidence(self) -> str:
        """What whoever answers should know, in Markdown: numbers, no values of upstream's rows."""

    @abstractmethod
    def turn_down(self, who: str, why: str) -> NightjarError:
        """Record that the answer is no; returns what the task fails with."""

    def execute(self, context: Any) -> Any:
        """Ask, if there is something to ask."""
        reason = self.find_reason_to_skip()
        if reason is not None:
            log.info("nobody is asked: %s", reason)
            raise AirflowSkipException(reason)
        self.body = self.describe_evidence()
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, str]:
        """Hand an approval on; turn it down otherwise.

        Returns:
            ``who`` approved it, and ``why``.

        Raises:
            RefusedError: somebody rejected it, the answer names nobody, or nobody answered in time.
        """
        try:
            # Not that of ApprovalOperator: it would skip the tasks after a rejection, and the run would count as good.
            answer = super(ApprovalOperator, self).execute_complete(context, event)
        except HITLTimeoutError:
            raise self.turn_down(NOBODY, f"no answer within {self.response_timeout}") from None
        user = answer["responded_by_user"]
        if user is None:
            raise self.turn_down(NOBODY, "an answer that names nobody")
        who = user["name"]
        why = str(answer["params_input"].get("why") or "").strip()
        if answer["chosen_options"] != [self.APPROVE]:
            raise self.turn_down(who, why or "rejected in the Airflow UI")
        return {"who": who, "why": why or "approved in the Airflow UI"}


class AskForRelease(AskForApproval):
    """Asks whether to make live what the release gate held back.

    What is turned down stays readable by partition and never goes live.

    Args:
        summary: of the publish stage; the task is skipped unless it was held.
    """

    def __init__(self, *, job: Job, gate: ReleaseGate, summary: Summary, **arguments: Any) -> None:
        own = {
            "subject": f"Make a release of {job.name} live although it is unlike the one before?",
            "kept_in": "release log",
            "approvers": gate.approvers,
            "answer_within": gate.answer_within,
        }
        super().__init__(job=job, summary=summary, **{**arguments, **own})

    def find_reason_to_skip(self) -> str | None:
        """Whatever was not held."""
        return None if self.summary["result"] == "held" else "the release gate let it pass"

    def describe_evidence(self) -> str:
        """What the release gate found."""
        return describe_release(self.job, self.summary)

    def turn_down(self, who: str, why: str) -> NightjarError:
        """Decline the release."""
        from pipeline import tasks

        generation, partition = self.summary["generation"], self.summary["partition"]
        tasks.decline_release(*open_job(self.job), generation, who=who, why=why)
        return RefusedError(
            f"generation {generation} was turned down; what was live stays live",
            job=self.job,
            partition=partition,
            expected="an approval",
            found=f"{who}: {why}",
            next_step="find out what changed (`nightjar explain`, `nightjar diff`), then run the partition again",
        )


class AskForPromotion(AskForApproval):
    """Asks whether a challenger may become champion that passed the gate and has proved that it loads.

    One that is turned down is rejected in the model ledger, and the champion keeps serving.

    Args:
        summary: of the stage that proves it; the task is skipped if the gate refused the challenger.
    """

    def __init__(self, *, job: Job, approval: Approval, summary: Summary, **arguments: Any) -> None:
        own = {
            "subject": f"Let a challenger become champion of {job.name}?",
            "kept_in": "model ledger",
            "approvers": approval.approvers,
            "answer_within": approval.answer_within,
        }
        super().__init__(job=job, summary=summary, **{**arguments, **own})

    def find_reason_to_skip(self) -> str | None:
        """Whatever the gate refused."""
        if self.summary["promote"]:
            return None
        return f"model {self.summary['model_version']} is not up for promotion: {self.summary['why']}"

    def describe_evidence(self) -> str:
        """What the promotion gate found."""
        return describe_challenge(self.job, self.summary)

    def turn_down(self, who: str, why: str) -> NightjarError:
        """Reject the challenger."""
        from pipeline import tasks

        version = self.summary["model_version"]
        tasks.reject_challenger(*open_job(self.job), version, who=who, why=why)
        return RefusedError(
            f"model {version} was turned down and is no candidate any more; the champion stays",
            job=self.job,
            partition=self.summary["partition"],
            expected="an approval",
            found=f"{who}: {why}",
            next_step=f"look at `nightjar models {self.job}`; a person can still promote it with `nightjar promote`",
        )


def describe_release(job: str, published: Summary) -> str:
    """What the gate found, in Markdown: numbers, no values of upstream's rows."""
    gate = published["gate"]
    lines = [
        f"Generation `{published['generation']}` of {published['partition']}, model {published['model_version']}, "
        f"{published['rows']} predictions, is verified and waits. Live is `{gate['against']}` of "
        f"{gate['against_partition']}.",
        "",
        *(f"- {breach}" for breach in gate["breaches"] or [gate["why"]]),
        "",
    ]
    if gate["overall"] is not None:
        shown = ("before", "after", "lost", "gained", "flipped", "mean_before", "mean_after", "shift")
        lines += ["| measure | value |", "|---|---:|"]
        lines += [f"| {name.replace('_', ' ')} | {gate['overall'][name]} |" for name in shown]
    lines += [
        "",
        f"By segment: `nightjar explain {job} {published['generation']}`; what it comes from: "
        f"`nightjar diff {job} {gate['against']} {published['generation']}`.",
    ]
    return "\n".join(lines)


def describe_challenge(job: str, proved: Summary) -> str:
    """Both models' numbers, the interval of their difference and every check, in Markdown."""
    version, champion = proved["model_version"], proved["champion"]
    new, old = proved["metrics"]["challenger"], proved["metrics"]["champion"] or {}
    against = "there is no champion" if champion is None else f"champion is model {champion}"
    lines = [
        f"Model `{version}`, trained as of {proved['partition']}, passed the gate; {against}. In a clean process "
        f"it scored its {proved['proof']['rows']} golden rows as at its training.",
        "",
        f"| metric | challenger {version} | champion {champion or ''} |",
        "|---|---:|---:|",
        *(f"| {name.replace('_', ' ')} | {value:.6g} | {_show(old.get(name))} |" for name, value in new.items()),
        "",
    ]
    interval = proved["interval"]
    if interval is not None:
        ends = f"{interval['low']:+.6f} to {interval['high']:+.6f}"
        lines += [
            f"Difference in the primary metric, below zero the challenger is better: {interval['difference']:+.6f} "
            f"({ends}, {interval['rows']} rows).",
            "",
        ]
    lines += [f"- {check['name']}: {check['words']}" for check in proved["checks"]]
    lines += ["", f"All models and what became of them: `nightjar models {job}`."]
    return "\n".join(lines)


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
