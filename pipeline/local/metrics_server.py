"""The metrics endpoint on loopback, for a Prometheus of this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pipeline.local.answering import wait_for_answer
from pipeline.local.credentials import write_private
from pipeline.local.ports import LOOPBACK, find_free_port
from pipeline.local.processes import Service, start_service
from pipeline.settings import Settings, storage_environment

SERVICE = "metrics"


def start_metrics(settings: Settings, token: str) -> tuple[Service, str]:
    """Start the endpoint on a free port of 127.0.0.1 and do not wait: :func:`wait_for_metrics` does.

    The token is put into :func:`token_path` as well, where Prometheus can read it.

    Returns:
        The process, and the address of the metrics.

    Raises:
        UnavailableError: the command cannot be executed.
    """
    write_private(token_path(settings.home), token)
    address = f"{LOOPBACK}:{find_free_port()}"
    service = start_service(
        SERVICE,
        [str(Path(sys.executable).with_name("nightjar")), "metrics", "--listen", address],
        home=settings.home,
        environment=_environment(settings, token),
        folder=settings.home,
        log=settings.home / "logs" / "metrics.log",
    )
    return service, f"http://{address}/metrics"


def wait_for_metrics(service: Service, url: str) -> None:
    """Wait until the endpoint answers.

    Raises:
        UnavailableError: it ended, or does not answer within two minutes.
    """
    health = url.removesuffix("metrics") + "health"
    wait_for_answer(service, health, name="the metrics endpoint", next_step=f"read {service.log}")


def token_path(home: Path) -> Path:
    """File of the token, for ``credentials_file`` of Prometheus."""
    return home / "services" / "metrics-token"


def _environment(settings: Settings, token: str) -> dict[str, str]:
    """It reads, so it gets no right in Redis to do more."""
    return {
        **storage_environment(),
        "PATH": os.defpath,
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "NIGHTJAR_HOME": str(settings.home),
        "NIGHTJAR_LAKE": settings.lake,
        "NIGHTJAR_JOBS": " ".join(settings.jobs),
        "NIGHTJAR_REDIS_URL": settings.url_for_reading,
        "NIGHTJAR_METRICS_TOKEN": token,
    }
