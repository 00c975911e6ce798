"""Publishers that do it wrongly, each in another way, to see that the trial would notice.

``python -m tests.trials.sabotaged NAME`` runs a short trial with one of them and prints its report.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import redis

from pipeline.keyspace import bucket_key, live_key
from trials.kill.publisher import JOB, Attempt, publish
from trials.kill.trial import Trial
from trials.redis_process import start_redis

Reach = Callable[[str], None]


def flip_before_loading(url: str, attempt: Attempt, clock: Callable[[], datetime], reach: Reach) -> dict[str, Any]:
    """Readers are sent to a generation that is not there yet."""

    def reach_and_point(step: str) -> None:
        if step == "begun":
            with redis.Redis.from_url(url, decode_responses=True) as client:
                live = client.hgetall(live_key(JOB))
                newest = max(client.hkeys(f"nightjar:{{{JOB}}}:states"), key=lambda name: int(name.split("-")[0]))
                if live:
                    header = json.loads(live["header"]) | {"generation": newest, "model_version": str(attempt.number)}
                    client.hset(live_key(JOB), mapping={"generation": newest, "header": json.dumps(header)})
        reach(step)

    return publish(url, attempt, clock, reach_and_point)


def write_in_place(url: str, attempt: Attempt, clock: Callable[[], datetime], reach: Reach) -> dict[str, Any]:
    """What is live is changed under the readers' eyes."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        generation = client.hget(live_key(JOB), "generation")
        for bucket in range(20) if generation else ():
            key = bucket_key(JOB, str(generation), bucket)
            client.hset(key, mapping=dict.fromkeys(client.hkeys(key), str(attempt.number)))
    return publish(url, attempt, clock, reach)


def flip_without_looking(url: str, attempt: Attempt, clock: Callable[[], datetime], reach: Reach) -> dict[str, Any]:
    """No fencing: whoever comes last wins."""

    def reach_and_win(step: str) -> None:
        reach(step)
        if step == "sealed":
            with redis.Redis.from_url(url, decode_responses=True) as client:
                headers = {
                    name: json.loads(text) for name, text in client.hgetall(f"nightjar:{{{JOB}}}:headers").items()
                }
                [own] = [name for name, header in headers.items() if header["model_version"] == str(attempt.number)]
                token = int(client.hget(live_key(JOB), "token") or 0) + 1
                pointer = {"token": token, "generation": own, "header": json.dumps(headers[own])}
                client.hset(live_key(JOB), mapping=pointer)

    return publish(url, attempt, clock, reach_and_win)


if __name__ == "__main__":
    with start_redis() as url:
        wrong = {
            function.__name__: function for function in (flip_before_loading, write_in_place, flip_without_looking)
        }
        sys.stdout.write(json.dumps(Trial(url, work=wrong[sys.argv[1]], paused_every=3).run(6)))
