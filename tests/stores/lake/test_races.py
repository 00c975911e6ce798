"""Two processes that put the same file at the same moment, on a disk and on an object store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.stores.lake import Lake

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 50

RACER = """
import sys
from pipeline.stores.lake import Lake
lake = Lake(sys.argv[1])
lake.exists("race")
print("ready", flush=True)
for line in sys.stdin:
    print(lake.put_if_absent(f"race/{line.strip()}", sys.argv[2].encode() * 1000), flush=True)
"""


@pytest.mark.parametrize("kind", ["disk", "s3"])
def test_of_two_processes_that_put_the_same_file_exactly_one_wins(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if kind == "s3":
        request.getfixturevalue("object_store")
    root = {"disk": str(tmp_path), "s3": "s3://lake/race"}[kind]
    racers = {name: _start(root, name) for name in ("one", "two")}
    winners = [_race(racers, number) for number in range(ROUNDS)]
    for racer in racers.values():
        racer.communicate()
    lake = Lake(root)
    assert [lake.read_bytes(f"race/{number}") for number in range(ROUNDS)] == [name.encode() * 1000 for name in winners]


def _start(root: str, name: str) -> subprocess.Popen[str]:
    racer = subprocess.Popen(
        [sys.executable, "-c", RACER, root, name], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert _hear(racer) == "ready"
    return racer


def _race(racers: dict[str, subprocess.Popen[str]], number: int) -> str:
    """Both start at once; who says that it was the one."""
    for racer in racers.values():
        assert racer.stdin
        racer.stdin.write(f"{number}\n")
        racer.stdin.flush()
    said = {name: _hear(racer) for name, racer in racers.items()}
    assert sorted(said.values()) == ["False", "True"]
    return next(name for name, won in said.items() if won == "True")


def _hear(racer: subprocess.Popen[str]) -> str:
    assert racer.stdout
    return racer.stdout.readline().strip()
