"""A short trial by fire, and that it would notice a publisher that does it wrongly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: publishers are forked, which no process with threads should do."""
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_readers_see_the_old_or_the_new_generation_whatever_is_killed(tmp_path: Path) -> None:
    report = tmp_path / "kill.json"
    done = run("trials.kill", "--kills", "40", "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    assert found["kills"] == 40
    assert found["paused"] >= 2
    assert found["reads"] > 100
    assert {name: found[name] for name in ("mixed", "lost", "stale_flips", "unavailable", "left_over_keys")} == {
        "mixed": 0,
        "lost": 0,
        "stale_flips": 0,
        "unavailable": 0,
        "left_over_keys": 0,
    }
    assert {"loading", "verified", "live"} <= found["left_behind"].keys()
    assert found["failures"] == []


@pytest.mark.parametrize(
    ("wrong", "count"),
    [("flip_before_loading", "lost"), ("write_in_place", "mixed"), ("flip_without_looking", "stale_flips")],
)
def test_a_publisher_that_does_it_wrongly_is_noticed(wrong: str, count: str) -> None:
    done = run("tests.trials.sabotaged", wrong)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report[count] > 0
    assert report["failures"]
