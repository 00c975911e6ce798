"""Grade a replay: by week, by decision, and policy against policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline import __version__
from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.stages.evaluate import PRIMARY_METRIC, bootstrap_mean, compute_row_losses
from pipeline.stages.evaluate.bootstrap import FEWEST_CLUSTERS
from pipeline.stages.evaluate.metrics import to_metric
from pipeline.stores.ledger_events import ModelVersion
from pipeline.tasks.fitting import measure_scores
from pipeline.tasks.replaying.days import Replay, closing_day, iterate_weeks
from pipeline.tasks.replaying.deciding import Decision, find_served
from pipeline.tasks.replaying.policies import Policy
from pipeline.tasks.replaying.serving import GradedNight, Identity

METRICS = {"binary": ("auc", "log_loss", "brier"), "regression": ("rmse", "mae", "r2")}
CONFIDENCE = 0.95

Nights = Mapping[date, Mapping[Identity, GradedNight | None]]
Week = dict[str, Any]


@dataclass(frozen=True)
class Replayed:
    """What came of one policy, and the seconds that its own work took in this run."""

    policy: Policy
    decisions: Sequence[Decision]
    seconds: float


def describe_replay(replay: Replay, replayed: Sequence[Replayed], nights: Nights, *, seconds: float) -> dict[str, Any]:
    """The whole report, as JSON."""
    job = replay.job
    weeks = {item.policy.name: list(_grade_weeks(replay, item.decisions, nights)) for item in replayed}
    return {
        "job": job.name,
        "version": __version__,
        "replay": replay.name,
        "first": replay.first.isoformat(),
        "last": replay.last.isoformat(),
        "metrics": _list_metrics(job),
        "primary_metric": PRIMARY_METRIC[job.task],
        "cost_unit": job.cost_unit,
        "tuned_before": None if job.tuned_before is None else job.tuned_before.isoformat(),
        "confidence": CONFIDENCE,
        "failed_nights": {
            day: entry["problem"]
            for day, entry in replay.days.items()
            if "features" not in entry and replay.first.isoformat() <= day <= replay.last.isoformat()
        },
        "seconds": seconds,
        "policies": {
            item.policy.name: _describe_policy(replay, item, weeks[item.policy.name], nights) for item in replayed
        },
        "comparisons": list(_compare_policies(job, [item.policy for item in replayed], weeks)),
    }


def _describe_policy(replay: Replay, replayed: Replayed, weeks: list[Week], nights: Nights) -> dict[str, Any]:
    job = replay.job
    judged = _judge_decisions(job, replayed.decisions, nights)
    whole = _summarise(job, weeks)
    named = {("mean_weekly_auc" if name == "auc" else name): found["mean"] for name, found in whole.items()}
    promoted = [decision for decision in judged if decision["promoted"] and decision["difference"] is not None]
    return {
        "description": replayed.policy.description,
        **named,
        "intervals": whole,
        "halves": {name: _summarise(job, part) for name, part in _halve(job, weeks).items()},
        "decisions": judged,
        "promotions": sum(decision["promoted"] and decision["champion"] is not None for decision in judged),
        "harmful_promotions": sum(decision["difference"] > 0 for decision in promoted),
        "harmful_rejections": sum(
            decision["difference"] > 0
            for decision in judged
            if not decision["promoted"] and decision["difference"] is not None
        ),
        "worse_nights": sum(decision["worse_nights"] for decision in judged),
        "unscored_nights": _list_unscored(replay, replayed.decisions, nights),
        "seconds": replayed.seconds,
        "weeks": weeks,
    }


def _list_unscored(replay: Replay, decisions: Sequence[Decision], nights: Nights) -> list[str]:
    """Nights that could have been graded, had the model's scores been any that may be published."""
    closed = [night for night in nights if closing_day(replay.job, night.isoformat()) <= replay.known_by]
    gradable = [night for night in closed if "labels" in replay.days[night.isoformat()]]
    unscored = [night for night in gradable if _find_graded(nights, night, find_served(decisions, night)) is None]
    return [night.isoformat() for night in sorted(unscored)]


def _grade_weeks(replay: Replay, decisions: Sequence[Decision], nights: Nights) -> Iterator[Week]:
    """Weeks with at least one graded night; a week whose rows tell nothing, such as one outcome only, is left out."""
    for days in iterate_weeks(replay.first, replay.last):
        graded = [_find_graded(nights, day, find_served(decisions, day)) for day in days]
        parts = [part for part in graded if part is not None]
        if not parts:
            continue
        labels, scores = (pd.concat([getattr(part, name) for part in parts]) for name in ("labels", "scores"))
        with suppress(BadInputError):
            found = measure_scores(replay.job, labels.reset_index(drop=True), scores.reset_index(drop=True))
            week = {"week": days[0].isoformat(), "nights": len(parts), "rows": int(found["rows"])}
            yield week | {name: round(found[name], 6) for name in _list_metrics(replay.job)}


def _judge_decisions(job: Job, decisions: Sequence[Decision], nights: Nights) -> list[dict[str, Any]]:
    """Each decision beside what would have been served until the next one, had it been the other way round.

    ``difference`` is the primary metric of who served minus that of who was left out, on the same rows: above zero the
    decision hurt.
    """
    judged = []
    ends = [decision.night for decision in decisions[1:]] + [max(nights) + timedelta(days=1)]
    for decision, end in zip(decisions, ends, strict=True):
        served, other, worse = _lose(
            job, decision, [night for night in nights if decision.night <= night < end], nights
        )
        judged.append(
            {
                "night": decision.night.isoformat(),
                "champion": None if decision.champion is None else decision.champion.version,
                "challenger": None if decision.challenger is None else decision.challenger.version,
                "passed": decision.passed,
                "promoted": decision.promoted,
                "difference": None if not len(served) else _subtract(job, served, other),
                "rows": len(served),
                "worse_nights": worse,
                "why": decision.why,
            }
        )
    return judged


def _lose(job: Job, decision: Decision, own: Iterable[date], nights: Nights) -> tuple[np.ndarray, np.ndarray, int]:
    """Row losses of who served and of who was left out, and the nights on which the first were the larger ones."""
    served, other, worse = [np.empty(0)], [np.empty(0)], 0
    for night in own if decision.left_out is not None else ():
        graded = [_find_graded(nights, night, version) for version in (decision.served, decision.left_out)]
        if graded[0] is None or graded[1] is None:
            continue
        losses = [compute_row_losses(job.task, part.labels, part.scores) for part in graded if part is not None]
        served.append(losses[0])
        other.append(losses[1])
        worse += bool(losses[0].mean() > losses[1].mean())
    return np.concatenate(served), np.concatenate(other), worse


def _compare_policies(
    job: Job, policies: Sequence[Policy], weeks: Mapping[str, list[Week]]
) -> Iterator[dict[str, Any]]:
    """What the gate gained or cost, and every policy against the first: mean weekly differences, paired by week."""
    pairs = [("gate", policy, twin) for policy in policies if (twin := policy.twin(policies)) is not None]
    pairs += [("policy", policy, policies[0]) for policy in policies[1:]]
    for kind, policy, other in pairs:
        halves = _halve(job, weeks[policy.name])
        for part, own in {"all": weeks[policy.name], **halves}.items():
            against = {week["week"]: week for week in weeks[other.name]}
            both = [(week, against[week["week"]]) for week in own if week["week"] in against]
            differences = {
                name: _describe_mean([week[name] - beside[name] for week, beside in both])
                for name in _list_metrics(job)
            }
            yield {"kind": kind, "policy": policy.name, "against": other.name, "nights": part, "weekly": differences}


def _halve(job: Job, weeks: Sequence[Week]) -> dict[str, list[Week]]:
    """Weeks that choices may have been made on, and weeks that are only reported."""
    if job.tuned_before is None:
        return {}
    bound = job.tuned_before.isoformat()
    return {
        f"before {bound}": [week for week in weeks if week["week"] < bound],
        f"from {bound}": [week for week in weeks if week["week"] >= bound],
    }


def _summarise(job: Job, weeks: Sequence[Week]) -> dict[str, dict[str, Any]]:
    return {name: _describe_mean([week[name] for week in weeks]) for name in _list_metrics(job)}


def _describe_mean(values: Sequence[float]) -> dict[str, Any]:
    """The mean over weeks, with its interval; few weeks have none."""
    if not values:
        return {"mean": None, "low": None, "high": None, "weeks": 0}
    found: dict[str, Any] = {"mean": round(float(np.mean(values)), 6), "low": None, "high": None, "weeks": len(values)}
    if len(values) >= FEWEST_CLUSTERS:
        low, high = bootstrap_mean(np.asarray(values), confidence=CONFIDENCE, seed=0)
        found |= {"low": round(low, 6), "high": round(high, 6)}
    return found


def _list_metrics(job: Job) -> list[str]:
    return [*METRICS[job.task], *([] if job.business_cost is None else ["business_cost"])]


def _find_graded(nights: Nights, night: date, version: ModelVersion | None) -> GradedNight | None:
    return None if version is None else nights[night].get(version.registration.identity)


def _subtract(job: Job, served: np.ndarray, other: np.ndarray) -> float:
    metrics = to_metric(job.task, np.array([served.mean(), other.mean()]))
    return round(float(metrics[0] - metrics[1]), 6)
