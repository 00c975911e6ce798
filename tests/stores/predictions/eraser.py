"""An erasure in a process of its own, which kills itself when Redis has answered so many of its commands."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import UTC, datetime
from typing import Any

from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.samples import JOB

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


def erase_until_killed(url: str, entity_id: str, commands: int) -> bool:
    """Erase in another process; returns whether it was killed before it had done everything."""
    process = _PROCESSES.Process(target=_erase, args=(url, entity_id, commands))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _erase(url: str, entity_id: str, commands: int) -> None:
    """Erase, until ``commands`` were answered."""
    store = PredictionStore(url, lambda: datetime(2013, 4, 2, 9, 30, tzinfo=UTC))
    client: Any = store._client
    execute, answered = client.execute_command, 0

    def execute_then_die(*words: Any, **options: Any) -> Any:
        nonlocal answered
        reply = execute(*words, **options)
        answered += 1
        if answered == commands:
            os.kill(os.getpid(), signal.SIGKILL)
        return reply

    client.execute_command = execute_then_die
    store.erase_entity(JOB, entity_id)
