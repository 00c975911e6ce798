"""Waiting for a service that was started to answer over HTTP."""

from __future__ import annotations

import time

import httpx

from pipeline.errors import UnavailableError
from pipeline.local.processes import Service, read_log_end

START_SECONDS = 120.0
POLL_SECONDS = 0.1


def wait_for_answer(service: Service, url: str, *, name: str, next_step: str) -> None:
    """Wait until the service answers ``url`` well.

    Args:
        name: what the service is called in the error.

    Raises:
        UnavailableError: it ended, or does not answer within two minutes.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.process() is not None:
        if _answers(url):
            return
        time.sleep(POLL_SECONDS)
    raise UnavailableError(
        f"{name} did not start",
        expected=f"it answers within {START_SECONDS:.0f} s",
        found=read_log_end(service.log) or "nothing in its log",
        next_step=next_step,
    )


def _answers(url: str) -> bool:
    try:
        # Proxies are for other hosts; this one is the machine itself.
        return httpx.get(url, timeout=5.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
