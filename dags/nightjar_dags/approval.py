"""Ask a person whether to make live what the release gate held back; on ordinary nights nobody is asked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NoReturn

from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from nightjar_dags.stages import Summary, open_job
from pipeline.errors import RefusedError
from pipeline.job import Job, ReleaseGate

NOBODY = "nobody"


class AskForApproval(ApprovalOperator):
    """Parks the run until somebody answers under *Required actions*; holds no worker meanwhile.

    A rejection, and silence beyond the time that the job allows, end the run as failed, which calls the owner: the
    generation stays readable by partition and never goes live.

    Args:
        job: whose release it is.
        gate: the job's release gate.
        published: the summary of the publish stage; the task is skipped unless it was held.
    """

    template_fields: Collection[str] = (*ApprovalOperator.template_fields, "published")

    def __init__(self, *, job: Job, gate: ReleaseGate, published: Summary, **arguments: Any) -> None:
        own = {
            "subject": f"Make a release of {job.name} live although it is unlike the one before?",
            "params": {"why": Param("", type="string", title="Why", description="Goes into the release log.")},
            "assigned_users": [{"id": user, "name": user} for user in gate.approvers] or None,
            "response_timeout": gate.answer_within,
            "retries": 0,
        }
        # Airflow passes the DAG's params and default arguments as if they had been given here.
        super().__init__(**{**arguments, **own})
        self.job = job.name
        self.published = published

    def execute(self, context: Any) -> Any:
        """Ask, if the release was held."""
        if self.published["result"] != "held":
            raise AirflowSkipException("the release gate let it pass")
        self.body = describe_evidence(self.job, self.published)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, str]:
        """Hand an approval on; turn the release down otherwise.

        Returns:
            ``who`` approved it, and ``why``.

        Raises:
            RefusedError: somebody rejected it, or nobody answered in time.
        """
        try:
            # Not that of ApprovalOperator: it would skip the tasks after a rejection, and the run would count as good.
            answer = super(ApprovalOperator, self).execute_complete(context, event)
        except HITLTimeoutError:
            self._turn_down(NOBODY, f"no answer within {self.response_timeout}")
        user = answer["responded_by_user"]
        who = NOBODY if user is None else user["name"]
        why = str(answer["params_input"].get("why") or "").strip()
        if answer["chosen_options"] != [self.APPROVE]:
            self._turn_down(who, why or "rejected in the Airflow UI")
        return {"who": who, "why": why or "approved in the Airflow UI"}

    def _turn_down(self, who: str, why: str) -> NoReturn:
        from pipeline import tasks

        generation, partition = self.published["generation"], self.published["partition"]
        tasks.decline_release(*open_job(self.job), generation, who=who, why=why)
        raise RefusedError(
            f"generation {generation} was turned down; what was live stays live",
            job=self.job,
            partition=partition,
            expected="an approval",
            found=f"{who}: {why}",
            next_step="find out what changed (`nightjar explain`, `nightjar diff`), then run the partition again",
        )


def describe_evidence(job: str, published: Summary) -> str:
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
