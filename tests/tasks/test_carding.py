"""Cards of the second job's models: what stands in the lake after a training, and that none is needed."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import tasks
from pipeline.job import Job
from pipeline.tasks import Workspace
from tests.meter_readings.upstream import FIRST_ID
from tests.tasks.conftest import Reopen
from tests.tasks.kept import Kept
from tests.tasks.nights import NIGHTS, TRAINED_ON

LATER = NIGHTS[1]
Summary = dict[str, Any]


@pytest.fixture
def job(job: Job) -> Job:
    """With segments that are large enough to judge, and ids among them by mistake."""
    gate = job.training.gate.model_copy(update={"min_segment": 60})
    training = job.training.model_copy(update={"gate": gate})
    return job.model_copy(update={"segments": ("region", "meter_id"), "training": training})


@pytest.fixture
def trained(kept_later: Kept, reopen: Reopen) -> Workspace:
    """A champion, and what the next training finds validated."""
    return reopen(kept_later)


def evaluate(workspace: Workspace, job: Job, partition: str) -> tuple[Summary, Summary]:
    """Summaries of training and evaluation."""
    snapped = tasks.snapshot(workspace, job, partition, "run")
    trained = tasks.train(workspace, job, partition, "run", snapped)
    return trained, tasks.evaluate(workspace, job, partition, "run", trained)


def write(workspace: Workspace, job: Job, partition: str = LATER) -> Summary:
    """Train, evaluate and write the card."""
    trained, evaluated = evaluate(workspace, job, partition)
    return tasks.write_card(workspace, job, partition, trained, evaluated)


def read_files(workspace: Workspace, job: Job, version: str) -> dict[str, bytes]:
    folder = f"jobs/{job.name}/cards/{version}"
    return {file.path: workspace.lake.read_bytes(file.path) for file in workspace.lake.walk(folder)}


def test_a_challenger_gets_a_card_with_what_it_was_made_of_and_how_good_it_is(trained: Workspace, job: Job) -> None:
    guessing = job.model_copy(update={"model": "tests.meter_readings.model:build_guess"})
    written = write(trained, guessing)
    assert (written["card"], written["card_warning"]) == (f"jobs/{job.name}/cards/2/card.html", None)
    card = trained.cards(job).read_numbers("2")
    registration = trained.ledger(job).version("2").registration
    assert card["data"]["dataset_version"] == registration.dataset_version
    assert card["data"]["trained"] | {"rows": 0} == {
        "first": "2024-02-23",
        "last": "2024-02-28",
        "partitions": 6,
        "rows": 0,
    }
    assert card["making"]["model_digest"] == registration.model_digest
    assert card["making"]["estimator"] == "DummyRegressor"
    metrics = written["metrics"]
    assert card["quality"]["metrics"] == {"model": metrics["challenger"], "champion": metrics["champion"]}
    assert (card["verdict"]["promote"], card["verdict"]["checks"]) == (False, written["checks"])
    assert len(card["curves"]["residuals"]["spread"]) == 10
    assert [day["partition"] for day in card["partitions"]] == ["2024-03-01", "2024-03-02", "2024-03-03"]
    assert {item["feature"] for item in card["importance"]} == {
        column["name"] for column in card["features"]["columns"]
    }
    assert {item["mean"] for item in card["importance"]} == {0}, "a guess looks at nothing"
    assert [len(column["values"]) for column in card["segments"]] == [3]
    assert all(value["difference"]["low"] > 0 for value in card["segments"][0]["values"])
    assert "The gate refuses it" in trained.cards(job).read("2", "card.html")


def test_the_same_model_gives_the_same_bytes(trained: Workspace, job: Job) -> None:
    write(trained, job)
    before = read_files(trained, job, "2")
    trained.lake.remove(f"jobs/{job.name}/cards")
    write(Workspace(trained.settings, trained.clock), job)
    assert read_files(trained, job, "2") == before


def test_no_file_of_a_card_holds_an_id_and_what_is_mirrored_holds_no_segment(trained: Workspace, job: Job) -> None:
    write(trained, job)
    files = read_files(trained, job, "2")
    assert not [name for name, content in files.items() if str(FIRST_ID)[:-3].encode() in content]
    mirrored = {name: content for name, content in files.items() if "/mirrored/" in name}
    assert len(mirrored) > 3
    assert [name for name in files if b"north" in files[name]]
    assert not [name for name, content in mirrored.items() if b"north" in content]


def test_a_champion_that_is_trained_again_keeps_its_card(trained: Workspace, job: Job) -> None:
    first = write(trained, job, TRAINED_ON)
    assert first["output"] is None, "it is champion already"
    assert "champion already" in trained.cards(job).read("1", "card.md")
    trained.lake.replace(first["card"], b"as it was")
    assert write(trained, job, TRAINED_ON)["card"] == first["card"]
    assert trained.lake.read_bytes(first["card"]) == b"as it was"


def test_a_card_that_cannot_be_written_stops_no_training(
    trained: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What broke may quote rows, so the warning does not quote it."""

    def fail(*_: object) -> None:
        raise ValueError("north 9007199254740993")

    monkeypatch.setattr("pipeline.stages.card.measure_importance", fail)
    training, evaluated = evaluate(trained, job, LATER)
    written = tasks.write_card(trained, job, LATER, training, evaluated)
    assert written["card"] is None
    assert "model 2 of meter_readings has no new card" in written["card_warning"]
    assert "ValueError" in written["card_warning"]
    assert "9007199254740993" not in written["card_warning"]
    assert {name: written[name] for name in evaluated} == evaluated
    assert not trained.cards(job).exists("2")
    assert tasks.promote(trained, job, LATER, "run", written)["model_version"] == "2"


def test_a_lake_that_is_full_stops_no_training(trained: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    training, evaluated = evaluate(trained, job, LATER)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(trained.lake), "replace", refuse)
    assert "No space left" in tasks.write_card(trained, job, LATER, training, evaluated)["card_warning"]
