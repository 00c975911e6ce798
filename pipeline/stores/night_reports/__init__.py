"""Reports of nights: one page each that opens from disk or out of a mail, asks nothing of the network, runs nothing.

jobs/<job>/reports/<partition>.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import NotReadyError
from pipeline.stores.lake import Lake


class NightReports:
    """The reports of one job's nights; a partition's is that of its newest release."""

    def __init__(self, lake: Lake, job: str) -> None:
        self._lake = lake
        self._job = job

    def write(self, partition: str, document: Mapping[str, Any]) -> str:
        """Write the report of a night over an earlier one; the same document gives the same bytes.

        Returns:
            The page's path in the lake.
        """
        from pipeline.stores.night_reports.rendering import render_report  # noqa: PLC0415 - imports jinja2

        self._lake.replace(self._path(partition), render_report(document))
        return self._path(partition)

    def exists(self, partition: str) -> bool:
        """Whether the night has a report."""
        return self._lake.exists(self._path(partition))

    def read(self, partition: str) -> bytes:
        """The page of a night.

        Raises:
            NotReadyError: it has none.
        """
        try:
            return self._lake.read_bytes(self._path(partition))
        except FileNotFoundError as error:
            raise NotReadyError(
                "there is no report of this night",
                job=self._job,
                partition=partition,
                expected=self._lake.url(self._path(partition)),
                found="no such file",
                next_step=f"write it: nightjar report {self._job} --partition {partition} --html FILE",
            ) from error

    def _path(self, partition: str) -> str:
        return f"jobs/{self._job}/reports/{partition}.html"
