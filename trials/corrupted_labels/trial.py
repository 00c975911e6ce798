"""A champion, and two challengers as of the same day: one that learnt from sound labels, one from corrupted ones."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipeline import tasks
from pipeline.job import Job
from pipeline.jobs.flight_delays.job import JOB
from pipeline.tasks import Workspace
from trials.corrupted_labels.swapping import swap_outcomes
from trials.faults.deliveries import deliver
from trials.faults.nights import every
from trials.faults.validating import LANDED_LATER, land_clean, open_trial_workspace, read_upstream

SOUND, CORRUPTED = "sound", "corrupted"
"""What a challenger learnt from, which is also the folder of its lake."""

SEED = 20130101


@dataclass(frozen=True)
class Plan:
    """What is landed, trained and corrupted.

    Attributes:
        first, last: partitions that are landed; the challengers are trained as of the last.
        champion: partition as of which the champion is trained.
        share: of the deliveries with labels to train on that are corrupted.
    """

    first: date = date(2013, 1, 1)
    champion: date = date(2013, 3, 10)
    last: date = date(2013, 4, 30)
    share: float = 0.5
    job: Job = JOB


Report = dict[str, Any]


def run_trial(home: Path, plan: Plan, parallel: str, say: Callable[[str], object]) -> Report:
    """Train all three, and tell what became of the challengers.

    Args:
        home: an empty folder.
        parallel: the setting of that name.
        say: told what is being done.
    """
    say("landing the deliveries, and training the champion")
    workspace = open_trial_workspace(home / SOUND, parallel)
    land_clean(workspace, read_upstream(), every(1, plan.first, plan.last))
    retrain(workspace, plan.job, plan.champion)
    tasks.snapshot(workspace, plan.job, plan.last.isoformat(), "what both challengers have in common")
    shutil.copytree(home / SOUND, home / CORRUPTED)
    say("training a challenger on sound deliveries")
    sound = retrain(workspace, plan.job, plan.last)
    say("corrupting deliveries, and training a challenger on them")
    workspace = open_trial_workspace(home / CORRUPTED, parallel)
    label_days = list_label_days(plan.job, sound["trained_on"])
    days = sorted(random.Random(SEED).sample(label_days, round(plan.share * len(label_days))))
    swapped = sum(corrupt(workspace, plan.job, day) for day in days)
    corrupted = retrain(workspace, plan.job, plan.last)
    return {
        "deliveries": len(label_days),
        "corrupted": [day.isoformat() for day in days],
        "swapped": swapped,
        "refused": sorted(set(corrupted["left_out"]) - set(sound["left_out"])),
        "challengers": {SOUND: sound, CORRUPTED: corrupted},
    }


def retrain(workspace: Workspace, job: Job, day: date) -> Report:
    """A retraining as the DAG does it: what it learnt from, what the gate said, and the model ledger after it."""
    partition, run = day.isoformat(), f"trial as of {day}"
    snapped = tasks.snapshot(workspace, job, partition, run)
    trained = tasks.train(workspace, job, partition, run, snapped)
    evaluated = tasks.evaluate(workspace, job, partition, run, trained)
    proved = tasks.prove(workspace, job, partition, run, evaluated)
    promoted = tasks.promote(workspace, job, partition, run, proved)
    return {
        "model_version": trained["model_version"],
        "trained_on": snapped["train"],
        "held_out": snapped["holdout"],
        "left_out": snapped["left_out"],
        "promoted": promoted["promoted"],
        "why": promoted["why"],
        **{name: evaluated[name] for name in ("metrics", "interval", "checks")},
        "history": tasks.list_models(workspace, job)["history"],
    }


def list_label_days(job: Job, trained_on: Report) -> tuple[date, ...]:
    """Partitions whose deliveries hold labels of the rows trained on, and none of the holdout's."""
    first, last = (date.fromisoformat(trained_on[end]) for end in ("first", "last"))
    return every(1, first + timedelta(days=1), last + timedelta(days=job.label.closes_after))


def corrupt(workspace: Workspace, job: Job, day: date) -> int:
    """Land the outcomes of a day again, with some of them swapped; how many rows changed."""
    source = job.label.source
    flights = deliver(read_upstream(), source, day)
    chance = np.random.default_rng([SEED, day.toordinal()])
    swapped = swap_outcomes(flights, job.cutoff(day - timedelta(days=1)), job.cutoff(day), chance)
    workspace.deliveries.land(source, day, [swapped], LANDED_LATER)
    return int(pc.sum(pc.not_equal(flights["arr_delay"], swapped["arr_delay"])).as_py())
