"""What a scrape of a workspace gives."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.exporter import JobsCollector
from pipeline.job import Job
from pipeline.tasks import Workspace


class Scraped:
    """The samples of one scrape, as Prometheus' text format says them."""

    def __init__(self, collector: JobsCollector) -> None:
        registry = CollectorRegistry()
        registry.register(collector)
        self.text = generate_latest(registry).decode()
        self.samples = [sample for family in text_string_to_metric_families(self.text) for sample in family.samples]
        self.names = {sample.name for sample in self.samples}

    def value(self, name: str, **labels: str) -> float:
        """The value of the one series with these labels."""
        (found,) = [item.value for item in self.samples if item.name == name and labels.items() <= item.labels.items()]
        return found

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels of every series of a metric."""
        return [sample.labels for sample in self.samples if sample.name == name]


def scrape(workspace: Workspace, *jobs: Job, monotonic: Callable[[], float] = lambda: 0.0) -> Scraped:
    """Scrape a fresh collector once."""
    return Scraped(JobsCollector(workspace, jobs, monotonic))
