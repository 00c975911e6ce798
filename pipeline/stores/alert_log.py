"""The alert log: what is to be told, and who was told of it.

    jobs/<job>/alerts/<id>.json                         the alert
    jobs/<job>/alerts/<id>.<channel>.settled.json       the channel took it, or need not
    jobs/<job>/alerts/<id>.<channel>.claimed-<n>.json   somebody is about to send it, or was

Each is put if nobody has, so of two who want to tell the same only one does.  Claims are numbered and the
highest one counts, so one that has ended is followed by one.  Whoever claims an alert and dies before it is told leaves
it to others after ten minutes; had it been sent just before, it is sent twice, and never not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

from pydantic import AwareDatetime, ValidationError

from pipeline.alerts import Alert
from pipeline.errors import DamagedError
from pipeline.monitoring import Record
from pipeline.stores.lake import Lake

R = TypeVar("R", bound=Record)
Result = Literal["told", "outdated", "not for it"]
"""Whether a channel took an alert, was not to be bothered with it any more, or ever."""

CLAIMED_FOR = timedelta(minutes=10)
"""Longer than any channel may take."""


class Claim(Record):
    """Since when somebody is about to send an alert, or was until they gave up."""

    at: AwareDatetime
    ended: bool = False


class AlertLog:
    """The alerts of one job.

    Args:
        clock: the wall clock, since claims of other machines are held against it.
    """

    def __init__(self, lake: Lake, job: str, clock: Callable[[], datetime]) -> None:
        self._lake = lake
        self._job = job
        self._folder = f"jobs/{job}/alerts"
        self._clock = clock

    def put(self, alert: Alert) -> bool:
        """Write down what is to be told; False if it is already."""
        return self._lake.put_json_if_absent(self._path(alert.id), alert.model_dump(mode="json"))

    def list_ids(self) -> list[str]:
        """What every alert is named."""
        return [name.removesuffix(".json") for name in self._lake.list(self._folder) if name.count(".") == 1]

    def list_untold(self, channels: list[str]) -> list[str]:
        """What the alerts are named that are not settled with all of the channels."""
        names = set(self._lake.list(self._folder))
        ids = [name.removesuffix(".json") for name in names if name.count(".") == 1]
        return [id_ for id_ in ids if any(f"{id_}.{channel}.settled.json" not in names for channel in channels)]

    def read_all(self, ids: Iterable[str]) -> tuple[list[Alert], dict[str, DamagedError]]:
        """Alerts, oldest first, and by id why others cannot be read."""
        alerts, damaged = [], {}
        for id_ in ids:
            try:
                alerts.append(self.read(id_))
            except DamagedError as error:
                damaged[id_] = error
        return sorted(alerts, key=lambda alert: (alert.at, alert.id)), damaged

    def read(self, id_: str) -> Alert:
        """One alert.

        Raises:
            DamagedError: what is there is none.
        """
        return self._parse(Alert, self._path(id_))

    def claim(self, alert: Alert, channel: str) -> int | None:
        """The number of a claim to send it now; None if it is settled, or somebody else is about to."""
        settled = self._path(alert.id, channel, "settled")
        if self._lake.exists(settled):
            return None
        newest = self._find_newest_claim(alert, channel)
        if newest > 0 and not self._has_ended(alert, channel, newest):
            return None
        claim = newest + 1
        path = self._path_of_claim(alert, channel, claim)
        if not self._lake.put_json_if_absent(path, self._stamp()):
            return None
        # Whoever looked long ago may have put what others were done with: they left a higher one, or it is settled.
        if self._find_newest_claim(alert, channel) > claim or self._lake.exists(settled):
            self._lake.remove(path)
            return None
        return claim

    def settle(self, alert: Alert, channel: str, result: Result) -> None:
        """Write down that there is nothing to tell any more, and end every claim."""
        self._lake.put_json_if_absent(self._path(alert.id, channel, "settled"), {**self._stamp(), "result": result})
        self._remove_claims(alert, channel)

    def give_up(self, alert: Alert, channel: str, claim: int) -> None:
        """End the claim of what the channel did not take: the next telling tries again."""
        self._lake.replace_json(self._path_of_claim(alert, channel, claim), {**self._stamp(), "ended": True})
        self._remove_claims(alert, channel, below=claim)

    def _has_ended(self, alert: Alert, channel: str, claim: int) -> bool:
        """Whether a claim was given up, or is too old; one that is gone has been followed, or it is settled."""
        try:
            known = self._parse(Claim, self._path_of_claim(alert, channel, claim))
        except FileNotFoundError:
            return False
        return known.ended or self._clock() - known.at >= CLAIMED_FOR

    def _find_newest_claim(self, alert: Alert, channel: str) -> int:
        return max(self._list_claims(alert, channel), default=0)

    def _list_claims(self, alert: Alert, channel: str) -> list[int]:
        start = f"{alert.id}.{channel}.claimed-"
        names = (name for name in self._lake.list(self._folder) if name.startswith(start))
        return [int(name.removeprefix(start).removesuffix(".json")) for name in names]

    def _remove_claims(self, alert: Alert, channel: str, below: int | None = None) -> None:
        for claim in self._list_claims(alert, channel):
            if below is None or claim < below:
                self._lake.remove(self._path_of_claim(alert, channel, claim))

    def _path_of_claim(self, alert: Alert, channel: str, claim: int) -> str:
        return self._path(alert.id, channel, f"claimed-{claim}")

    def _parse(self, kind: type[R], path: str) -> R:
        try:
            return kind.model_validate_json(self._lake.read_bytes(path))
        except ValidationError as error:
            raise DamagedError(
                f"{self._lake.url(path)} is damaged",
                job=self._job,
                expected=f"{kind.__name__.lower()} as Nightjar writes them",
                found="; ".join(sorted({each["msg"] for each in error.errors(include_input=False)})),
                next_step="remove the file; an alert of an alarm is drawn up again for a week",
            ) from error

    def _stamp(self) -> dict[str, str]:
        return {"at": self._clock().astimezone(UTC).isoformat()}

    def _path(self, id_: str, *parts: str) -> str:
        return f"{self._folder}/{'.'.join([id_, *parts])}.json"
