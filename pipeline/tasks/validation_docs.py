"""Data Docs: what validation found, as pages for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import SchemaRefusedError
from pipeline.job import Job, Source
from pipeline.stores.data_docs import DataDocs
from pipeline.stores.deliveries import Delivery
from pipeline.tasks.accepting import Validated
from pipeline.tasks.ingesting import find_ingested
from pipeline.tasks.workspace import Workspace


def write_docs(
    workspace: Workspace, job: Job, partition: str, own: Mapping[str, Validated], refusals: Mapping[str, Exception]
) -> str:
    """Write the night's page of the job's Data Docs; returns its URL."""
    sources = {
        name: {
            "received": source.rows.facts["received"],
            "quarantined": source.rows.facts["quarantined"],
            "reasons": source.rows.facts["reasons"],
            "verdict": None if source.judgement is None else source.judgement.facts["verdict"],
            "refused": str(refusals[name]) if name in refusals else None,
            "accepted": None if source.acceptance is None else source.acceptance.describe(),
            "schema": _list_differences(workspace, job, name, source),
        }
        for name, source in own.items()
    }
    docs = DataDocs(workspace.lake, job.name, job.retention.data_docs)
    return workspace.lake.url(docs.write_night(partition, sources))


def write_schema_refusal(
    workspace: Workspace, job: Job, partition: str, source: Source, delivery: Delivery, refusal: SchemaRefusedError
) -> str:
    """Write the page of a night that ends before any row was judged, with what is wrong with the columns; its URL."""
    described = {
        "received": delivery.rows,
        "quarantined": 0,
        "reasons": {},
        "verdict": None,
        "refused": refusal.problem,
        "schema": refusal.differences,
    }
    path = DataDocs(workspace.lake, job.name, job.retention.data_docs).write_night(partition, {source.name: described})
    return workspace.lake.url(path)


def _list_differences(workspace: Workspace, job: Job, name: str, source: Validated) -> list[dict[str, Any]]:
    ingested = find_ingested(workspace, job, job.source(name), source.delivery)
    return [] if ingested is None else list(ingested.facts["schema"])
