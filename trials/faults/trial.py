"""The trial: nights scored and validated with faults in them, and clean nights validated, over several processes.

What was found out is kept night by night, so a trial that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from joblib import Parallel, delayed, parallel_config

from pipeline.job import Role
from pipeline.jobs.flight_delays.job import JOB
from trials.faults.cases import WEEK, Case
from trials.faults.nights import every
from trials.faults.results import NightResults, digest_costs, digest_validation
from trials.faults.scoring import Grader
from trials.faults.validating import Outcome, Validator

DAILY = tuple(source.name for source in JOB.sources if source.role is not Role.DIMENSION)
"""Sources that are delivered every night."""

REACH = JOB.trailing_profiles + WEEK
"""Days before a night whose deliveries its verdicts can depend on."""

BLOCK = 10
"""Clean nights that share a lake."""

CLEAN_SCORES = ""
"""Name of the clean night among a night's scores."""

Scores = Mapping[str, Any]
"""Of one night: by case its scores, None where nothing could be scored; the clean ``score`` and ``label`` under ""."""

Outcomes = Mapping[str, Outcome]
"""Of one night: by case, or by source if it was clean."""


class Trial:
    """Runs over the nights, each in one of ``processes``.  Results come in no order.

    Args:
        home: where results, models and lakes are kept.
    """

    def __init__(self, home: Path, processes: int) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._home = home
        self._processes = processes

    def score(self, cases: Sequence[Case], nights: Sequence[date]) -> Iterator[tuple[date, Scores]]:
        """Score every night clean, and with every case in turn."""
        return self._run(_score_night, [(cases, night) for night in nights])

    def judge(self, cases_of: Mapping[date, Sequence[Case]]) -> Iterator[tuple[date, Outcomes]]:
        """Validate every night with each of its cases in turn."""
        return self._run(_judge_night, [(cases, night) for night, cases in cases_of.items()])

    def judge_clean(self, nights: Sequence[date]) -> Iterator[tuple[date, Outcomes]]:
        """Validate nights as they were."""
        return self._run(_judge_clean, [(nights[start : start + BLOCK],) for start in range(0, len(nights), BLOCK)])

    def _run(self, work: Callable[..., list[Any]], items: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        with parallel_config("loky", inner_max_num_threads=1):
            run = Parallel(self._processes, return_as="generator_unordered", batch_size=1)
        for found in run(delayed(work)(self._home, *item) for item in items):
            yield from found


def _score_night(home: Path, cases: Sequence[Case], night: date) -> list[tuple[date, Scores]]:
    by_name = {case.name: case for case in cases}

    def score(name: str) -> pd.Series | pd.DataFrame | None:
        grader = _open_grader(home)
        return grader.score_clean(night) if name == CLEAN_SCORES else grader.score_faulty(by_name[name], night)

    kept = NightResults(home / "costs" / digest_costs()[:16])
    return [(night, kept.find_or_make(night, [CLEAN_SCORES, *by_name], score))]


def _judge_night(home: Path, cases: Sequence[Case], night: date) -> list[tuple[date, Outcomes]]:
    by_name = {case.name: case for case in cases}
    kept = NightResults(home / "verdicts" / digest_validation()[:16])
    with _open_validator(home, [night]) as validator:
        return [
            (night, kept.find_or_make(night, by_name, lambda name: validator().examine_faulty(by_name[name], night)))
        ]


def _judge_clean(home: Path, nights: Sequence[date]) -> list[tuple[date, Outcomes]]:
    kept = NightResults(home / "clean" / digest_validation()[:16])
    found: list[tuple[date, Outcomes]] = []
    with _open_validator(home, nights) as validator:
        for night in nights:

            def judge(name: str, night: date = night) -> Outcome:
                return validator().examine_clean(JOB.source(name), night)

            found.append((night, kept.find_or_make(night, DAILY, judge)))
    return found


@cache
def _open_grader(home: Path) -> Grader:
    return Grader(home / "models")


@contextmanager
def _open_validator(home: Path, nights: Sequence[date]) -> Iterator[Callable[[], Validator]]:
    """A validator of these nights in a lake of its own, made when it is first asked for."""
    first = max(JOB.first_partition, min(nights) - timedelta(days=REACH))
    with TemporaryDirectory(dir=home) as folder:
        yield cache(lambda: Validator(Path(folder), every(1, first, max(nights))))
