"""Model cards: a page, a text and plots for every version of a model.

    jobs/<job>/cards/<version>/card.json              the numbers
    jobs/<job>/cards/<version>/card.html, card.md     for people; the page has its plots in it
    jobs/<job>/cards/<version>/plots/<name>.svg       what the text shows
    jobs/<job>/cards/<version>/mirrored/…             text, page and plots for MLflow, without values of segments

Segments are values of upstream's rows, which stay in the lake.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from pipeline.digests import digest_all
from pipeline.errors import NotReadyError
from pipeline.stores.lake import Lake

TEXT, PAGE, NUMBERS = "card.md", "card.html", "card.json"
_MIRRORED = "mirrored"


class ModelCards:
    """The cards of one job's models."""

    def __init__(self, lake: Lake, job: str) -> None:
        self._lake = lake
        self._job = job

    def page(self, version: str) -> str:
        """Path of a card's page in the lake."""
        return f"{self._folder(version)}/{PAGE}"

    def exists(self, version: str) -> bool:
        """Whether the version has a card."""
        return self._lake.exists(f"{self._folder(version)}/{NUMBERS}")

    def write(self, version: str, document: Mapping[str, Any], concealed: Mapping[str, Any]) -> str:
        """Write a card over the one that the version had.  The same document gives the same bytes.

        The numbers are written last, so a card whose numbers are there is whole.

        Args:
            document: the card's numbers and words, all of them JSON.
            concealed: the same, without values of upstream's rows.

        Returns:
            The page's path in the lake.
        """
        from pipeline.stores.model_cards.rendering import render_card  # noqa: PLC0415 - imports jinja2 and matplotlib

        folder = self._folder(version)
        files = {f"{_MIRRORED}/{name}": content for name, content in render_card(concealed).items()}
        files |= render_card(document)
        for name in self._list(version) - set(files):
            self._lake.remove(f"{folder}/{name}")
        for name, content in files.items():
            self._lake.replace(f"{folder}/{name}", content)
        self._lake.replace_json(f"{folder}/{NUMBERS}", document)
        return self.page(version)

    def read(self, version: str, name: str) -> str:
        """One file of a card: ``card.md``, ``card.html`` or ``card.json``.

        Raises:
            NotReadyError: the version has no card.
        """
        try:
            return self._lake.read_bytes(f"{self._folder(version)}/{name}").decode()
        except FileNotFoundError as error:
            known = self._lake.list(f"jobs/{self._job}/cards")
            raise NotReadyError(
                f"model {version} has no card",
                job=self._job,
                expected="one of " + (", ".join(sorted(known, key=_order)) or "none: no model has a card yet"),
                next_step=f"choose a version that has one, or train anew: nightjar train {self._job}",
            ) from error

    def read_numbers(self, version: str) -> Any:
        """The document that the card was made of.

        Raises:
            NotReadyError: the version has no card.
        """
        return json.loads(self.read(version, NUMBERS))

    def read_mirrored(self, version: str) -> dict[str, str]:
        """What may be shown outside of the lake, by path inside the card; empty if the version has no card."""
        names = sorted(name for name in self._list(version) if PurePosixPath(name).parts[0] == _MIRRORED)
        return {name.removeprefix(f"{_MIRRORED}/"): self.read(version, name) for name in names}

    def _list(self, version: str) -> set[str]:
        folder = self._folder(version)
        return {str(PurePosixPath(file.path).relative_to(folder)) for file in self._lake.walk(folder)}

    def _folder(self, version: str) -> str:
        return f"jobs/{self._job}/cards/{version}"


def digest_files(files: Mapping[str, str]) -> str:
    """What a card's files are recognised by."""
    return digest_all([part for item in sorted(files.items()) for part in item])


def _order(version: str) -> tuple[int, str]:
    return len(version), version
