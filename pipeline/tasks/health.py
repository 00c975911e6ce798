"""Whether this installation can do a night: what `nightjar doctor` shows."""

from __future__ import annotations

from typing import Any

from pipeline.contracts import load_contract
from pipeline.errors import NightjarError, NotCompiledError
from pipeline.job import Job, import_attribute
from pipeline.jobs import load_jobs
from pipeline.tasks.cold_starts import check_priors
from pipeline.tasks.feature_building import load_feature_set
from pipeline.tasks.parallel import count_processes
from pipeline.tasks.proving import count_compiled
from pipeline.tasks.workspace import Workspace
from pipeline.trees.kernel import check_kernel

PROBE = "doctor/probe.json"


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
    lake = workspace.lake
    try:
        lake.replace_json(PROBE, {"written_at": workspace.wall_clock().isoformat()})
        lake.remove(PROBE)
        writeable = True
    except OSError as error:
        problems.append(f"the lake takes no writes: {error}")
        writeable = False
    return {"root": lake.root, "writeable": writeable}


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
        return "declared wrongly, or its ledger or champion is damaged"
    compiled = count_compiled(workspace, job, champion)
    return f"champion: model {champion.version}, " + (f"{compiled} trees compiled" if compiled else "not compiled")
