"""What Prometheus scrapes: metrics of every job's newest nights, read from lake and Redis when they are asked for.

Nothing here needs Airflow, so that it answers while Airflow is down.
"""

from pipeline.exporter.collector import JobsCollector
from pipeline.exporter.endpoint import open_endpoint

__all__ = ["JobsCollector", "open_endpoint"]
