"""Whether this installation can do a night: what `nightjar doctor` shows."""

from __future__ import annotations

import uuid
from typing import Any

from pipeline.contracts import load_contract
from pipeline.errors import NightjarError, NotCompiledError
from pipeline.job import Job, import_attribute
from pipeline.jobs import load_jobs
from pipeline.tasks.cold_starts import check_priors
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.parallel import count_processes
from pipeline.tasks.proving import count_compiled
from pipeline.tasks.workspace import Workspace
from pipeline.trees.kernel import check_kernel


def check_health(workspace: Workspace) -> dict[str, Any]:
    """Settings (without secrets), lake, Redis and jobs, with ``problems``: what must be mended, in words."""
    problems: list[str] = []
    settings = workspace.settings
    redis_report = workspace.predictions.check()
    problems += redis_report["problems"]
    return {
        "settings": {
            "home": str(settings.home),
            "processes": count_processes(settings),
            "jobs elsewhere": ", ".join(settings.jobs) or None,
            "mlflow": "set" if settings.mlflow_uri.get_secret_value() else "not set",
            "alert webhook": "set" if settings.alert_webhook.get_secret_value() else "not set",
            "alert mail": _check_mail(workspace, problems),
            "model signing": _describe_keys(len(settings.signing_keys)),
            "compiled trees": _describe_kernel(),
        },
        "lake": _check_lake(workspace, problems),
        "redis": redis_report,
        "jobs": {job.name: _check_job(workspace, job, problems) for job in load_jobs(settings)},
        "problems": problems,
    }


def _check_mail(workspace: Workspace, problems: list[str]) -> str:
    if not workspace.settings.smtp_url.get_secret_value():
        return "not set"
    if not workspace.settings.alert_from:
        problems.append("NIGHTJAR_SMTP_URL is set and NIGHTJAR_ALERT_FROM is not: no alert can be mailed")
    return "set"


def _describe_keys(count: int) -> str:
    if not count:
        return "no key: models are held against the ledger alone, which whoever writes to the lake can change"
    return f"{count} key{'s' if count > 1 else ''} accepted"


def _describe_kernel() -> str:
    try:
        check_kernel()
    except NotCompiledError as error:
        return f"{error.problem}, so scikit-learn scores: {error.next_step}"
    return "used where a model has them"


def _check_lake(workspace: Workspace, problems: list[str]) -> dict[str, Any]:
    """Put a file twice if it is absent, as manifests are, and remove it."""
    lake = workspace.lake
    probe = f"doctor/{uuid.uuid4().hex}.json"
    content = {"written_at": workspace.wall_clock().isoformat()}
    try:
        lake.put_json_if_absent(probe, content)
        exclusive = not lake.put_json_if_absent(probe, content)
        keeps_versions = lake.keeps_versions(probe)
        lake.remove(probe)
    except (OSError, NightjarError) as error:
        problems.append(f"the lake takes no writes: {error}")
        return {"root": lake.root, "writeable": False}
    if not exclusive:
        problems.append(
            f"the lake puts what is there already: {lake.root}\n  of two runs each would take itself for the one that "
            "committed; use a store that honours conditional writes (If-None-Match), as docs/deployment.md says"
        )
    return {"root": lake.root, "writeable": True, "exclusive create": exclusive, "keeps older versions": keeps_versions}


def _check_job(workspace: Workspace, job: Job, problems: list[str]) -> str:
    """Import everything that the job names, and say who is champion."""
    try:
        load_feature_set(job)
        check_priors(job)
        for source in job.sources:
            load_contract(source)
        for path in (job.model, *(source.suite for source in job.sources if source.suite)):
            import_attribute(path)
        champion = workspace.ledger(job).champion(
            job.last_partition.isoformat() if job.last_partition else "9999-12-31"
        )
        if champion is None:
            return "no champion yet"
        workspace.models(job).check_signature(champion)
    except NightjarError as error:
        problems.append(str(error))
        return "declared wrongly, or its ledger or champion is damaged or cannot be read"
    compiled = count_compiled(workspace, job, champion)
    return f"champion: model {champion.version}, " + (f"{compiled} trees compiled" if compiled else "not compiled")
