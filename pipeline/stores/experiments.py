"""The mirror of the model ledger in MLflow, for people: runs to compare, versions and aliases to look at.

Nothing depends on it.  Every mirroring brings MLflow in line with the whole ledger, so what it missed while it was down
is made up for by the next one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from pipeline.stores.ledger_events import Event

_LOG = logging.getLogger(__name__)

# MLflow has no other switches for these.  Set before it is imported; what the operator has set stays.
_MLFLOW_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # It would print addresses, password and all, among what a command prints for programs.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # By default a server that is down is asked seven times over four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class Experiments:
    """MLflow's view of one job: an experiment and a registered model, both called like the job."""

    def __init__(
        self,
        uri: str,
        job: str,
        locate: Callable[[str], str],
        read_card: Callable[[str], Mapping[str, str]],
    ) -> None:
        """Connects to nothing yet.

        Args:
            uri: tracking server or database, such as ``sqlite:////path/mlflow.db``; empty to mirror nowhere.
            locate: address of a path in the lake, for people (``Lake.url``).
            read_card: what MLflow may show of a version's card, by path (``ModelCards.read_mirrored``).
        """
        self._uri = uri
        self._job = job
        self._locate = locate
        self._read_card = read_card

    def mirror(self, events: Sequence[Event]) -> str | None:
        """Bring MLflow in line with the ledger.

        Returns:
            None if it is; else a warning, which is logged too: MLflow is not needed to train, promote or score.
        """
        if not self._uri:
            return None
        for name, value in _MLFLOW_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            # MLflow takes seconds to import, and scoring never needs it.
            from pipeline.stores.experiment_mirror import FAILURES, ExperimentMirror, connect  # noqa: PLC0415
        except ModuleNotFoundError as error:
            return self._warn(f"{error.name} is not installed")
        try:
            mirror = ExperimentMirror(connect(self._uri), self._job, self._locate, self._read_card)
            mirror.update(events)
        except FAILURES as error:
            return self._warn(f"{type(error).__name__}: {error}")
        return None

    def _warn(self, reason: str) -> str:
        text = hide_password(
            f"MLflow at {self._uri} does not show the newest models of job {self._job} yet; scoring and promotion "
            f"do not need it, and the next training makes up for it. {reason}",
            self._uri,
        )
        _LOG.warning("%s", text)
        return text


def hide_password(text: str, uri: str) -> str:
    """``text`` without the password of ``uri``, in whatever encoding a library wrote it."""
    with suppress(ValueError):
        password = urlsplit(uri).password
        for form in sorted({password, unquote(password)} if password else set(), key=len, reverse=True):
            text = text.replace(form, "***")
    return text
