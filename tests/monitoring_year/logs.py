"""What a plausible year leaves behind beside the records of its nights: models, alarms, releases, and what is live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipeline.job import Job
from pipeline.monitoring import Signal
from pipeline.stores.data_docs import DataDocs
from pipeline.tasks import Workspace
from pipeline.tasks.manifests import write_manifest
from tests.monitoring_records import log_alarm
from tests.monitoring_year.nights import ROWS, STAGES, name_model_digest
from tests.stores.model_samples import make_registration
from tests.stores.predictions.samples import make_header, make_predictions, send_all, split


def write_models(workspace: Workspace, job: Job, partitions: Sequence[str]) -> dict[str, str]:
    """Register and promote a model every hundred nights, and a challenger that waits; version to first partition."""
    ledger = workspace.ledger(job)
    since: dict[str, str] = {}
    champion = None
    places = [*range(0, len(partitions), 100), len(partitions) - 5]
    for place in places:
        trained = partitions[max(place - 3, 0)]
        made = ledger.register(
            make_registration(
                name_model_digest(str(len(since) + 1 + (place == places[-1]))),
                trained,
                trained_through=trained,
                feature_set_name="flight_delays",
                feature_set_version=1,
                metrics={"auc": 0.741 + place / 40_000, "log_loss": 0.455 - place / 60_000},
            ),
            who=f"scheduled__{trained}",
            why="retrained on schedule",
        )
        if place == places[-1]:
            break
        why = "log loss 0.4513 against 0.4571: better by 0.0058 (0.0021 to 0.0094)" if since else "the first model"
        ledger.promote(made.version, holds_from=partitions[place], who="nightly", why=why, expected_champion=champion)
        since[made.version] = partitions[place]
        champion = made.version
    return since


def write_alarms(
    workspace: Workspace,
    job: Job,
    partitions: Sequence[str],
    generations: Sequence[str],
    signals: Mapping[str, Sequence[Signal]],
) -> None:
    """Raise and resolve an alarm of every signal as the job's rule, k of n nights, asks for."""
    severities = job.monitoring.severities.model_dump()
    k, n = job.monitoring.k, job.monitoring.n
    open_alarms: set[str] = set()
    for place, partition in enumerate(partitions):
        for name, values in signals.items():
            newest = range(max(place - n + 1, 0), place + 1)
            beyond = [partitions[each] for each in newest if values[each].breached]
            is_open = name in open_alarms
            if (beyond or len(newest) < n) if is_open else len(beyond) < k:
                continue
            signal = values[place]
            log_alarm(
                workspace.monitoring(job),
                partition,
                kind="resolved" if is_open else "raised",
                signal=name,
                severity=severities[signal.monitor],
                since=beyond[0] if beyond else partition,
                generation=generations[place],
                **signal.model_dump(include={"value", "lower", "upper", "unit", "worst"}),
            )
            open_alarms ^= {name}


def write_releases(workspace: Workspace, job: Job, partitions: Sequence[str], generations: Sequence[str]) -> None:
    """Log a release of every night, the last but one of which is held; a rollback, and a backfill that was kept."""
    log = workspace.release_log(job)
    nights = len(partitions)
    for place, partition in enumerate(partitions):
        common: dict[str, Any] = {"inputs": f"{place:064x}", "who": f"scheduled__{partition}"}
        is_held = place == nights - 2
        kind: Any = "held" if is_held else "released"
        why = "decisions flipped of 0.27, limit 0.2" if is_held else "the release gate let it pass"
        log.append(kind, generation=generations[place], partition=partition, token=place + 1, why=why, **common)
        if place == nights // 2 + 20:
            log.append(
                "rolled_back",
                generation=generations[place - 1],
                partition=partitions[place - 1],
                token=place + 1,
                inputs=f"{place - 1:064x}",
                previous=generations[place],
                who="ada",
                why="the weather feed was of the day before",
            )
        if place == nights * 3 // 4:
            log.append(
                "kept",
                generation=f"{place}-ffff",
                partition=partitions[place - 9],
                token=place,
                inputs="ee" * 32,
                who="backfill__1",
                why="a newer partition is live",
            )


def write_run(workspace: Workspace, job: Job, partition: str, generation: str) -> None:
    """Write what the run of a night did, stage by stage, its release manifest and its Data Docs."""
    received = {"received": ROWS + 3, "quarantined": 3}
    accounting = {**received, "scored": ROWS, "published": ROWS, "read_back": ROWS}
    run, second = f"scheduled__{partition}", 0.0
    began = datetime.fromisoformat(partition).replace(tzinfo=UTC) + timedelta(days=1, hours=8)
    for stage, seconds in STAGES.items():
        record = {
            "stage": stage,
            "job": job.name,
            "partition": partition,
            "run": run,
            "state": "success",
            "started_at": (began + timedelta(seconds=second)).isoformat(),
            "seconds": seconds,
            "rows": ROWS,
            "peak_memory_mib": 392,
            **({"accounting": accounting} if stage == "publish" else {}),
        }
        workspace.lake.replace_json(f"jobs/{job.name}/runs/{partition}/{run}/{stage}.json", record)
        second += seconds + 2
    write_manifest(workspace, job, {"generation": generation, "partition": partition, "accounting": accounting})
    source = {**received, "reasons": {"distance: greater_than(0)": 3}, "verdict": None}
    DataDocs(workspace.lake, job.name).write_night(partition, {"schedule": source})


def publish(workspace: Workspace, job: Job, partition: str, token: int) -> str:
    """Publish predictions of a night, and make them live; their generation."""
    store = workspace.predictions
    with store.begin(job.name, partition, ROWS, 4, known_token=token - 1) as load:
        send_all(load, split(make_predictions(ROWS), 4))
        load.seal(
            make_header(
                load,
                columns=("prediction",),
                cutoff=job.cutoff(date.fromisoformat(partition)),
                model_version="4",
                feature_set="flight_delays@1",
                max_age_seconds=129_600,
            )
        )
    store.flip(job.name, load.generation, load.token)
    return load.generation
