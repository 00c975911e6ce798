"""What time it is: by the wall, and as an installation whose data is of another time sees it.

``NIGHTJAR_CLOCK`` moves the clock by which partitions close and predictions age.  It never moves what is held against
other machines' stamps: times of files, retirements in Redis, the order of runs, claims, and when somebody decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import DeclarationError

_OFFSETS = TypeAdapter(timedelta)


def now_utc() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class MovedClock:
    """A clock that shows another time than the wall's.

    Attributes:
        wall: the clock that it is moved from.
        shown: the moment at which it stands still, or by how much it is ahead.
    """

    wall: Callable[[], datetime]
    shown: datetime | timedelta

    def __call__(self) -> datetime:
        """The time that it shows."""
        return self.shown if isinstance(self.shown, datetime) else self.wall() + self.shown


def move_clock(wall: Callable[[], datetime], setting: str) -> Callable[[], datetime]:
    """The clock that ``NIGHTJAR_CLOCK`` asks for; the wall's where it is empty.

    Raises:
        DeclarationError: the setting is neither a moment with its zone nor a duration.
    """
    return MovedClock(wall, _parse(setting)) if setting else wall


def find_wall(clock: Callable[[], datetime]) -> Callable[[], datetime]:
    """The clock that nothing moves."""
    return clock.wall if isinstance(clock, MovedClock) else clock


def _parse(setting: str) -> datetime | timedelta:
    try:
        if setting.lstrip("+-").startswith("P"):
            return _OFFSETS.validate_python(setting)
        moment = datetime.fromisoformat(setting)
    except (ValueError, ValidationError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise DeclarationError(
            "NIGHTJAR_CLOCK is no time",
            expected="a moment with its zone, such as 2013-04-03T12:00:00Z, or an offset, such as -P4980D",
            found=repr(setting[:40]),
            next_step="correct the variable, or unset it",
        )
    return moment.astimezone(UTC)
