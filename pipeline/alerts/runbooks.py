"""For every signal, what its alarm means and the first thing to do; ``docs/operations.md`` has the rest."""

from __future__ import annotations

from typing import NamedTuple


class Runbook(NamedTuple):
    """What a signal's alarm says.

    Attributes:
        meaning: what happened, in one sentence without a full stop.
        next_step: what to do, in one sentence.
    """

    meaning: str
    next_step: str


RUNBOOKS: dict[str, Runbook] = {
    "inputs.drift": Runbook(
        "the features of the night are unlike those that the model was trained on",
        "look at the worst features: a fault of upstream is to be delivered again, a lasting change wants a retraining",
    ),
    "inputs.weekday_drift": Runbook(
        "the features of the night are unlike those of the same weekday in the weeks before",
        "look at the worst features, and for an event in the world that explains them",
    ),
    "outputs.drift": Runbook(
        "the predictions are distributed unlike those of the nights before",
        "compare the release with the one before by `nightjar diff`, and roll back if nothing in the world explains it",
    ),
    "outputs.mean": Runbook(
        "the mean prediction is beyond what is usual",
        "compare the release with the one before by `nightjar diff`, and roll back if nothing in the world explains it",
    ),
    "outputs.share_above": Runbook(
        "the share of predictions at or above the decision threshold is beyond what is usual",
        "warn those who act on the decisions, and compare the release with the one before by `nightjar diff`",
    ),
    "outputs.concentration": Runbook(
        "one single prediction has a larger share of all than is usual",
        "look for a feature that is constant or missing, and roll back if the predictions cannot be used",
    ),
    "outputs.segments": Runbook(
        "the mean prediction of a segment is beyond what is usual",
        "look at the worst segments: what upstream delivered of them, and what happened to them in the world",
    ),
    "operations.seconds": Runbook(
        "the stages of the night took longer than is usual",
        "look at the worst stages in `nightjar runs`, and at what else the machine was doing",
    ),
    "operations.memory": Runbook(
        "a stage took more memory than is usual",
        "compare the rows with those of other nights, and give the source more shards before the limit is reached",
    ),
    "operations.retries": Runbook(
        "more tasks had to be tried again than is usual",
        "read the log of the attempts that failed: a service does not answer reliably",
    ),
    "operations.quarantine": Runbook(
        "more of the received rows were refused than is usual",
        "look at the reasons with `nightjar quarantine`, and have upstream deliver the source again",
    ),
    "operations.latency": Runbook(
        "reads of predictions took longer than is usual",
        "look at the load, the memory and the network of Redis",
    ),
    "operations.read_errors": Runbook(
        "reads of predictions failed",
        "check Redis and the users of the readers with `nightjar check` and `nightjar doctor`",
    ),
    "operations.age": Runbook(
        "the live predictions are older than the job allows, and readers call them stale",
        "find out why the newest night did not go live, mend it, and run it again",
    ),
    "operations.missing": Runbook(
        "the night that should be there by now was not released",
        "see whether Airflow is up and the DAG unpaused, then run the night: `nightjar run`",
    ),
    "operations.unreadable": Runbook(
        "the live predictions cannot be read",
        "see whether Redis is up; if it lost its data, restore it: `nightjar republish`",
    ),
    "accuracy.primary": Runbook(
        "the predictions were further from what then happened than is usual",
        "compare it with the drift of the inputs; if it lasts, retrain, or roll back to a model that did better",
    ),
    "accuracy.segments": Runbook(
        "the predictions of a segment were further from what then happened than is usual",
        "look at the worst segments: whether their labels are complete, and what happened to them in the world",
    ),
    "accuracy.calibration": Runbook(
        "predicted probabilities and observed frequencies are further apart than is usual",
        "warn those who act on the probabilities themselves; if it lasts, retrain",
    ),
    "accuracy.estimate": Runbook(
        "the predictions are estimated to be worse than is usual; their labels are not known yet",
        "look at the drift of the inputs, and wait for the labels before anything is rolled back",
    ),
    "accuracy.concept": Runbook(
        "the predictions have been worse than their own estimate says for many nights: the outcomes have changed, "
        "not only the inputs",
        "retrain on newer outcomes, and look for a feature that no longer means what it did",
    ),
}
"""By the name of the signal, whose section of the page has the same name."""

FAILED_NIGHT = "when-a-night-fails"
"""The section about runs that failed."""

WITHOUT_LAKE = "when-the-lake-cannot-be-read"
"""The section about what then goes on and what does not."""

DAMAGED_ALERT = "when-an-alert-cannot-be-read"
"""The section about alerts whose file is damaged."""


def find_runbook(signal: str) -> Runbook:
    """What an alarm of ``signal`` says, also of one that only a newer version knows."""
    return RUNBOOKS.get(signal, Runbook(f"{signal} is beyond what is usual", "look at the job's monitoring page"))


def link_runbook(page: str, section: str) -> str:
    """Link to a section of the page of runbooks.

    Args:
        page: its address, or its name.
        section: name of a signal, or the anchor of another section; in anchors, names lose their full stops.
    """
    return f"{page}#{section.replace('.', '')}"
