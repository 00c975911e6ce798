"""A publisher in a process of its own, which stops at every step until it is let go on."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.samples import JOB, PARTITION, make_header, make_predictions, split

ROOT = Path(__file__).resolve().parents[3]
STEPS = ["begun", "first shard sent", "read back", "sealed"]


class Publisher(subprocess.Popen[str]):
    """``python -m tests.stores.predictions.publisher URL ROWS``."""

    def __init__(self, url: str, rows: int) -> None:
        command = [sys.executable, "-m", "tests.stores.predictions.publisher", url, str(rows)]
        pipe = subprocess.PIPE
        super().__init__(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def go_on_until(self, step: str) -> None:
        """Let it go on until it has reached ``step``, and leave it waiting there."""
        assert self.stdout
        while (reached := self.stdout.readline().strip()) != step:
            assert reached, "the publisher ended early"
            self.let_go()

    def let_go(self, steps: int = 1) -> None:
        """Let it go on by some steps, which it need not wait for."""
        assert self.stdin
        self.stdin.write("\n" * steps)
        self.stdin.flush()

    def finish(self) -> tuple[int, str]:
        """Wait until it ends; its exit code and what it wrote to the error stream."""
        _, errors = self.communicate(timeout=120)
        return self.returncode, errors


def main(url: str, rows: int) -> None:
    """Publish, step by step."""
    shards = split(make_predictions(rows, offset=0.5), 4)
    store = PredictionStore(url, lambda: datetime(2013, 4, 2, 9, 30, tzinfo=UTC))
    load = store.begin(JOB, PARTITION, rows, 4)
    reach("begun")
    load.send(shards[0])
    reach("first shard sent")
    for shard in shards[1:]:
        load.send(shard)
    load.read_back()
    reach("read back")
    load.seal(make_header(load, inputs="those of the publisher"))
    reach("sealed")
    store.flip(JOB, load.generation, load.token)
    reach("live")


def reach(step: str) -> None:
    """Tell that a step was done, and wait."""
    sys.stdout.write(f"{step}\n")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
