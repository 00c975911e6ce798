"""The demo, end to end: a real scheduler, a real Redis, real data, in a home of its own.

The tests share that home and run in order, as a user would: up, demo, down, and a demo that is interrupted; then, where
slow tests are run, one that has everything done already and one that must not succeed.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from mlflow.tracking import MlflowClient

from pipeline.local import stop
from pipeline.local.processes import end_marked, find_marked
from pipeline.serving import Reader
from pipeline.settings import Settings, service_addresses_path

NIGHTS = ["2013-03-31", "2013-04-01", "2013-04-02"]
STAGES = ["ingest", "validate", "build_features", "score", "publish", "watch"]
RUN = """
import sys
from pipeline.local import run_demo
from pipeline.settings import Settings
sys.exit(run_demo(Settings.from_environment(), keep_running=sys.argv[1] == "up"))
"""


@dataclass
class Demo:
    """The home of the demo, and how to run it there."""

    home: Path
    reports: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def settings(self) -> Settings:
        return Settings.from_environment({"NIGHTJAR_HOME": str(self.home)})

    def start(self, command: str) -> subprocess.Popen[str]:
        environment = {"NIGHTJAR_HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        return subprocess.Popen(
            [sys.executable, "-c", RUN, command],
            env=environment,
            cwd=Path(__file__).resolve().parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Run to the end; the exit code and what was printed."""
        began = time.monotonic()
        with self.start(command) as process:
            output, _ = process.communicate()
        self.seconds.append(time.monotonic() - began)
        if process.returncode == 0:
            self.reports.append(json.loads((self.home / "demo-report.json").read_text()))
        return process.returncode, output


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("demo") / "home"
    yield Demo(home)
    end_marked(home)


def read_mlflow_url(output: str) -> str:
    """The address that was printed."""
    (url,) = re.findall(r"^MLflow is at (\S+)$", output, re.MULTILINE)
    return str(url)


def find_cards(url: str) -> list[str]:
    """Pages of the cards that MLflow shows of the versions of the model."""
    client = MlflowClient(tracking_uri=url, registry_uri=url)
    runs = [str(version.run_id) for version in client.search_model_versions("name='flight_delays'")]
    return [file.path for run in runs for file in client.list_artifacts(run, "card") if file.path.endswith(".html")]


def assert_nothing_is_left(demo: Demo) -> None:
    assert find_marked(demo.home) == []
    assert not service_addresses_path(demo.home).exists()


def test_up_takes_three_nights_from_upstream_to_redis_and_stays(demo: Demo) -> None:
    code, output = demo.run("up")

    assert code == 0, output
    (report,) = demo.reports
    assert [night["partition"] for night in report["nights"]] == NIGHTS
    for night in report["nights"]:
        rows = night["accounting"]
        assert [stage["stage"] for stage in night["stages"]] == STAGES
        assert rows["received"] == rows["quarantined"] + rows["scored"]
        assert rows["scored"] == rows["published"] == rows["read_back"] > 500
        assert 0.6 < night["grade"]["auc"] < 0.85  # beyond 0.9 the outcome of the day itself would have leaked
        assert f"{night['grade']['brier']:.4f}" in output
    assert report["live"]["partition"] == NIGHTS[-1]
    assert all(sample["reader"] == sample["plain"] for sample in report["samples"])
    assert f"HGET nightjar:flight_delays:{report['live']['generation']}:" in output
    assert "make down" in output
    assert "http://127.0.0.1:" in output
    assert find_marked(demo.home) != []
    assert find_cards(read_mlflow_url(output)) == ["card/card.html"]


def test_workers_have_the_libraries_before_a_task_comes(demo: Demo) -> None:
    workers = [process for process in find_marked(demo.home) if "LocalExecutor: <idle>" in " ".join(process.cmdline())]

    assert workers != []
    for worker in workers:
        assert any("libarrow" in Path(mapped.path).name for mapped in worker.memory_maps())


def test_what_up_left_running_is_read_without_further_settings(demo: Demo) -> None:
    sample = demo.reports[-1]["samples"][0]

    reader = Reader(demo.settings().url_for_reading, "flight_delays")

    assert reader.get(sample["entity_id"]).value == sample["reader"]
    reader.close()


def test_demo_does_it_again_with_what_up_left_running_and_leaves_it_alone(demo: Demo) -> None:
    before = demo.settings().redis_url

    code, output = demo.run("demo")

    assert code == 0, output
    first, second = demo.reports
    assert second["live"]["generation"] != first["live"]["generation"]
    assert [sample["plain"] for sample in second["samples"]] == [sample["plain"] for sample in first["samples"]]
    assert demo.settings().redis_url == before
    with redis.Redis.from_url(before.get_secret_value()) as client:
        assert client.ping()


def test_down_stops_it_all(demo: Demo) -> None:
    assert stop(demo.settings()) > 0

    assert_nothing_is_left(demo)


def test_an_interrupted_demo_leaves_nothing_running(demo: Demo) -> None:
    with demo.start("demo") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Redis starts" in line:
                break
        while len(find_marked(demo.home)) < 2:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output = process.stdout.read()

    assert process.returncode == 130, output
    assert "Interrupted" in output
    assert_nothing_is_left(demo)


@pytest.mark.slow
def test_demo_stops_all_that_it_started_and_is_faster_the_second_time(demo: Demo) -> None:
    """Beside what is shown above: services that end because all went well, in a home where everything was done."""
    if not demo.reports:
        assert demo.run("demo")[0] == 0
    code, output = demo.run("demo")

    assert code == 0, output
    assert demo.seconds[-1] < demo.seconds[0]
    assert_nothing_is_left(demo)


@pytest.mark.slow
def test_a_task_that_fails_fails_the_demo_and_is_named(demo: Demo) -> None:
    """Beside what ``test_airflow_services.py`` shows of a failed run: the demo ends with it, and all services do."""
    lake = demo.home / "lake"
    for part in lake.glob("upstream/schedule/partition=2013-04-01/delivery=*/part-0000.parquet"):
        part.write_bytes(part.read_bytes()[:-100])
    for manifest in lake.glob("stages/flight_delays/ingest/*/manifest.json"):
        inputs = json.loads(manifest.read_text())["inputs"]
        if (inputs["source"], inputs["partition"]) == ("schedule", "2013-04-01"):
            shutil.rmtree(manifest.parent)

    code, output = demo.run("demo")

    assert code == 1
    assert "the task ingest" in output
    assert "failed" in output
    assert "is not what its marker says" in output
    assert_nothing_is_left(demo)
