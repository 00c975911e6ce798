"""The alert log: what is to be told, and who was told of it.

    jobs/<job>/alerts/<id>.json                     the alert
    jobs/<job>/alerts/<id>.<channel>.settled.json   the channel took it, or need not
    jobs/<job>/alerts/<id>.<channel>.claimed.json   somebody is about to send it

Each is put if nobody has, so of two who want to tell the same only one does.  Whoever claims an alert and dies before
it is told leaves it to others after ten minutes; had it been sent just before, it is sent twice, and never not at all.
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
    """Since when somebody is about to send an alert."""

    at: AwareDatetime


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

    def claim(self, alert: Alert, channel: str) -> bool:
        """Whether to send it now: it is not settled, and nobody else is about to."""
        path = self._path(alert.id, channel, "claimed")
        if not self._lake.put_json_if_absent(path, self._stamp()) and not self._take_over(path):
            return False
        if self._lake.exists(self._path(alert.id, channel, "settled")):
            self._lake.remove(path)
            return False
        return True

    def settle(self, alert: Alert, channel: str, result: Result) -> None:
        """Write down that there is nothing to tell any more, and end the claim."""
        self._lake.put_json_if_absent(self._path(alert.id, channel, "settled"), {**self._stamp(), "result": result})
        self.give_up(alert, channel)

    def give_up(self, alert: Alert, channel: str) -> None:
        """End the claim of what the channel did not take: the next telling tries again."""
        self._lake.remove(self._path(alert.id, channel, "claimed"))

    def _take_over(self, path: str) -> bool:
        try:
            claim = self._parse(Claim, path)
        except FileNotFoundError:
            return False  # it is settled by now
        if self._clock() - claim.at < CLAIMED_FOR:
            return False
        self._lake.remove(path)
        return self._lake.put_json_if_absent(path, self._stamp())

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
