"""What was found out so far, night by night, so that a trial that was stopped goes on where it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import joblib

from features.flight_delays import FEATURES
from pipeline.digests import digest_all, digest_code, digest_declared_code

FAULT_CODE = ("trials.faults.cases", "trials.faults.corruptions", "trials.faults.deliveries")
VALIDATION_CODE = (
    "pipeline.contracts",
    "pipeline.measures",
    "pipeline.job",
    *(f"pipeline.stages.{name}" for name in ("column_profiles", "ingest", "judge_batch", "measure", "profile")),
    *(f"pipeline.stages.{name}" for name in ("row_checks", "validate")),
    *(f"pipeline.tasks.{name}" for name in ("ingesting", "judging", "measuring", "validating")),
)
DECLARED = tuple(f"pipeline.jobs.flight_delays.{name}" for name in ("contracts", "job", "measures", "suites"))


def digest_costs() -> str:
    """Digest of what the cost of a fault depends on."""
    return digest_all([FEATURES.digest, digest_code(*FAULT_CODE, "trials.faults.scoring")])


def digest_validation() -> str:
    """Digest of what the verdict on a delivery depends on."""
    declared = [digest_declared_code(name) for name in DECLARED]
    return digest_all([digest_code(*FAULT_CODE, *VALIDATION_CODE, "trials.faults.validating"), *declared])


KEPT_AFTER = 25
"""Results of a night that are lost at the most when a trial is stopped."""


class NightResults:
    """Results of one kind, one file a night, each by name.

    Args:
        folder: where they are; it belongs to one kind of results and one digest of what they depend on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_or_make(self, night: date, names: Iterable[str], make: Callable[[str], Any]) -> dict[str, Any]:
        """The results of these names, those that nobody has made yet made now."""
        path = self._folder / f"{night}.joblib"
        results: dict[str, Any] = joblib.load(path) if path.exists() else {}
        wanted = list(names)
        missing = [name for name in wanted if name not in results]
        for start in range(0, len(missing), KEPT_AFTER):
            results |= {name: make(name) for name in missing[start : start + KEPT_AFTER]}
            self._folder.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            joblib.dump(results, draft)
            draft.replace(path)
        return {name: results[name] for name in wanted}
