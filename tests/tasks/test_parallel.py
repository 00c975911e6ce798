"""Work over processes: everything once, in order, and as many processes as the setting says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.errors import DeclarationError
from pipeline.garbage import end_without_collection
from pipeline.settings import Settings
from pipeline.tasks import Workspace, open_workspace
from pipeline.tasks.parallel import (
    ROWS_WORTH_A_PROCESS,
    WORTH_A_PROCESS,
    count_processes,
    iterate_parallel,
    run_parallel,
    run_shards,
    take_apart,
)

ROOT = Path(__file__).parents[2]


def with_backend(settings: Settings, parallel: str) -> Settings:
    return settings.model_copy(update={"parallel": parallel})


def open_with(settings: Settings, parallel: str) -> Workspace:
    return open_workspace(with_backend(settings, parallel))


def tell_process(items: list[int]) -> list[tuple[int, int]]:
    return [(item, os.getpid()) for item in items]


def tell_processes(workspace: Workspace, items: list[int]) -> list[tuple[int, int]]:
    return tell_process(items)


def tell_settings(workspace: Workspace, shard: str) -> tuple[str, int, dict[str, str]]:
    return shard, os.getpid(), workspace.settings.to_environment()


def is_to_end_without_collection(workspace: Workspace, shard: int) -> tuple[int, bool]:
    return os.getpid(), end_without_collection.cache_info().currsize == 1


_kept: list[bytes] = []


def fill_memory(workspace: Workspace, shard: int) -> tuple[int, int]:
    """Take up to 600 MB in small pieces and let go of all but the last, which holds the heap up."""
    pieces = [b"%d" % number * 200 for number in range(100_000, 100_001 + 100_000 * min(shard, 5))]
    _kept.append(pieces.pop())
    time.sleep(0.6)  # joblib looks once a second
    return shard, os.getpid()


def test_inline_work_is_done_here(settings: Settings) -> None:
    results = run_parallel(open_with(settings, "inline"), tell_processes, range(20))
    assert results == [(item, os.getpid()) for item in range(20)]


def test_processes_share_the_work_and_results_keep_their_order(settings: Settings) -> None:
    results = run_parallel(open_with(settings, "processes:2"), tell_processes, range(21))
    assert [item for item, _ in results] == list(range(21))
    assert os.getpid() not in {process for _, process in results}


def test_a_little_work_starts_no_process(settings: Settings) -> None:
    results = run_parallel(open_with(settings, "processes:2"), tell_processes, range(WORTH_A_PROCESS - 1))
    assert {process for _, process in results} == {os.getpid()}


def note_and_wait(workspace: Workspace, items: list[Path]) -> list[None]:
    for item in items:
        item.touch()
        time.sleep(0.05)
    return [None] * len(items)


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    """A task that is killed must not leave others behind that go on for minutes."""
    program = (
        "from pathlib import Path\n"
        "from pipeline.settings import Settings\n"
        "from pipeline.tasks.parallel import run_parallel\n"
        "from tests.tasks.test_parallel import note_and_wait\n"
        "from pipeline.tasks import open_workspace\n"
        "workspace = open_workspace(Settings.from_environment({'NIGHTJAR_PARALLEL': 'processes:2'}))\n"
        f"run_parallel(workspace, note_and_wait, [Path({str(tmp_path)!r}) / str(n) for n in range(4000)])\n"
    )
    started = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    wait_until(lambda: any(tmp_path.iterdir()), seconds=60)
    started.kill()
    started.wait()
    counts: list[int] = []

    def has_stopped() -> bool:
        counts.append(len(list(tmp_path.iterdir())))
        return len(counts) > 20 and counts[-20] == counts[-1]

    wait_until(has_stopped, seconds=30)
    assert counts[-1] < 4000


def wait_until(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_work_at_all(settings: Settings) -> None:
    assert run_parallel(open_with(settings, "inline"), tell_processes, []) == []


def test_shards_are_worked_on_elsewhere_without_secrets_of_services(settings: Settings) -> None:
    """They come back in their order, however long each takes."""
    workspace = open_with(settings.model_copy(update={"metrics_token": SecretStr("canary")}), "processes:2")
    done = run_shards(workspace, tell_settings, list("dcba"), rows=2 * ROWS_WORTH_A_PROCESS)
    assert [shard for shard, _, _ in done] == list("dcba")
    assert os.getpid() not in {process for _, process, _ in done}
    for _, _, environment in done:
        assert environment["NIGHTJAR_PARALLEL"] == "inline"
        assert environment["NIGHTJAR_LAKE"] == settings.lake
        assert "canary" not in environment.values()
        assert settings.redis_url.get_secret_value() not in environment.values()


@pytest.mark.parametrize(("shards", "rows"), [(1, 10 * ROWS_WORTH_A_PROCESS), (4, 2 * ROWS_WORTH_A_PROCESS - 1)])
def test_small_shards_and_a_single_one_are_worked_on_here(settings: Settings, shards: int, rows: int) -> None:
    workspace = open_with(settings, "processes:2")
    done = run_shards(workspace, tell_settings, ["a"] * shards, rows=rows)
    assert {process for _, process, _ in done} == {os.getpid()}


def test_processes_go_on_whose_shards_take_much_memory(settings: Settings) -> None:
    """joblib ends a process that has grown by 300 MB, and another one would import everything again."""
    rows = 2 * ROWS_WORTH_A_PROCESS
    done = run_shards(open_with(settings, "processes:2"), fill_memory, range(8), rows=rows)
    assert [shard for shard, _ in done] == list(range(8))
    assert len({process for _, process in done}) == 2


def test_processes_end_without_looking_through_their_libraries(settings: Settings) -> None:
    rows = 2 * ROWS_WORTH_A_PROCESS
    done = run_shards(open_with(settings, "processes:2"), is_to_end_without_collection, range(4), rows=rows)
    assert all(process != os.getpid() and is_told for process, is_told in done)


def test_the_number_of_processes(settings: Settings) -> None:
    assert count_processes(settings) == 1
    assert count_processes(with_backend(settings, "processes:3")) == 3
    assert count_processes(with_backend(settings, "processes")) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("parallel", ["threads", "processes:0", "processes:-1", "processes:many", "inline:2", ""])
def test_another_backend_is_refused(settings: Settings, parallel: str) -> None:
    with pytest.raises(DeclarationError, match="NIGHTJAR_PARALLEL") as caught:
        count_processes(with_backend(settings, parallel))
    assert caught.value.found == parallel


def test_items_are_handed_out_one_by_one_and_come_back_as_they_are_done(settings: Settings) -> None:
    results = list(iterate_parallel(with_backend(settings, "processes:2"), tell_process, range(9)))
    assert sorted(item for item, _ in results) == list(range(9))
    assert os.getpid() not in {process for _, process in results}
    assert list(iterate_parallel(settings, tell_process, range(3))) == [(item, os.getpid()) for item in range(3)]
    assert list(iterate_parallel(with_backend(settings, "processes:2"), tell_process, [])) == []


def test_no_two_neighbours_are_worked_on_at_once(settings: Settings) -> None:
    assert take_apart(with_backend(settings, "processes:2"), [1, 2, 3, 4, 5]) == [1, 3, 2, 4, 5]
    assert take_apart(settings, [1, 2, 3]) == [1, 2, 3]
    assert take_apart(settings, []) == []
