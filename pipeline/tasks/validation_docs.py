"""Data Docs: what validation found, as pages for people."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.job import Job
from pipeline.stores.data_docs import DataDocs
from pipeline.tasks.accepting import Validated
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
        }
        for name, source in own.items()
    }
    return workspace.lake.url(DataDocs(workspace.lake, job.name).write_night(partition, sources))
