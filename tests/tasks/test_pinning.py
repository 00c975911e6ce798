"""Pins outlive Redis."""

from __future__ import annotations

import pytest

from pipeline import tasks
from pipeline.errors import BadInputError, NotReadyError
from tests.tasks.conftest import Served


def list_pins(served: Served) -> dict[str, str]:
    generations = served.workspace.predictions.generations(served.job.name)
    return {item.name: item.pin.why for item in generations if item.pin is not None}


def test_a_pin_comes_back_with_the_generation(served: Served) -> None:
    workspace, job, generation = served.workspace, served.job, served.first["publish"]["generation"]
    tasks.pin_release(workspace, job, generation, who="Jane Doe", why="to compare with")
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job, who="Jane Doe")
    assert list_pins(served) == {generation: "to compare with"}


def test_a_pin_that_was_taken_out_does_not(served: Served) -> None:
    workspace, job, generation = served.workspace, served.job, served.first["publish"]["generation"]
    tasks.pin_release(workspace, job, generation, who="Jane Doe", why="to compare with")
    tasks.unpin_release(workspace, job, generation, who="Jane Doe")
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job, who="Jane Doe")
    assert list_pins(served) == {}
    with pytest.raises(NotReadyError, match="was not pinned"):
        tasks.unpin_release(workspace, job, generation, who="Jane Doe")


def test_a_pin_is_not_taken_out_by_nobody(served: Served) -> None:
    workspace, job, generation = served.workspace, served.job, served.first["publish"]["generation"]
    tasks.pin_release(workspace, job, generation, who="Jane Doe", why="to compare with")
    with pytest.raises(BadInputError, match="nobody would know"):
        tasks.unpin_release(workspace, job, generation, who=" ")
    assert list_pins(served) == {generation: "to compare with"}
