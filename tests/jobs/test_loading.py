"""Jobs: those of the project's folder, and those that a setting names elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import DeclarationError
from pipeline.jobs import load_job, load_jobs
from pipeline.settings import Settings
from tests.meter_readings.job import JOB


def name_jobs(*modules: str) -> Settings:
    return Settings.from_environment({"NIGHTJAR_JOBS": " ".join(modules)})


def write_module(folder: Path, name: str, content: str) -> str:
    (folder / f"{name}.py").write_text(content)
    return name


def test_jobs_of_the_folder_and_of_the_setting_are_there_by_name() -> None:
    jobs = load_jobs(name_jobs("tests.meter_readings.job", "tests.meter_readings.named_job"))
    assert [job.name for job in jobs] == ["flight_delays", "meter_readings", "named_meters"]
    assert load_job(name_jobs("tests.meter_readings.job"), "meter_readings") is JOB


def test_the_folder_alone() -> None:
    assert [job.name for job in load_jobs(name_jobs())] == ["flight_delays"]


def test_an_unknown_job_is_told_with_those_there_are() -> None:
    with pytest.raises(DeclarationError, match="no job 'trains'") as caught:
        load_job(name_jobs("tests.meter_readings.job"), "trains")
    assert caught.value.expected == "one of flight_delays, meter_readings"
    assert caught.value.next_step


def test_two_jobs_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = write_module(tmp_path, "same_job_again", "from tests.meter_readings.job import JOB")
    with pytest.raises(DeclarationError, match="two jobs are called 'meter_readings'") as caught:
        load_jobs(name_jobs("tests.meter_readings.job", module))
    assert module in str(caught.value.next_step)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("job_without", "OTHER = 1"),
        ("job_that_is_none", "JOB = 1"),
        ("job_that_does_not_import", "import nowhere_at_all"),
        ("job_that_is_wrong", "from pipeline.job import Job\nJOB = Job(name='wrong')"),
        ("job_with_a_slip", "JOB = ("),
    ],
)
def test_a_module_that_declares_no_job_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DeclarationError, match=name):
        load_jobs(name_jobs(write_module(tmp_path, name, content)))


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(DeclarationError, match=r"tests\.nowhere"):
        load_jobs(name_jobs("tests.nowhere"))
