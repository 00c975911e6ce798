"""Values of rows stay in the lake and in Redis: whole nights, good and bad, whose upstream is full of canaries.

One program runs a training and every night on a real Airflow; then everything it left is searched: its database (with
XComs and rendered arguments), logs, alerts, run records, manifests, ledger, MLflow, Data Docs, and what commands print.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import tasks
from pipeline.digests import digest_bytes
from pipeline.serving import Reader
from pipeline.settings import Settings
from pipeline.stores.deliveries import MARKER, DeliveredFile, Deliveries, Delivery
from pipeline.stores.lake import Lake
from pipeline.stores.parquet import encode_parquet
from tests.security.watched_job import JOB
from tests.security.watched_parts import (
    FIRST,
    INTEGER,
    MARKS,
    NUMBER,
    PERSON_COUNT,
    TEXT,
    TRAINED_ON,
    deliver_people,
    deliver_purchases,
)
from tests.stores.predictions.server import RedisServer

ROOT = Path(__file__).resolve().parents[2]
LAST = date(2024, 5, 18)
LANDED_AT = datetime(2024, 5, 20, tzinfo=UTC)
GOOD, KILLED = "2024-05-10", "2024-05-17"
BAD = {
    "2024-05-11": "ingest failed",
    "2024-05-12": "validate failed",
    "2024-05-13": "build_features failed",
    "2024-05-14": "score up_for_retry",
    "2024-05-15": "ingest failed",
    "2024-05-16": "ingest failed",
    "2024-05-18": "wait_for_deliveries failed",
}
"""What is to come of each bad night."""

CARDS = "jobs/watched/cards"
COUNTED = tuple(f"jobs/watched/monitoring/{kind}" for kind in ("references", "profiles"))
"""Counts over bins, which are named by frequent categories and by quantiles of numbers; who has them is not there."""

ROWS_BELONG_IN = ("upstream", "stages", "tiles", "jobs/watched/artifacts", CARDS, *COUNTED)
"""Folders of the lake."""

HUSHED = ("hushed-hook", "hushed-user", "hushed-password")
"""Secrets of the channels by which people are told."""

STOPPED = """
import json, sys
from pipeline import tasks
from pipeline.settings import Settings
from pipeline.stores.predictions.load import Load
from tests.security.watched_job import JOB

def stop(*_, **__):
    print("reached", flush=True)
    sys.stdin.readline()

Load.read_back = stop
workspace = tasks.open_workspace(Settings.from_environment())
night = tasks.ingest(workspace, JOB, sys.argv[1], "killed")
for stage in (tasks.validate, tasks.build_features, tasks.score, tasks.publish):
    night = stage(workspace, JOB, sys.argv[1], "killed", night)
"""

COMMANDS = """
import os
import sys
from pipeline.cli.application import run

for command in (
    "status watched",
    "card watched 1 --json --out {card}",
    "releases watched --json",
    "runs watched --partition 2024-05-10",
    "runs watched --partition 2024-05-14 --json",
    "doctor",
    "run watched --partition 2024-05-11",
    "run watched --partition 2024-05-13",
    "run watched --partition 2024-05-14 --json",
):
    sys.argv = ["nightjar", *command.format(card=os.devnull).split()]
    print(command, run(), flush=True)
"""


@dataclass
class Nights:
    """What the nights left.

    Attributes:
        printed: by program, both of its streams.
        outcomes: by partition, the last task that ran and its state.
        alerts: bodies that the webhook got.
    """

    home: Path
    environment: dict[str, str]
    redis: RedisServer
    alerts: list[bytes]
    printed: dict[str, bytes] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)

    def run(self, name: str, *command: str) -> bytes:
        """Run a program of Python's and keep what it prints."""
        ended = subprocess.run(
            [sys.executable, *command], env=self.environment, cwd=ROOT, capture_output=True, check=False, timeout=540
        )
        self.printed[name] = ended.stdout + ended.stderr
        return ended.stdout

    def kill_publish(self) -> None:
        """Run the stages of a night, and kill the program when everything is loaded and nothing read back."""
        process = subprocess.Popen(
            [sys.executable, "-c", STOPPED, KILLED],
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout
        reached = process.stdout.readline()
        process.kill()
        rest, errors = process.communicate()
        self.printed["killed publish"] = reached + rest + errors
        assert reached == b"reached\n", errors.decode()
        assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def webhook() -> Iterator[tuple[str, list[bytes]]]:
    """A real web server and what was posted to it."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/{HUSHED[0]}", received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, webhook: tuple[str, list[bytes]]) -> Iterator[Nights]:
    """A training, a good night, and every kind of bad one."""
    home = tmp_path_factory.mktemp("watched")
    land_everything(Lake(str(home / "lake")))
    redis = RedisServer(tmp_path_factory.mktemp("watched-redis"))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("NIGHTJAR_", "AIRFLOW"))},
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__SECRET_KEY": "s" * 64,
        "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 64,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "dags"), str(ROOT / "plugins")]),
        "NIGHTJAR_HOME": str(home),
        "NIGHTJAR_JOBS": "tests.security.watched_job",
        "NIGHTJAR_REDIS_URL": redis.url,
        "NIGHTJAR_MLFLOW_URI": f"sqlite:///{home}/mlflow.db",
        "NIGHTJAR_PARALLEL": "inline",
        "NIGHTJAR_ALERT_WEBHOOK": webhook[0],
        # Nobody answers there, so that it is told of every mail that was not sent.
        "NIGHTJAR_SMTP_URL": f"smtp://{HUSHED[1]}:{HUSHED[2]}@127.0.0.1:1",
        "NIGHTJAR_ALERT_FROM": "nightjar@example.org",
        "NIGHTJAR_SIGNING_KEY": "signing-" * 8,
    }
    nights = Nights(home, environment, redis, webhook[1])
    out = nights.run("airflow", "-m", "tests.security.watched_nights", TRAINED_ON.isoformat(), GOOD, *BAD)
    last = out.decode().rpartition("\noutcomes ")[2]
    assert last.startswith("{"), nights.printed["airflow"].decode()[-3000:]
    nights.outcomes = json.loads(last)
    nights.kill_publish()
    nights.run("commands", "-c", COMMANDS)
    yield nights
    redis.stop()


def land_everything(lake: Lake) -> None:
    """Canaries in every column of every day, and on bad days what breaks a stage each."""
    deliveries = Deliveries(lake)
    people = {
        "2024-05-11": deliver_people(points=[NUMBER] * PERSON_COUNT),
        "2024-05-12": deliver_people(points=[-INTEGER] * PERSON_COUNT),
        "2024-05-13": deliver_people(f"{TEXT} broken"),
        "2024-05-14": deliver_people(f"{TEXT} unheard of"),
        "2024-05-15": deliver_people(points=[f"{TEXT} {INTEGER}"] * PERSON_COUNT),
    }
    for age in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=age)
        table = people.get(day.isoformat(), deliver_people())
        if day == date(2024, 5, 16):
            land_bytes(lake, day, encode_parquet(table)[:-100], table)
        elif day < LAST:
            deliveries.land("people", day, [table], LANDED_AT)
        deliveries.land("purchases", day, [deliver_purchases(day)], LANDED_AT)


def land_bytes(lake: Lake, day: date, content: bytes, table: pa.Table) -> None:
    """Land a file cut short, with a marker that describes it."""
    file = DeliveredFile(name="part-0000.parquet", rows=len(table), bytes=len(content), sha256=digest_bytes(content))
    draft = Delivery(
        source="people", partition=day.isoformat(), digest="", landed_at=LANDED_AT, rows=len(table), files=(file,)
    )
    delivery = draft.model_copy(update={"digest": draft.identify()})
    lake.replace(f"{delivery.folder}/{file.name}", content)
    lake.put_json_if_absent(f"{delivery.folder}/{MARKER}", delivery.model_dump(mode="json"))


def find_canaries(content: bytes) -> list[str]:
    """Which of the canaries are in it, whatever case and escapes."""
    lowered = content.lower()
    return [mark for mark in MARKS if mark.encode() in lowered]


def test_the_nights_ended_as_they_were_to(nights: Nights) -> None:
    assert nights.outcomes == {TRAINED_ON.isoformat(): "promote success", GOOD: "publish success", **BAD}


def test_the_canaries_were_there(nights: Nights) -> None:
    """In Redis and in the quarantine, of the good night."""
    with_environment = Settings.from_environment(nights.environment)
    reader = Reader(nights.redis.url, "watched")
    assert reader.get(f"{TEXT}-10").partition == GOOD
    reader.close()
    workspace = tasks.open_workspace(with_environment)
    refused = tasks.read_quarantine(workspace, JOB, "people", GOOD)
    assert TEXT in str(refused.to_pylist())
    assert str(INTEGER) in str(refused.to_pylist())


def test_no_program_printed_one(nights: Nights) -> None:
    assert set(nights.printed) == {"airflow", "killed publish", "commands"}
    for bad in ("run watched --partition 2024-05-11 1", "run watched --partition 2024-05-14 --json 1"):
        assert bad.encode() in nights.printed["commands"]
    assert {name: found for name, printed in nights.printed.items() if (found := find_canaries(printed))} == {}
    assert b"Returned value was" in nights.printed["airflow"], "logs of tasks are among it"


def test_no_alert_carries_one(nights: Nights) -> None:
    failed = [partition for partition, outcome in nights.outcomes.items() if outcome.endswith("failed")]
    assert [json.loads(alert)["partition"] for alert in nights.alerts] == failed
    assert {alert: found for alert in nights.alerts if (found := find_canaries(alert))} == {}


def test_no_file_holds_one_but_those_of_rows(nights: Nights) -> None:
    """Airflow's database and MLflow's are files of the home; so are Data Docs, records, manifests and the ledger."""
    lake = nights.home / "lake"
    searched = [
        path
        for path in nights.home.rglob("*")
        if path.is_file() and not any(path.is_relative_to(lake / folder) for folder in ROWS_BELONG_IN)
    ]
    assert {path: found for path in searched if (found := find_canaries(path.read_bytes()))} == {}
    names = {str(path.relative_to(nights.home)) for path in searched}
    assert {"airflow/airflow.db", "mlflow.db"} <= names
    for part in ("data_docs/nights", "runs/2024-05-14", "releases", "models"):
        assert any(name.startswith(f"lake/jobs/watched/{part}") for name in names), part


def test_a_card_names_segments_in_the_lake_and_nowhere_else(nights: Nights) -> None:
    """Segments are towns, of which one is a canary; no row's id or number is in a card at all."""
    folder = nights.home / "lake" / CARDS / "1"
    found = {str(path.relative_to(folder)): find_canaries(path.read_bytes()) for path in folder.rglob("*.*")}
    holding = {name for name, marks in found.items() if marks}
    assert holding == {"card.html", "card.json", "card.md", "plots/segments-1.svg"}
    assert [marks for marks in found.values() if marks] == [[TEXT]] * len(holding)
    named = (folder / "card.json").read_text()
    assert named.count(TEXT) == named.count(f"{TEXT} Speyer") == 1
    mirrored = {path.name for path in (nights.home / "mlflow-artifacts").rglob("*") if path.is_file()}
    assert {"card.md", "card.html", "calibration.svg"} <= mirrored


def test_no_name_of_a_file_or_key_holds_one(nights: Nights) -> None:
    assert not [path for path in nights.home.rglob("*") if find_canaries(path.name.encode())]
    assert not [key for key in nights.redis.client.scan_iter() if find_canaries(str(key).encode())]


def test_what_redis_tells_of_generations_holds_none(nights: Nights) -> None:
    """Entity ids are in buckets, and segments among the priors; headers and states are for everybody."""
    client = nights.redis.client
    for key in client.keys("nightjar:{watched}:*"):
        content = client.hgetall(key) if client.type(key) == "hash" else client.get(key)
        assert not find_canaries(str(content).encode()), key


def test_the_signing_key_is_nowhere(nights: Nights) -> None:
    secret = nights.environment["NIGHTJAR_SIGNING_KEY"].encode()
    assert not [path for path in nights.home.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert not [name for name, printed in nights.printed.items() if secret in printed]
    assert not [alert for alert in nights.alerts if secret in alert]


def test_the_secrets_of_the_channels_are_nowhere(nights: Nights) -> None:
    assert b"alert not mailed" in nights.printed["airflow"]
    for secret in (text.encode() for text in HUSHED):
        assert not [path for path in nights.home.rglob("*") if path.is_file() and secret in path.read_bytes()]
        assert not [name for name, printed in nights.printed.items() if secret in printed]
        assert not [alert for alert in nights.alerts if secret in alert]


def test_alerts_are_kept_in_the_lake_with_who_took_them(nights: Nights) -> None:
    kept = {path.name for path in (nights.home / "lake/jobs/watched/alerts").iterdir()}
    failed = [outcome for outcome in nights.outcomes.values() if outcome.endswith("failed")]
    for channel, taken in (("log", len(failed)), ("webhook", len(failed)), ("mail", 0)):
        assert len([name for name in kept if name.endswith(f".{channel}.settled.json")]) == taken
