"""Data Docs: one static site per job, a page a night, that opens from disk and asks nothing of the network.

Great Expectations renders the results; the page around them is ours, because its own loads styles and scripts from six
hosts.  A Content-Security-Policy in every page forbids requests and scripts altogether.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath
from typing import Any, cast

from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup, escape

from pipeline.digests import canonical_json
from pipeline.expectations import import_great_expectations, rebuild_results
from pipeline.stores.lake import Lake

KEPT_NIGHTS = 60
"""Nights that a site keeps, the newest partitions."""

_SECTIONS = "{% for section in sections %}{% set section_loop = loop %}{% include 'section.j2' %}{% endfor %}"


class DataDocs:
    """The site of one job, under ``jobs/<job>/data_docs`` in the lake."""

    def __init__(self, lake: Lake, job: str, keep: int = KEPT_NIGHTS) -> None:
        self._lake = lake
        self._job = job
        self._keep = keep
        self._folder = f"jobs/{job}/data_docs"

    @property
    def index(self) -> str:
        """Path of the site's first page in the lake."""
        return f"{self._folder}/index.html"

    def write_night(self, partition: str, sources: Mapping[str, Mapping[str, Any]]) -> str:
        """Write the page of a night over an earlier one of the same partition, prune, and list the nights anew.

        Two nights written at the same moment may leave out one another in the index until the next is written.

        Args:
            sources: by source name, an object with ``received``, ``quarantined``, ``reasons`` (rows per reason) and
                ``verdict`` (a batch verdict as JSON, or None for a source that was not judged), and, for a source that
                was refused, ``refused`` (why), or ``accepted`` (by whom), and ``schema`` (the differences between its
                columns and the contract's) where there are any.

        Returns:
            The page's path in the lake.
        """
        night = _summarise(partition, sources)
        shown = [_describe_source(name, source) for name, source in sources.items()]
        page = _render("data_docs_night.html", job=self._job, night=night, sources=shown)
        path = f"{self._folder}/nights/{partition}.html"
        self._lake.replace(path, page)
        self._lake.replace(f"{self._folder}/nights/{partition}.json", canonical_json(night).encode())
        self._prune(partition)
        self.write_index()
        return path

    def write_index(self) -> None:
        """List the nights that have a page."""
        nights = [self._lake.read_json(f"{self._folder}/nights/{name}.json") for name in reversed(self.nights())]
        self._lake.replace(self.index, _render("data_docs_index.html", job=self._job, nights=nights))

    def nights(self) -> list[str]:
        """Partitions that have a page, oldest first."""
        names = map(PurePosixPath, self._lake.list(f"{self._folder}/nights"))
        return [name.stem for name in names if name.suffix == ".json"]

    def find_night(self, partition: str) -> dict[str, Any] | None:
        """What the index says of a night; None if it has no page."""
        try:
            return cast("dict[str, Any]", self._lake.read_json(f"{self._folder}/nights/{partition}.json"))
        except FileNotFoundError:
            return None

    def read_page(self, partition: str | None) -> bytes:
        """The page of a night, or the site's first page.

        Raises:
            FileNotFoundError: there is none.
        """
        return self._lake.read_bytes(self.index if partition is None else f"{self._folder}/nights/{partition}.html")

    def superseded(self) -> list[str]:
        """Partitions beyond the newest that are kept, oldest first."""
        return self.nights()[: -self._keep]

    def _prune(self, written: str) -> None:
        """Remove all but the newest nights, and never the one just written: a person is about to read it."""
        for partition in self.superseded():
            if partition != written:
                for suffix in ("json", "html"):
                    self._lake.remove(f"{self._folder}/nights/{partition}.{suffix}")


def _summarise(partition: str, sources: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the index says of a night."""
    verdicts = [source["verdict"] for source in sources.values() if source["verdict"] is not None]
    outcomes = {_outcome(source) for source in sources.values()}
    return {
        "partition": partition,
        "verdict": next((outcome for outcome in ("failed", "warned") if outcome in outcomes), "passed"),
        "received": sum(source["received"] for source in sources.values()),
        "quarantined": sum(source["quarantined"] for source in sources.values()),
        "planned": sum(verdict["planned"] for verdict in verdicts),
        "evaluated": sum(verdict["evaluated"] for verdict in verdicts),
        "failed": sum(not result["success"] for verdict in verdicts for result in verdict["results"]),
    }


def _outcome(source: Mapping[str, Any]) -> str:
    verdict = source["verdict"]
    if source.get("accepted") is not None:
        return "warned"
    if source.get("refused") is not None or (verdict is not None and not verdict["success"]):
        return "failed"
    return "warned" if verdict is not None and verdict["warnings"] else "passed"


def _describe_source(name: str, source: Mapping[str, Any]) -> dict[str, Any]:
    verdict = source["verdict"]
    results = [] if verdict is None else verdict["results"]
    parts = {over: [result for result in results if result["over"] == over] for over in ("batch", "profile")}
    return {
        **source,
        "name": name,
        "outcome": _outcome(source),
        "reasons": sorted(source["reasons"].items(), key=lambda item: (-item[1], item[0])),
        "rendered": [(over, _render_results(name, part)) for over, part in parts.items() if part],
    }


def _render_results(name: str, results: Sequence[Mapping[str, Any]]) -> Markup:
    """Great Expectations' sections, one a column, without its overview and links to pages that do not exist."""
    import_great_expectations()
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    escaped = [
        {**result, "expected": _escape_column(result["expected"]), "observed": _escape_texts(result["observed"])}
        for result in results
    ]
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(rebuild_results(name, escaped))
    sections = document.to_json_dict()["sections"][1:-1]
    html = _sections_template().render(sections=sections)
    return Markup("\n".join(line.strip() for line in html.splitlines() if line.strip()))  # noqa: S704 - escaped by them


def _escape_column(expected: Mapping[str, Any]) -> dict[str, Any]:
    """The renderers escape what was expected but for the name of the column, which they use as a heading."""
    return {name: str(escape(value)) if name == "column" else value for name, value in expected.items()}


def _escape_texts(observed: Mapping[str, Any]) -> dict[str, Any]:
    """Nor do they escape what was observed, where a verdict holds numbers; a page does not rely on that."""
    return {name: str(escape(value)) if isinstance(value, str) else value for name, value in observed.items()}


def _render(template: str, **values: Any) -> bytes:
    return _templates().get_template(template).render(**values).encode()


@cache
def _sections_template() -> Template:
    """Great Expectations' templates, which a view of theirs compiles anew: a tenth of a small night's time."""
    from great_expectations.render.view.view import DefaultJinjaPageView

    return DefaultJinjaPageView().env.from_string(_SECTIONS)


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("pipeline.stores"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
