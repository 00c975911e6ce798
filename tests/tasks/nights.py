"""Whole nights and whole trainings, stage after stage, as a DAG runs them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipeline import tasks
from pipeline.job import Job, PromotionGate
from pipeline.keyspace import Basis, Header
from pipeline.serving import Reader
from pipeline.stores.deliveries import Deliveries, Delivery
from pipeline.stores.lake import Lake
from pipeline.tasks import Workspace
from pipeline.tasks.comparing import SCORES
from pipeline.tasks.scoring import SCORE_STAGE
from tests.clock import Clock
from tests.meter_readings.upstream import MeterUpstream

Summary = dict[str, Any]

FIRST_DAY, LAST_DAY = date(2024, 2, 19), date(2024, 3, 6)
TRAINED_ON = "2024-03-02"
NIGHTS = ("2024-03-03", "2024-03-04", "2024-03-05", "2024-03-06")
LIVE, NEXT = NIGHTS[0], NIGHTS[1]
LANDED_AT = datetime(2024, 3, 9, tzinfo=UTC)


def land_days(root: str, upstream: MeterUpstream, first: date = FIRST_DAY, last: date = LAST_DAY) -> list[Delivery]:
    """Land everything that upstream has for these days in the lake at ``root``."""
    deliveries = Deliveries(Lake(root))
    days = [first + timedelta(days=age) for age in range((last - first).days + 1)]
    return [
        deliveries.land(source, day, [table], LANDED_AT)[0]
        for day in days
        for source in upstream.sources
        if (table := upstream.deliver(source, day)) is not None
    ]


def land_again(
    workspace: Workspace, source: str, partition: str, change: Callable[[pa.Table], pa.Table], upstream: Any = None
) -> Delivery:
    """Land a changed delivery of one source, an hour after whatever landed before."""
    clock = workspace.clock
    assert isinstance(clock, Clock)
    clock.advance(hours=1)
    day = date.fromisoformat(partition)
    table = (upstream or MeterUpstream()).deliver(source, day)
    delivery, is_new = workspace.deliveries.land(source, day, [change(table)], clock())
    assert is_new
    return delivery


def run_night(
    workspace: Workspace,
    job: Job,
    partition: str,
    run: str = "first",
    *,
    basis: Basis = "as_corrected",
    force: bool = False,
    **options: bool,
) -> dict[str, Summary]:
    """Every stage of a night; summaries by stage.  The options are those of ``publish``."""
    done = run_until_scored(workspace, job, partition, run, basis=basis, force=force)
    done["publish"] = tasks.publish(workspace, job, partition, run, done["score"], **options)
    if job.training.shadow_nights > 0:
        done["score_shadows"] = tasks.score_shadows(workspace, job, partition, run, done["score"], force=force)
    return done


def run_until_scored(
    workspace: Workspace,
    job: Job,
    partition: str,
    run: str = "first",
    *,
    basis: Basis = "as_corrected",
    force: bool = False,
) -> dict[str, Summary]:
    """Every stage but the last."""
    ingested = tasks.ingest(workspace, job, partition, run, basis=basis, force=force)
    validated = tasks.validate(workspace, job, partition, run, ingested, force=force)
    built = tasks.build_features(workspace, job, partition, run, validated, force=force)
    scored = tasks.score(workspace, job, partition, run, built, force=force)
    return {"ingest": ingested, "validate": validated, "build_features": built, "score": scored}


def train_model(
    workspace: Workspace, job: Job, partition: str = TRAINED_ON, run: str = "training"
) -> dict[str, Summary]:
    """Snapshot, train, evaluate, promote; summaries by stage."""
    snapped = tasks.snapshot(workspace, job, partition, run)
    trained = tasks.train(workspace, job, partition, run, snapped)
    evaluated = tasks.evaluate(workspace, job, partition, run, trained)
    promoted = tasks.promote(workspace, job, partition, run, evaluated)
    return {"snapshot": snapped, "train": trained, "evaluate": evaluated, "promote": promoted}


def read_scores(workspace: Workspace, job: Job, summary: Summary) -> dict[str, float]:
    """What the lake holds of a scored night: entity id to prediction."""
    outputs = workspace.outputs(job)
    table = outputs.read_all(outputs.load(SCORE_STAGE, summary["output"]), SCORES)
    return dict(zip(table["entity_id"].to_pylist(), table["prediction"].to_pylist(), strict=True))


def open_reader(workspace: Workspace, job: Job) -> Reader:
    """A reader as an application has one, which looks at Redis for every answer."""
    return Reader(workspace.settings.redis_url.get_secret_value(), job.name, clock=workspace.clock, live_seconds=0)


def read_live(workspace: Workspace, job: Job, ids: list[str]) -> dict[str, Any]:
    """What readers see now."""
    return {entity_id: answer.value for entity_id, answer in open_reader(workspace, job).get_many(ids).items()}


def live_header(workspace: Workspace, job: Job) -> Header:
    """The header of what is live."""
    live = workspace.predictions.live(job.name)
    assert live is not None
    return live.header


def let_pass(job: Job, **training: Any) -> Job:
    """The job, with a promotion gate that lets worse challengers pass, and other changes to its training."""
    changes = {"gate": PromotionGate(margin=1000.0), **training}
    return job.model_copy(update={"training": job.training.model_copy(update=changes)})
