"""Declarations of jobs: what is refused when one is built, and what is told of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.errors import DeclarationError
from pipeline.job import Job, import_attribute
from tests.meter_readings.job import JOB

METERS, READINGS, TARIFFS = (source.model_dump() for source in JOB.sources)

TRAINING = JOB.training.model_dump()


def declare(**changes: Any) -> Job:
    return Job.model_validate({**JOB.model_dump(), **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Meter readings"}, "name"),
        ({"name": "meter:readings"}, "name"),
        ({"timezone": "Mars/Olympus"}, "timezone|Olympus"),
        ({"task": "ranking"}, "task"),
        ({"model": "no_path"}, "package.module:attribute"),
        ({"model": "module:not an attribute"}, "package.module:attribute"),
        ({"decimals": 10}, "decimals"),
        ({"colour": "red"}, "colour"),
        ({"owner": {"name": "Grid", "email": "grid"}}, "email\n.*'grid' is not an address of mail"),
        ({"owner": {"name": "Grid", "email": ""}}, "email\n.*'' is not an address of mail"),
        ({"owner": {"name": "Grid", "email": "a@example.org, b@example.org"}}, "is not an address of mail"),
        (
            {"owner": {"name": "Grid", "email": "grid@example.org", "escalation": "Council <council@example.org>"}},
            "escalation\n.*is not an address of mail, such as",
        ),
        ({"sources": [METERS, READINGS, READINGS]}, "source names repeat"),
        ({"sources": [READINGS, TARIFFS]}, "exactly one source"),
        ({"sources": [METERS, {**METERS, "name": "more"}, READINGS]}, "exactly one source"),
        ({"sources": [{**METERS, "key": ["meter_id", "region"]}, READINGS]}, "one column, the entity id"),
        ({"sources": [{**METERS, "may_be_empty": True}, READINGS]}, "may not be empty"),
        ({"sources": [{**METERS, "key": []}, READINGS]}, "key"),
        ({"sources": [{**METERS, "shards": 0}, READINGS]}, "shards"),
        ({"sources": [{**METERS, "max_quarantined": 2}, READINGS]}, "max_quarantined"),
        ({"sources": [METERS, TARIFFS]}, "the label's source 'readings'"),
        ({"label": {"source": "readings", "value": "kwh", "closes_after": 0}}, "closes_after"),
        ({"training": {"window": 0, "minimum": 1, "holdout": 1}}, "window"),
        ({"training": TRAINING | {"cool_down": "-P1D"}}, "cool_down"),
        ({"training": TRAINING | {"approval": {"answer_within": "PT0S"}}}, "answer_within"),
        ({"release_gate": {"max_lost": 0.1, "on_breach": "ask", "answer_within": "-PT1S"}}, "answer_within"),
        ({"training": TRAINING | {"shadow_nights": 9}, "retention": {"nights": 10}}, "must be more than 10"),
    ],
)
def test_a_wrong_declaration_is_refused_with_the_reason(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ValidationError, KeyError), match=message):
        declare(**changes)


def test_shadow_nights_are_kept_until_their_labels_have_closed() -> None:
    assert declare(training=TRAINING | {"shadow_nights": 9}, retention={"nights": 11}).training.shadow_nights == 9


def test_a_job_is_plain_data() -> None:
    assert Job.model_validate_json(JOB.model_dump_json()) == JOB


def test_a_job_is_frozen() -> None:
    with pytest.raises(ValidationError):
        JOB.name = "other"  # type: ignore[misc]


def test_the_population_gives_the_entity_id() -> None:
    assert (JOB.population.name, JOB.entity_id) == ("meters", "meter_id")
    assert JOB.source("tariffs").key == ("tariff",)


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(DeclarationError, match="no source 'gas'") as caught:
        JOB.source("gas")
    assert caught.value.expected == "one of meters, readings, tariffs"


def test_attributes_are_imported_by_dotted_path() -> None:
    assert import_attribute("tests.meter_readings.job:JOB") is JOB


@pytest.mark.parametrize("path", ["tests.nowhere:JOB", "tests.meter_readings.job:NOTHING"])
def test_a_path_that_leads_nowhere_is_named(path: str) -> None:
    with pytest.raises(DeclarationError, match=path) as caught:
        import_attribute(path)
    assert caught.value.found


def test_reading_a_declaration_imports_nothing_that_it_names() -> None:
    program = (
        "import sys, tests.meter_readings.job; "
        "print([name for name in ('pandas', 'pandera', 'sklearn', 'great_expectations', 'mlflow', 'airflow', "
        "'tests.meter_readings.model', 'tests.meter_readings.contracts') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
