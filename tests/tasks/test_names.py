from __future__ import annotations

import pytest

from pipeline import tasks


@pytest.mark.parametrize("name", tasks.__all__)
def test_every_task_is_found_under_its_name(name: str) -> None:
    assert getattr(tasks, name).__name__ == name


def test_what_is_no_task_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tasks.nothing  # type: ignore[attr-defined]  # noqa: B018 - looking it up is the test
