"""The inputs of a night beside what its model was trained on, and beside the same weekday of the weeks before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.job import Job
from pipeline.monitoring import FeatureDrift, Observed, Profile, Signal
from pipeline.stages.monitor.bins import Bins, Counts, merge_counts, read_bins, read_counts
from pipeline.stages.monitor.drift import SIGNALS, Drift, compare_inputs, mute_comparison, rank_features
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.monitoring.profiles import profile_features
from pipeline.tasks.monitoring.references import ensure_reference
from pipeline.tasks.workspace import Workspace

WEEK = 7


@dataclass(frozen=True)
class InputsSeen:
    """What is seen of a night's features.

    Attributes:
        drift: every feature in every comparison, the worst first.
        profile: the counts of the night, to be written down; None if there are none.
    """

    signals: tuple[Signal, ...]
    drift: tuple[FeatureDrift, ...]
    profile: Profile | None


def mute_inputs(why: str) -> InputsSeen:
    """What is seen of a night whose features cannot be compared with anything."""
    signals = tuple(mute_comparison(against, why).signal for against in SIGNALS)
    return InputsSeen(signals, drift=(), profile=None)


def observe_inputs(
    workspace: Workspace, job: Job, partition: str, version: ModelVersion, profile: Output, past: Sequence[Observed]
) -> InputsSeen:
    """Compare the features of a scored night.

    Args:
        version: the model that scored it.
        profile: output of the profile stage.
        past: records of the partitions before, oldest first, as many as limits are learnt from.

    Raises:
        NotReadyError: the model has no reference, and none can be made.
    """
    reference = ensure_reference(workspace, job, version)
    tonight = read_counts(profile.facts)
    if reference["made_from"] == partition:
        against_reference = mute_comparison("reference", "the model's training rows are gone: this night stands in")
    else:
        against_reference = compare_inputs("reference", tonight, read_counts(reference), past, job.monitoring)
    against_weekday = _compare_weekdays(workspace, job, partition, reference, tonight, past)
    return InputsSeen(
        signals=(against_reference.signal, against_weekday.signal),
        drift=rank_features((*against_reference.features, *against_weekday.features)),
        profile=profile.facts,
    )


def _compare_weekdays(
    workspace: Workspace, job: Job, partition: str, reference: Profile, tonight: Counts, past: Sequence[Observed]
) -> Drift:
    """Compare with the same weekday of the weeks before, over the bins of tonight's model."""
    day = date.fromisoformat(partition)
    nights = {night.partition for night in past}
    days = [(day - timedelta(days=WEEK * week)).isoformat() for week in range(1, job.monitoring.weekdays + 1)]
    stored, bins = workspace.monitoring(job).profiles([day for day in days if day in nights]), read_bins(reference)
    recalled = [_recall_counts(workspace, job, bins, reference, profile) for profile in stored.values()]
    known = [counts for counts in recalled if counts is not None]
    if not known:
        return mute_comparison("weekday", f"none of the {len(days)} weeks before has a night of this weekday")
    return compare_inputs("weekday", tonight, merge_counts(known), past, job.monitoring)


def _recall_counts(workspace: Workspace, job: Job, bins: Bins, reference: Profile, stored: Profile) -> Counts | None:
    """A past night over these bins.

    One that was counted over those of another model is counted again, if its features are still there.
    """
    if read_bins(stored) == bins:
        return read_counts(stored)
    try:
        features = workspace.outputs(job).load(BUILD_STAGE, stored["made_of"])
        return read_counts(profile_features(workspace, job, features, reference).facts)
    except (FileNotFoundError, KeyError):  # retention removed the features, or they are others than the model's
        return None
