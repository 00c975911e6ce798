"""Retraining: snapshot, train, evaluate; :mod:`pipeline.tasks.proving` and :mod:`pipeline.tasks.promoting` follow.

A challenger is trained on everything but the newest closed partitions, the holdout; on those it is compared with the
champion.  The model that was compared is the one that is promoted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.digests import digest_code, list_modules
from pipeline.job import Job
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.challenging import challenge
from pipeline.tasks.fitting import describe_cost, describe_model, fit_challenger
from pipeline.tasks.promoting import next_partition
from pipeline.tasks.runs import Summary, summarise_stage
from pipeline.tasks.snapshots import SNAPSHOT_STAGE, take_snapshot
from pipeline.tasks.workspace import Workspace, environment_of

EVALUATE_STAGE = "evaluate"

_CODE = (
    *list_modules("pipeline.stages.evaluate"),
    "pipeline.stages.score",
    "pipeline.predicting",
    "pipeline.tasks.challenging",
)


def snapshot(workspace: Workspace, job: Job, partition: str, run: str) -> Summary:
    """Fix the dataset version: features and labels as they were known when ``partition`` closed.

    Raises:
        NotReadyError: too few partitions can be trained on.
    """

    def work() -> Summary:
        taken = take_snapshot(workspace, job, partition)
        parts = {part: [entry["partition"] for entry in taken.inputs[part]] for part in ("train", "holdout")}
        return {
            "output": taken.address,
            "dataset_version": taken.digest,
            "left_out": taken.inputs["left_out"],
            **{part: {"first": days[0], "last": days[-1], "partitions": len(days)} for part, days in parts.items()},
        }

    return summarise_stage(job, partition, run, "snapshot", work)


def train(workspace: Workspace, job: Job, partition: str, run: str, snapped: Summary) -> Summary:
    """Fit a challenger and register it in the ledger.  The same dataset version gives the same model.

    Raises:
        BadInputError: the rows cannot be trained on.
    """

    def work() -> Summary:
        dataset = workspace.outputs(job).load(SNAPSHOT_STAGE, snapped["output"])
        trained = fit_challenger(workspace, job, dataset)
        version = workspace.ledger(job).register(
            describe_model(job, dataset, trained),
            who=run,
            why=f"trained on the partitions {snapped['train']['first']} to {snapped['train']['last']}",
        )
        return {
            "output": snapped["output"],
            "fitted": trained.address,
            "model_version": version.version,
            "model_digest": version.registration.model_digest,
            "rows": trained.facts["rows"],
            "metrics": trained.facts["metrics"],
        }

    return summarise_stage(job, partition, run, "train", work)


def evaluate(workspace: Workspace, job: Job, partition: str, run: str, trained: Summary) -> Summary:
    """Hold the challenger against the champion on the holdout, and ask the promotion gate.

    All that was found is in the lake, as the facts of the output; the summary has no values of upstream's rows.

    Raises:
        RefusedError: the champion was trained on all of the holdout, or may not be loaded here.
        DamagedError: a file of a model is missing or changed.
    """

    def work() -> Summary:
        dataset = workspace.outputs(job).load(SNAPSHOT_STAGE, trained["output"])
        ledger = workspace.ledger(job)
        challenger = ledger.version(trained["model_version"])
        champion = ledger.champion(next_partition(partition))
        if champion is not None and champion.version == challenger.version:
            return {
                "output": None,
                "model_version": challenger.version,
                "champion": champion.version,
                "metrics": {"challenger": challenger.registration.metrics, "champion": challenger.registration.metrics},
                "interval": None,
                "promote": False,
                "why": f"model {champion.version} is champion already",
                "checks": [],
            }
        inputs = {
            "model_version": challenger.version,
            "champion": None if champion is None else champion.version,
            "identities": [version.registration.identity for version in (challenger, champion) if version is not None],
            "dataset_version": dataset.digest,
            **describe_comparison(job),
        }
        outputs = workspace.outputs(job)
        found = outputs.find(EVALUATE_STAGE, inputs)
        if found is None:
            facts = challenge(workspace, job, dataset, challenger, champion).to_json()
            found = outputs.commit(EVALUATE_STAGE, inputs, {}, facts)
        told = {name: found.facts[name] for name in ("metrics", "interval", "promote", "why", "checks")}
        return {
            "output": found.address,
            "model_version": challenger.version,
            "champion": inputs["champion"],
            **told,
        }

    return summarise_stage(job, partition, run, "evaluate", work)


def describe_comparison(job: Job) -> dict[str, Any]:
    """All that a comparison and its verdict depend on, beside the models and the dataset."""
    return {
        "gate": job.training.gate.model_dump(),
        "segments": list(job.segments),
        "business_cost": describe_cost(job),
        "code": digest_code(*_CODE),
        "environment": environment_of("scikit-learn", "scipy"),
    }


def choose_own_verdicts(workspace: Workspace, job: Job, judged: Iterable[Output]) -> list[Output]:
    """Of outputs of the evaluation those about models of this ledger: replays number theirs by themselves."""
    known = {version.version: list(version.registration.identity) for version in workspace.ledger(job).versions()}
    return [
        output
        for output in judged
        if output.inputs["identities"]
        == [known.get(version) for version in (output.inputs["model_version"], output.inputs["champion"]) if version]
    ]
