"""The command that serves metrics."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline import tasks
from pipeline.cli.output import console
from pipeline.jobs import load_jobs
from pipeline.settings import Settings


def add_commands(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.command()(metrics)


def metrics(
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Address that Prometheus scrapes.")
    ] = "127.0.0.1:9464",
) -> None:
    """Serve metrics of every job to Prometheus, until it is stopped; needs NIGHTJAR_METRICS_TOKEN, and no Airflow.

    Example: `nightjar metrics --listen 127.0.0.1:9464`
    """
    from pipeline.exporter import JobsCollector, open_endpoint  # noqa: PLC0415 - only this command needs it

    host, port = _parse_address(listen)
    settings = Settings.from_environment()
    collector = JobsCollector(tasks.open_workspace(settings), load_jobs(settings))
    with open_endpoint(collector, settings.metrics_token.get_secret_value(), host, port) as endpoint:
        console.print(f"metrics are at http://{listen}/metrics, for who shows the token", markup=False)
        endpoint.serve_forever()


def _parse_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise typer.BadParameter(f"{text!r} is not HOST:PORT, such as 127.0.0.1:9464")
    return host.strip("[]"), int(port)
