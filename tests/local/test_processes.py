"""Embedded processes are found and ended, however far they went."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from pipeline.errors import UnavailableError
from pipeline.local.processes import Service, end_marked, end_services, find_marked, start_service

# Starts a grandchild in a session of its own and ends, so that the grandchild has lost every tie to what started it.
LEAVES_A_STRAY = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
"""
IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


def start(home: Path, code: str) -> Service:
    command = [sys.executable, "-c", code]
    return start_service("test", command, home=home, environment={}, folder=home, log=home / "logs" / "test.log")


def wait_for_log(service: Service, text: str) -> None:
    process = psutil.Process(service.pid)
    while text not in Path(service.log).read_text():
        assert process.is_running()


def test_a_process_that_lost_its_parent_is_found_and_ended(home: Path) -> None:
    psutil.Process(start(home, LEAVES_A_STRAY).pid).wait(30)
    (stray,) = find_marked(home)
    assert stray.ppid() != psutil.Process().pid

    end_marked(home)

    assert not stray.is_running()
    assert find_marked(home) == []


def test_a_process_that_ignores_sigterm_is_killed(home: Path) -> None:
    service = start(home, IGNORES_SIGTERM)
    wait_for_log(service, "deaf")

    end_services([service], grace_seconds=0.1)

    assert service.process() is None


def test_processes_of_another_home_are_left_alone(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    service = start(home, "import time; time.sleep(600)")

    end_marked(other)

    assert service.process() is not None


def test_a_process_that_is_kept_goes_on(home: Path) -> None:
    kept = start(home, "import time; time.sleep(600)")
    ended = start(home, "import time; print('up', flush=True); time.sleep(600)")
    # Before it runs the new program, a process has the environment of the one that started it.
    wait_for_log(ended, "up")

    end_marked(home, keep=[kept.pid])

    assert kept.process() is not None
    assert ended.process() is None


def test_a_pid_that_was_used_again_is_not_taken_for_the_service(home: Path) -> None:
    service = start(home, "import time; time.sleep(600)")

    assert Service(service.name, service.pid, service.created - 100, service.log).process() is None


def test_a_command_that_does_not_exist_is_named(home: Path) -> None:
    with pytest.raises(UnavailableError, match="/no/such/command"):
        start_service("x", ["/no/such/command"], home=home, environment={}, folder=home, log=home / "x.log")
