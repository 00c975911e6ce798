"""Readers that were written from docs/redis-contract.md alone get what the Python reader gets."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import redis

from pipeline.local.redis_server import find_redis_server
from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import JOB, PARTITION, make_header, make_predictions, publish, send_all, split
from tests.stores.predictions.server import RedisServer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "redis-contract.md"
Read = Callable[..., dict[str, object]]
STRANGE_IDS = [
    "a b",
    " leading and trailing ",
    "Zürich Hbf",
    "東京 7",
    "مرحبا",
    "🛫 1",
    "x" * 64,
    "-n",
    "%s",
    'it\'s "1"',
]


def take_code(language: str) -> str:
    """The page's example in ``language``."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"no {language} on the page"
    return found[1]


def read_with_shell(url: str, ids: list[str], segment: str = "") -> dict[str, object]:
    # redis-cli comes with the server, on the PATH or in the wheel that carries both.
    folder = Path(find_redis_server(os.environ["PATH"])).parent
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C"}
    answers: dict[str, object] = {}
    for entity_id in ids:
        command = ["sh", "-c", take_code("sh"), "read-prediction", url, JOB, entity_id, segment]
        answer = subprocess.run(command, env=environment, capture_output=True, check=True)
        assert not answer.stderr
        answers[entity_id] = json.loads(answer.stdout)
    return answers


def read_with_node(url: str, ids: list[str], segment: str = "") -> dict[str, object]:
    node = shutil.which("node")
    assert node
    command = [node, "--input-type=module", "--eval", take_code("js"), "node", url, JOB, segment, *ids]
    answer = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True, timeout=60)
    return {line["id"]: line["value"] for line in map(json.loads, answer.stdout.splitlines())}


# Bare redis-cli is always there, beside the server; Node is a second opinion where it is installed.
READERS = {"redis-cli": read_with_shell} | ({"node": read_with_node} if shutil.which("node") else {})


@pytest.fixture(params=READERS)
def read(request: pytest.FixtureRequest) -> Read:
    return READERS[request.param]


def test_an_independent_reader_gets_the_same_predictions(
    store: PredictionStore, server: RedisServer, read: Read
) -> None:
    predictions = make_predictions(3000) | {entity_id: number / 7 for number, entity_id in enumerate(STRANGE_IDS)}
    publish(store, predictions)
    wanted = [*STRANGE_IDS, *list(predictions)[:2000:400]]
    ours = {name: answer.value for name, answer in Reader(server.url, JOB).get_many(wanted).items()}
    assert read(server.url, wanted) == ours == {name: predictions[name] for name in wanted}


def test_an_independent_reader_gets_arrays_and_strings(store: PredictionStore, server: RedisServer, read: Read) -> None:
    with store.begin(JOB, PARTITION, 2, 1) as load:
        send_all(load, [pa.table({"id": ["a", "b"], "class": ["spät", 'quoted "x"'], "share": [0.25, 1.0]})])
        load.seal(make_header(load, columns=("class", "share")))
    store.flip(JOB, load.generation, load.token)
    assert read(server.url, ["a", "b"]) == {"a": ["spät", 0.25], "b": ['quoted "x"', 1]}


@pytest.mark.parametrize(("segment", "value"), [("groß", 0.4), ("unheard of", 0.2), ("", 0.2)])
def test_an_independent_reader_gets_the_same_priors(
    store: PredictionStore, server: RedisServer, read: Read, segment: str, value: float
) -> None:
    predictions = make_predictions(1000)
    with store.begin(JOB, PARTITION, 1000, 4) as load:
        load.send_priors({"": 0.2, "groß": 0.4})
        send_all(load, split(predictions, 4))
        load.seal(make_header(load, prior_segment="size"))
    store.flip(JOB, load.generation, load.token)
    assert Reader(server.url, JOB).get("stranger", segment=segment).value == value
    assert read(server.url, ["stranger", "parcel 7"], segment) == {
        "stranger": value,
        "parcel 7": predictions["parcel 7"],
    }


@pytest.mark.parametrize("user", ["reader", "publisher"])
def test_the_rights_on_the_page_are_enough(start_server: Callable[..., RedisServer], clock: Clock, user: str) -> None:
    server = start_server()
    rules = re.search(rf"ACL SETUSER {user} on >… ((?:.|\n)+?)\n\n", PAGE.read_text(encoding="utf-8"))
    assert rules
    url = server.add_user(user, *rules[1].split())
    if user == "publisher":
        store = PredictionStore(url, clock)
        for _ in range(3):
            publish(store, make_predictions(1000))
        store.begin(JOB, PARTITION, 10, 1).abandon()
        clock.advance(hours=1)
        assert store.prune(JOB)
        assert store.check()["problems"] == []
        with pytest.raises(redis.exceptions.NoPermissionError):
            redis.Redis.from_url(url).flushall()
    else:
        publish(PredictionStore(server.url, clock), make_predictions(1000))
        with pytest.raises(redis.exceptions.NoPermissionError):
            redis.Redis.from_url(url).set("nightjar:x", "1")
    reader = Reader(url, JOB)
    assert reader.get("parcel 1").found
    assert not reader.get("stranger").found
    assert reader.get("parcel 1", partition=PARTITION).found
    assert reader.releases()
