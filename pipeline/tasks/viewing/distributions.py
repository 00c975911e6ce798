"""Two distributions of one feature: a night's, and that which it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from pipeline.errors import NotReadyError
from pipeline.job import Job
from pipeline.monitoring import Profile
from pipeline.tasks.partitions import parse_partition
from pipeline.tasks.viewing.series import shorten
from pipeline.tasks.workspace import Workspace

Against = Literal["reference", "weekday"]


def view_feature(workspace: Workspace, job: Job, partition: str, feature: str, against: Against) -> dict[str, Any]:
    """The shares of a feature's bins on a night, beside those of the training reference or of the same weekdays before.

    Returns:
        ``bins`` (names), ``tonight`` and ``others`` (shares by bin), ``rows`` and ``other_rows``.

    Raises:
        BadInputError: ``partition`` is no date.
        NotReadyError: one of the two was not profiled, or not over the same bins.
    """
    parse_partition(partition, job)
    records = workspace.monitoring(job)
    observed = records.find_observed(partition)
    tonight = records.profiles([partition]).get(partition)
    others: list[Profile] = []
    if observed is not None and against == "reference":
        reference = records.find_reference(observed.model_digest)
        others = [] if reference is None else [reference]
    elif against == "weekday":
        others = list(records.profiles(_same_weekdays(job, partition)).values())
    own = None if tonight is None else tonight["features"].get(feature)
    counted = [
        profile["features"][feature]
        for profile in others
        if own is not None and profile["features"].get(feature, {}).get("bins") == own["bins"]
    ]
    if own is None or not counted:
        raise NotReadyError(
            "there are no two distributions of this feature to show",
            job=job.name,
            partition=partition,
            expected="a profile of the night and one of what it is compared with, over the same bins",
            found="no profile of the night" if own is None else "none over the same bins",
            next_step="they are written when a night is watched; older ones may have been removed",
        )
    before = [sum(counts) for counts in zip(*(item["counts"] for item in counted), strict=True)]
    return {
        "feature": feature,
        "against": against,
        "bins": own["bins"],
        "tonight": _share(own["counts"]),
        "others": _share(before),
        "rows": sum(own["counts"]),
        "other_rows": sum(before),
    }


def _same_weekdays(job: Job, partition: str) -> list[str]:
    day = parse_partition(partition, job)
    return [(day - timedelta(weeks=weeks)).isoformat() for weeks in range(1, job.monitoring.weekdays + 1)]


def _share(counts: Sequence[int]) -> list[float | None]:
    total = sum(counts)
    return [shorten(count / total if total else 0.0) for count in counts]
