"""Why a reader has no answer.  None of these means that an entity has no prediction."""

from __future__ import annotations

from pipeline.errors import NightjarError, NotReadyError, UnavailableError


class StoreUnavailable(UnavailableError):  # noqa: N818 - the name says it is one
    """Redis does not answer, or does not let this user read."""


class Unhealthy(NightjarError):  # noqa: N818 - the name says it is one
    """Redis answers, but what a reader needs is gone: nothing is live, or a header or a bucket is missing."""


class PartitionNotKept(NotReadyError):  # noqa: N818 - the name says it is one
    """The store is well, but holds no generation of the partition that was asked for."""
