"""The metrics endpoint and Prometheus, started natively as the compose file starts them."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.tasks import Workspace
from tests.deploy.compose import ROOT, load_services
from tests.deploy.processes import Process, free_ports, start_process, stop_process, wait_until
from tests.deploy.servers import service_environment


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus; ``folder`` holds its configuration, rules and token."""

    port: int
    folder: Path
    process: Process

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Every rule that it has loaded."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def target(self) -> dict[str, Any]:
        """The one target that it scrapes; it takes some seconds to find it."""
        found: list[dict[str, Any]] = self.ask("targets")["activeTargets"]
        assert len(found) < 2
        return found[0] if found else {"health": "unknown"}

    def firing(self) -> set[tuple[str, str]]:
        """Names and signals of the alerts that fire."""
        labels = [alert["labels"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"]
        return {(label["alertname"], label.get("signal", "")) for label in labels}

    def write_token(self, token: str) -> None:
        """Put another token in the place of that which the start script wrote."""
        (self.folder / "token").write_text(token)


@dataclass(frozen=True)
class Watching:
    """Prometheus, and the workspace of what it watches."""

    prometheus: Prometheus
    workspace: Workspace
    variables: dict[str, str]

    def wait_until_firing(self, expected: set[tuple[str, str]]) -> None:
        """Wait until just these alerts fire."""
        wait_until(f"just {expected} fire", lambda: self.prometheus.firing() == expected, [self.prometheus.process])


@contextmanager
def run_metrics(variables: Mapping[str, str], lake: Path, redis_port: int, folder: Path) -> Iterator[int]:
    """The endpoint, healthy; yields its port."""
    (port,) = free_ports(1)
    service = load_services()["metrics"]
    environment = service_environment("metrics", variables)
    localised = {
        name: value.replace("@serving:6379", f"@127.0.0.1:{redis_port}") for name, value in environment.items()
    }
    own = {"NIGHTJAR_HOME": str(folder), "NIGHTJAR_LAKE": str(lake), "PYTHONPATH": str(ROOT)}
    _, *arguments = [word.replace("0.0.0.0:9464", f"127.0.0.1:{port}") for word in service["command"]]
    process = start_process(
        "metrics", [str(Path(sys.executable).with_name("nightjar")), *arguments], localised | own, folder
    )
    check = [
        word.replace("/opt/nightjar", str(ROOT)).replace(":9464", f":{port}") for word in service["healthcheck"]["test"]
    ]
    try:
        wait_until("the endpoint is healthy", lambda: _succeeds([sys.executable, *check[2:]]), [process])
        yield port
    finally:
        stop_process(process)


@contextmanager
def run_prometheus(variables: Mapping[str, str], metrics_port: int, folder: Path) -> Iterator[Prometheus]:
    """Prometheus, ready, by the start script, configuration and rules of the deployment.

    Only addresses and folders differ, and what lasts half a minute or more lasts a second; the times of the rules are
    held by their unit tests.
    """
    (port,) = free_ports(1)
    service = load_services()["prometheus"]
    replaced = {
        "/opt/nightjar/prometheus": str(folder),
        "=/prometheus": f"={folder}/data",
        "/run/prometheus": str(folder),
        "0.0.0.0:9090": f"127.0.0.1:{port}",
        "127.0.0.1:9090": f"127.0.0.1:{port}",
        "metrics:9464": f"127.0.0.1:{metrics_port}",
        "_interval: 30s": "_interval: 1s",
        "scrape_timeout: 20s": "scrape_timeout: 1s",
        **{f"for: {time}": "for: 1s" for time in ("5m", "15m", "1h")},
    }
    for source in (ROOT / "deploy/prometheus").glob("*.yml"):
        (folder / source.name).write_text(_replace(source.read_text(), replaced))
    environment = service_environment("prometheus", variables) | {"PROMETHEUS_RUN_DIR": str(folder)}
    script = str(ROOT / "deploy/prometheus/start.sh")
    arguments = [_replace(word, replaced) for word in service["command"]]
    process = start_process("prometheus", [script, *arguments], environment, folder)
    check = _replace(service["healthcheck"]["test"][-1], replaced)
    try:
        wait_until("Prometheus is ready", lambda: _answers(check), [process])
        yield Prometheus(port, folder, process)
    finally:
        stop_process(process)


def _replace(text: str, replaced: Mapping[str, str]) -> str:
    for old, new in replaced.items():
        text = text.replace(old, new)
    return text


def _answers(url: str) -> bool:
    """Whether the URL that the container's wget asks answers well; this machine may have no wget."""
    try:
        with urllib.request.urlopen(url, timeout=10):  # noqa: S310 - loopback
            return True
    except OSError:
        return False


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
