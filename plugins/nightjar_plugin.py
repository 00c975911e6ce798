"""The Airflow plugin of Nightjar: the page of its jobs, and the timetable of its DAGs.

The page is in :mod:`nightjar_page`, which imports next to nothing before somebody looks at it.

The timetable reads the bounds of a backfill as days.

Airflow's own timetables compare the bounds with their ticks as moments.  The backfill form of the UI sends the
beginning of the first and the end of the last day by the clock of the time zone that the UI is set to, which is that of
the browser until somebody changes it; west of UTC, the nights of a timetable in UTC would all be a day late.  The
command line and REST mostly send midnights UTC: a timetable in the job's zone would lose the first day or the last.

Airflow loads this from its plugins folder, in every process that reads a DAG: the DAG processor, the scheduler and the
API server.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from pendulum import instance

import nightjar_page

DAY = timedelta(days=1)
SUMMER_TIME = timedelta(hours=1)


class BackfillByDayTimetable(CronDataIntervalTimetable):
    """Ticks in UTC, with a data interval between every two; a backfill makes the days it was asked for, both included.

    Args:
        cron: when it ticks, in UTC.
        zone: the timezone of the job, in whose days people think.
    """

    def __init__(self, cron: str, zone: str) -> None:
        super().__init__(cron, timezone="UTC")
        self._zone = zone

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BackfillByDayTimetable) and self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash((self._expression, self._zone))

    def serialize(self) -> dict[str, Any]:
        """What :meth:`deserialize` makes an equal timetable from."""
        return {"expression": self._expression, "zone": self._zone}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> BackfillByDayTimetable:
        """The timetable that ``data`` was made from."""
        return cls(data["expression"], data["zone"])

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The run after the last one.  Only a backfill asks for all that was missed: no DAG of Nightjar catches up."""
        if restriction.catchup and restriction.earliest is not None and restriction.latest is not None:
            first, last = asked_days(restriction.earliest, restriction.latest, ZoneInfo(self._zone))
            restriction = TimeRestriction(
                instance(datetime.combine(first, time(), UTC)),
                instance(datetime.combine(last, time.max, UTC)),
                catchup=True,
            )
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )


def _describe_view(destination: str, path: str) -> dict[str, Any]:
    """A place in Airflow's UI where the page is shown, in a frame; Airflow may have a path of its own before it."""
    page = urlsplit(conf.get("api", "base_url", fallback="/")).path.rstrip("/") + nightjar_page.PREFIX
    return {
        "name": "Nightjar",
        "destination": destination,
        "href": f"{page}/{path}",
        "url_route": "nightjar" if destination == "nav" else "night",
        "icon": f"{page}/static/nightjar.svg",
        "icon_dark_mode": f"{page}/static/nightjar.svg",
        **({"nav_top_level": True} if destination == "nav" else {}),
    }


class NightjarPlugin(AirflowPlugin):
    """What Airflow takes from this folder."""

    name = "nightjar"
    timetables = [BackfillByDayTimetable]  # noqa: RUF012 - Airflow's own attribute
    fastapi_apps = [{"app": nightjar_page.answer, "url_prefix": nightjar_page.PREFIX, "name": "Nightjar"}]  # noqa: RUF012
    external_views = [_describe_view("nav", ""), _describe_view("dag_run", "runs/{DAG_ID}/{RUN_ID}")]  # noqa: RUF012


def asked_days(earliest: datetime, latest: datetime, zone: tzinfo) -> tuple[date, date]:
    """The first and the last day that a backfill with these bounds is meant to make.

    A bound is the midnight of a day, by the clock of ``zone``, of UTC or of where the person sits; the last may be the
    last minute or second of a day instead.  A last bound at any other time of day means the day, in UTC, that it is in.
    """
    first, following = _day_of(earliest, zone), _next_minute(latest)
    # The form sends 23:59:59.999, and 23:59:00 once its date was changed.  Offsets from UTC are quarters of an hour.
    if following.minute % 15 == 0 and (latest.second == 59 or _is_midnight_of_some(following, earliest, zone)):
        return first, _day_of(following, zone) - DAY
    if _is_midnight_of_some(latest, earliest, zone):
        return first, _day_of(latest, zone)
    return first, latest.astimezone(UTC).date()


def _day_of(midnight: datetime, zone: tzinfo) -> date:
    """The day that begins at a midnight: of ``zone``, else of one between 12 hours ahead of UTC and as much behind."""
    if _is_midnight(midnight, zone):
        return midnight.astimezone(zone).date()
    return (midnight.astimezone(UTC) + DAY / 2).date()


def _is_midnight(moment: datetime, zone: tzinfo) -> bool:
    return moment.astimezone(zone).time() == time()


def _is_midnight_of_some(moment: datetime, earliest: datetime, zone: tzinfo) -> bool:
    """Whether it is midnight in ``zone``, in UTC, or where it also was at ``earliest``, in summer or in winter."""
    if _is_midnight(moment, zone) or _is_midnight(moment, UTC):
        return True
    apart = timedelta(seconds=(moment - earliest).total_seconds()) % DAY
    return not _is_midnight(earliest, UTC) and apart in (timedelta(), SUMMER_TIME, DAY - SUMMER_TIME)


def _next_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
