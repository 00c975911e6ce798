"""Settle a challenger whose shadow nights are over, once the outcomes of those nights are known."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import Any

import pandas as pd

from pipeline.errors import BadInputError, DamagedError, NightjarError, RefusedError
from pipeline.job import Job
from pipeline.stages.evaluate import judge_challenger
from pipeline.stores.ledger_events import Event, ModelVersion, find_shadows
from pipeline.tasks.challenging import Challenge, compare_scores
from pipeline.tasks.comparing import ENTITY_ID, SCORES
from pipeline.tasks.grading import add_segments, list_published, match_labels, read_served
from pipeline.tasks.labelling import LABEL, find_label_sources
from pipeline.tasks.manifests import read_manifest
from pipeline.tasks.promoting import next_partition
from pipeline.tasks.proving import prove_version
from pipeline.tasks.runs import SHADOWS, Summary, read_run, summarise_stage
from pipeline.tasks.scoring import SHADOW_STAGE
from pipeline.tasks.snapshots import Dataset
from pipeline.tasks.workspace import Workspace

_LOG = logging.getLogger(__name__)

_SHADOW, _SERVED, _DAY = "__shadow", "__served", "__partition"


def settle_shadow(workspace: Workspace, job: Job, partition: str, run: str) -> Summary:
    """Decide about every challenger whose shadow nights are over and whose outcomes are known by ``partition``.

    What it would have said of each row is held against what was served, with the gate that it passed before.  It is
    promoted from the next partition on, if it still proves that it loads, or rejected, with the numbers as the reason.

    Returns:
        ``settled``: for each model its version, whether it was ``promoted``, ``why``, ``metrics``, ``interval`` and
        ``checks``; and ``mlflow_warning``.

    Raises:
        RefusedError: another model has become champion since the comparison.
    """

    def work() -> Summary:
        over = [event for event in find_shadows(workspace.ledger(job).events()) if _is_over(job, event, partition)]
        settled = [_settle(workspace, job, event, partition, run) for event in over]
        warning = workspace.experiments(job).mirror(workspace.ledger(job).events()) if settled else None
        return {"settled": settled, "mlflow_warning": warning}

    return summarise_stage(job, partition, run, "settle_shadow", work)


def _is_over(job: Job, event: Event, partition: str) -> bool:
    closed = date.fromisoformat(str(event.until)) + timedelta(days=job.label.closes_after)
    return closed.isoformat() <= partition


def _settle(workspace: Workspace, job: Job, event: Event, partition: str, run: str) -> Summary:
    ledger, version, start = workspace.ledger(job), event.model_version, next_partition(partition)
    champion = ledger.champion(start)
    told = _compare(workspace, job, event, partition, champion)
    if champion is not None and told["promote"]:
        ledger.promote(version, holds_from=start, who=run, why=told["why"], expected_champion=champion.version)
    else:
        ledger.reject(version, who=run, why=told["why"])
    done = "promoted" if told["promote"] else "rejected"
    _LOG.info("shadow model %s of %s was %s: %s", version, job.name, done, told["why"])
    evidence = {name: told.get(name) for name in ("metrics", "interval", "checks")}
    return {"model_version": version, "promoted": told["promote"], "why": told["why"], **evidence}


def _compare(
    workspace: Workspace, job: Job, event: Event, partition: str, champion: ModelVersion | None
) -> dict[str, Any]:
    """Whether to promote a shadow, ``why``, and the evidence."""
    listed = _list_nights(event)
    nights = (
        [] if champion is None else [_read_night(workspace, job, event, day, partition, champion) for day in listed]
    )
    found = [night for night in nights if night is not None]
    told: dict[str, Any] = {"promote": False, "why": "no night was scored by both it and the champion of today"}
    try:
        if any(len(night) for night in found):
            told = _judge(job, pd.concat(found, ignore_index=True))
        if told["promote"]:
            prove_version(workspace, job, workspace.ledger(job).version(event.model_version))
    except BadInputError as error:
        told = {"promote": False, "why": f"the outcomes decide nothing: {error.problem}, found {error.found}"}
    except (RefusedError, DamagedError) as error:
        told |= {"promote": False, "why": f"it does not load any more: {error.problem}"}
    return told | {"why": f"{len(found)} of {len(listed)} shadow nights: {told['why']}"}


def _judge(job: Job, rows: pd.DataFrame) -> dict[str, Any]:
    compared = Dataset(rows[[job.entity_id]], rows[LABEL], rows[_DAY], rows[list(job.segments)])
    comparison = compare_scores(job, compared, rows[_SHADOW], rows[_SERVED], {})
    return Challenge(comparison, judge_challenger(comparison, job.training.gate)).to_json()


def _list_nights(event: Event) -> list[str]:
    first, last = date.fromisoformat(str(event.holds_from)), date.fromisoformat(str(event.until))
    return [(first + timedelta(days=age)).isoformat() for age in range((last - first).days + 1)]


def _read_night(
    workspace: Workspace, job: Job, event: Event, night: str, known_by: str, champion: ModelVersion
) -> pd.DataFrame | None:
    """Served scores, shadow scores, outcomes and segments of one night; None if it is no evidence or lacks any."""
    through = champion.registration.trained_through
    if through is not None and night <= through:
        return None
    try:
        generation = list_published(workspace.release_log(job).events()).get(night)
        if generation is None:
            return None
        manifest = read_manifest(workspace, job, generation)
        if manifest["model"]["version"] != champion.version:
            return None
        return _collect_rows(workspace, job, event.model_version, manifest, known_by)
    except (KeyError, NightjarError, FileNotFoundError) as error:
        _LOG.warning("shadow night %s of model %s is left out: %s", night, event.model_version, error)
        return None


def _collect_rows(
    workspace: Workspace, job: Job, version: str, manifest: dict[str, Any], known_by: str
) -> pd.DataFrame:
    """Of the entities of a release whose outcome is known.

    Raises:
        KeyError: the run did not score them with that version.
        FileNotFoundError: retention has removed something.
        NightjarError: something is damaged, or was refused or not delivered.
    """
    night = manifest["partition"]
    stages = read_run(workspace, job, night, manifest["run"])["stages"]
    scored: Summary = next((stage for stage in stages if stage["stage"] == SHADOWS), {})
    address = scored.get("shadows", {})[version]
    labels = find_label_sources(workspace, job, night, known_by)
    outputs = workspace.outputs(job)
    served = read_served(workspace, job, manifest)
    shadow = outputs.read_all(outputs.load(SHADOW_STAGE, address), SCORES).to_pandas()
    rows = served.rename(columns={"prediction": _SERVED}).merge(
        shadow.rename(columns={"prediction": _SHADOW, ENTITY_ID: job.entity_id}),
        on=job.entity_id,
        validate="one_to_one",
    )
    rows = match_labels(workspace, job, rows, labels)
    return add_segments(workspace, job, manifest, rows).assign(**{_DAY: night})
