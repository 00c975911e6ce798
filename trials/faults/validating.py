"""What validation says of deliveries: the tasks of a night, on a lake of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pyarrow as pa
from pydantic import SecretStr

from pipeline.errors import BadInputError
from pipeline.job import Role, Source
from pipeline.jobs.flight_delays.job import JOB
from pipeline.jobs.flight_delays.upstream import FlightUpstream
from pipeline.settings import Settings
from pipeline.stores.deliveries import Delivery
from pipeline.tasks import Workspace, open_workspace
from pipeline.tasks.accepting import Validated, check_accepted
from pipeline.tasks.judging import judge_delivery
from pipeline.tasks.validating import check_rows, validate_delivery
from trials.faults.cases import Case
from trials.faults.deliveries import deliver, deliver_faulty, faulty_days

LANDED = datetime(2014, 1, 1, tzinfo=UTC)
LANDED_LATER = datetime(2014, 1, 2, tzinfo=UTC)

REFUSED, FLAGGED, QUARANTINED, MISSED = "refused", "flagged", "quarantined", "missed"

VERDICTS = (REFUSED, FLAGGED, QUARANTINED, MISSED)
"""What validation did with a fault, from the most to the least; of a clean delivery it should be "missed"."""

ALARMS = (REFUSED, FLAGGED)
"""What somebody hears of."""


@dataclass(frozen=True)
class Outcome:
    """What validation said of a delivery, or of a row of them.

    Attributes:
        signs: what it was refused or flagged for, in words.
        drifts: how the night was not as those before.
        values: of the profile's columns whose limits are there to find faults.
    """

    verdict: str
    signs: list[str] = field(default_factory=list)
    drifts: list[str] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)


class Validator:
    """Validates deliveries of the flight job in a lake that has the real deliveries of some days.

    Args:
        home: an empty folder.
        days: partitions that deliveries are landed of.
    """

    def __init__(self, home: Path, days: Sequence[date]) -> None:
        self._upstream = read_upstream()
        self._workspace = open_trial_workspace(home)
        land_clean(self._workspace, self._upstream, days)

    def examine_clean(self, source: Source, day: date) -> Outcome:
        """What validation says of what was really delivered."""
        delivery = self._workspace.deliveries.newest(source.name, day.isoformat())
        assert delivery is not None, f"{source.name} of {day} was not landed"
        return self._examine(source, delivery)

    def examine_faulty(self, case: Case, night: date) -> Outcome:
        """The worst that validation says of the deliveries that have the fault, arriving one after the other.

        A delivery that is refused is the last: no later night gets past it, because its windows need it.
        """
        source = JOB.source(case.source)
        worst = Outcome(MISSED)
        with self._landing() as landed:
            for day in faulty_days(case, night):
                landed.append(self._land(source, day, deliver_faulty(self._upstream, case, day)))
                outcome = self._examine(source, landed[-1])
                worst = min(worst, outcome, key=lambda one: VERDICTS.index(one.verdict))
                if worst.verdict == REFUSED:
                    break
        return worst

    def _land(self, source: Source, day: date, table: pa.Table) -> Delivery:
        return self._workspace.deliveries.land(source.name, day, [table], LANDED_LATER)[0]

    def _examine(self, source: Source, delivery: Delivery) -> Outcome:
        """What a night's validation does with a delivery, but for judging the batch of one whose rows were refused."""
        try:
            rows = validate_delivery(self._workspace, JOB, source, delivery)
            check_rows(JOB, source, delivery.partition, rows)
            judgement = judge_delivery(self._workspace, JOB, source, delivery, rows)
            check_accepted(self._workspace, JOB, source, Validated(delivery, rows, judgement))
        except BadInputError as error:
            return Outcome(REFUSED, [error.found or error.problem])
        found = QUARANTINED if rows.facts["quarantined"] else MISSED
        if judgement is None:
            return Outcome(found)
        verdict = judgement.facts["verdict"]
        values = {
            result["column"]: result["observed"]["value"]
            for result in verdict["results"]
            if result["over"] == "profile" and result["severity"] == "warning"
        }
        return Outcome(FLAGGED if verdict["warnings"] else found, verdict["warnings"], verdict["drifts"], values)

    @contextmanager
    def _landing(self) -> Iterator[list[Delivery]]:
        """Take away again what was landed; what was made of it is named by digests and in nobody's way."""
        landed: list[Delivery] = []
        try:
            yield landed
        finally:
            for delivery in landed:
                shutil.rmtree(Path(self._workspace.settings.lake) / delivery.folder)


def open_trial_workspace(home: Path, parallel: str = "inline") -> Workspace:
    """A workspace whose lake is in ``home``; no Redis and no MLflow is needed to validate or to train."""
    settings = Settings(
        home=home,
        lake=str(home / "lake"),
        redis_url=SecretStr("redis://127.0.0.1:1/0"),
        embedded_redis=False,
        jobs=("pipeline.jobs.flight_delays.job",),
        mlflow_uri=SecretStr(""),
        parallel=parallel,
        alert_webhook=SecretStr(""),
    )
    return open_workspace(settings)


@cache
def read_upstream() -> FlightUpstream:
    """The year's data, read once a process."""
    return FlightUpstream()


def land_clean(workspace: Workspace, upstream: FlightUpstream, days: Sequence[date]) -> None:
    """Land what was really delivered."""
    for source in JOB.sources:
        for day in [JOB.first_partition] if source.role is Role.DIMENSION else days:
            workspace.deliveries.land(source.name, day, [deliver(upstream, source.name, day)], LANDED)
