"""The alert log: what is to be told, and who was told of it.

    jobs/<job>/alerts/<id>.json                     the alert
    jobs/<job>/alerts/<id>.<channel>.settled.json   the channel took it, or need not
    jobs/<job>/alerts/<id>.<channel>.claimed.json   somebody is about to send it

Each is put if nobody has, so of two who want to tell the same only one does.  Whoever claims an alert and dies before
it is told leaves it to others after ten minutes; had it been sent just before, it is sent twice, and never not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from pipeline.alerts import Alert
from pipeline.errors import DamagedError
from pipeline.stores.lake import Lake

Result = Literal["told", "outdated", "not for it"]
"""Whether a channel took an alert, was not to be bothered with it any more, or ever."""

CLAIMED_FOR = timedelta(minutes=10)
"""Longer than any channel may take."""


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

    def list_untold(self, channels: list[str]) -> list[Alert]:
        """Alerts that are not settled with all of the channels, oldest first."""
        names = set(self._lake.list(self._folder))
        ids = [name.removesuffix(".json") for name in names if name.count(".") == 1]
        untold = [id_ for id_ in ids if any(f"{id_}.{channel}.settled.json" not in names for channel in channels)]
        return sorted(map(self.read, untold), key=lambda alert: (alert.at, alert.id))

    def read(self, id_: str) -> Alert:
        """One alert.

        Raises:
            DamagedError: what is there is none.
        """
        try:
            return Alert.model_validate(self._lake.read_json(self._path(id_)))
        except ValidationError as error:
            raise DamagedError(
                f"{id_}.json is no alert",
                job=self._job,
                expected=f"what Nightjar writes under {self._lake.url(self._folder)}",
                found=f"{error.error_count()} fields that are none of it",
                next_step="remove the file",
            ) from error

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
            since = datetime.fromisoformat(self._lake.read_json(path)["at"])
        except FileNotFoundError:
            return False  # it is settled by now
        if self._clock() - since < CLAIMED_FOR:
            return False
        self._lake.remove(path)
        return self._lake.put_json_if_absent(path, self._stamp())

    def _stamp(self) -> dict[str, str]:
        return {"at": self._clock().astimezone(UTC).isoformat()}

    def _path(self, id_: str, *parts: str) -> str:
        return f"{self._folder}/{'.'.join([id_, *parts])}.json"
