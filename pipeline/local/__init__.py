"""Everything on one machine: embedded Redis, Airflow and MLflow, and the demo that runs real nights on them."""

from __future__ import annotations

from pipeline.local.home_lock import end_holder
from pipeline.local.services import stop_services
from pipeline.settings import Settings


def run_demo(settings: Settings, keep_running: bool = False) -> int:
    """Run the demo and print its report; see :func:`pipeline.local.demo.run_demo`.

    Returns:
        The exit code.
    """
    from pipeline.local.demo import run_demo as run  # noqa: PLC0415 - stopping must not load every stage and store

    return run(settings, keep_running)


def stop(settings: Settings) -> int:
    """End a demo that is under way and every embedded service, with everything they have started.

    Returns:
        How many processes were ended; 0 where nothing ran.

    Raises:
        UnavailableError: a process cannot be ended.
    """
    ended = end_holder(settings.home)
    return ended + stop_services(settings.home)
