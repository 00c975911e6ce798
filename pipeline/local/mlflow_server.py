"""MLflow's own server on loopback, so that the models mirrored to a SQLite file can be looked at.

It knows no users, and its assistant runs programs as whoever started it.  Others may have accounts on this machine, so
everything it answers lies under a path that is a secret, like a password.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pipeline.local.answering import wait_for_answer
from pipeline.local.credentials import write_private
from pipeline.local.ports import LOOPBACK, find_free_port
from pipeline.local.processes import Service, start_service

SERVICE = "mlflow"


def is_file(store: str) -> bool:
    """Whether an MLflow URI names a SQLite file; whatever else it names has a server."""
    return store.startswith("sqlite:")


def start_mlflow(home: Path, *, store: str, secret: str) -> tuple[Service, str]:
    """Start the server on a free port of 127.0.0.1 and do not wait: :func:`wait_for_mlflow` does.

    A file that does not exist is made, so nobody else may be making it meanwhile.

    Args:
        store: MLflow's URI of the SQLite file.  Artifacts are read from where the file says that they are.
        secret: the path under which everything is; characters of URL-safe base 64.

    Returns:
        The process, and the address of UI and API, with the secret in it.

    Raises:
        UnavailableError: the command cannot be executed.
    """
    folder = home / "mlflow"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = home / "logs" / "mlflow.log"
    write_private(log, "")  # it names the path of every request
    port = find_free_port()
    service = start_service(
        SERVICE,
        _command(folder, port, store),
        home=home,
        environment=_environment(folder, secret),
        folder=folder,
        log=log,
    )
    return service, f"http://{LOOPBACK}:{port}/{secret}/"


def wait_for_mlflow(service: Service, url: str) -> None:
    """Wait until the server at ``url`` answers.

    Raises:
        UnavailableError: it ended, or does not answer within two minutes.
    """
    wait_for_answer(
        service,
        f"{url}health",
        name="MLflow's server",
        next_step=f"read {service.log}; `mlflow db upgrade` brings the database of an older MLflow up to date",
    )


def _command(folder: Path, port: int, store: str) -> list[str]:
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", LOOPBACK),
        *("--port", str(port)),
        *("--workers", "1"),
        *("--allowed-hosts", f"{LOOPBACK}:{port},localhost:{port}"),
        *("--backend-store-uri", store),
        # Uploads and downloads of clients would be answered outside the secret path.
        "--no-serve-artifacts",
        # Of experiments that are made by hand in the UI.
        *("--default-artifact-root", str(folder / "artifacts")),
    ]


def _environment(folder: Path, secret: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LC_ALL": "C.UTF-8",
        # Nothing of the user's own, such as the login of an assistant that MLflow may run.
        "HOME": str(folder),
        "PYTHONUNBUFFERED": "1",
        # Unlike the environment, the command line is shown to everybody.
        "MLFLOW_STATIC_PREFIX": f"/{secret}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
