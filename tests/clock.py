"""Time that tests move."""

from __future__ import annotations

from datetime import datetime, timedelta


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: float) -> None:
        """Let time pass; the parts are those of a timedelta."""
        self.now += timedelta(**parts)
