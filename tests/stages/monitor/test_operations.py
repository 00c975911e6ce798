"""A run is held against how runs usually go; what is small in itself is no alarm."""

from __future__ import annotations

import pytest

from pipeline.job import Monitoring
from pipeline.monitoring import Operations, ReadLatency, Signal, StageCost
from pipeline.stages.monitor.operations import judge_operations
from tests.monitoring_records import make_operations

MONITORING = Monitoring()


def make_run(
    seconds: float = 100.0,
    *,
    memory: int = 2**30,
    attempts: int = 1,
    quarantined: int = 10,
    p99: float = 0.01,
    errors: int = 0,
    computed: bool = True,
) -> Operations:
    cost = {"rows": 1000, "peak_memory_bytes": memory}
    return make_operations(
        stages=(
            StageCost(stage="ingest", seconds=1.0, attempts=1, **cost),
            StageCost(stage="score", seconds=seconds - 1.0, attempts=attempts, **cost),
        ),
        seconds=seconds,
        quarantine={"meters": {"region: unknown": quarantined, "kwh: negative": 1}, "readings": {}},
        quarantined={"meters": quarantined, "readings": 0},
        received={"meters": 1000, "readings": 0},
        reads=ReadLatency(reads=200, errors=errors, p50=0.001, p99=p99),
        computed=computed,
    )


def judge(tonight: Operations, past: list[Operations], monitoring: Monitoring = MONITORING) -> dict[str, Signal]:
    return {signal.name: signal for signal in judge_operations(tonight, past, monitoring)}


PAST = [make_run(100.0 + night % 7, memory=2**30 + night, p99=0.01 + night / 1e5) for night in range(30)]

FAR_OUT = {
    "operations.seconds": make_run(180.0),
    "operations.memory": make_run(memory=2**31),
    "operations.retries": make_run(attempts=3),
    "operations.quarantine": make_run(quarantined=100),
    "operations.latency": make_run(p99=0.05),
    "operations.read_errors": make_run(errors=1),
}


@pytest.mark.parametrize("name", FAR_OUT)
def test_more_than_usual_is_beyond_the_limit_of_its_signal_alone(name: str) -> None:
    signals = judge(FAR_OUT[name], PAST)
    assert [signal.name for signal in signals.values() if signal.breached] == [name]
    assert signals[name].muted is None
    assert signals[name].nights == 30


def test_less_than_usual_is_not() -> None:
    fast = make_run(61.0, memory=2**20, quarantined=0, p99=1e-5)
    assert not any(signal.breached for signal in judge(fast, PAST).values())


def test_too_few_nights_mute_and_say_how_many_there_are() -> None:
    for past in (PAST[:20], []):
        signals = judge(FAR_OUT["operations.seconds"], past).values()
        assert {signal.muted for signal in signals} == {f"{len(past)} of the 21 nights that a limit is learnt from"}
        assert not any(signal.breached for signal in signals)
        assert {signal.upper for signal in signals} == {None}


def test_a_low_rate_of_false_alarms_takes_more_nights() -> None:
    strict = MONITORING.model_copy(update={"false_alarms": 0.01})
    assert "of the 99 nights" in str(judge(make_run(), PAST, strict)["operations.seconds"].muted)


@pytest.mark.parametrize(
    ("usual", "tonight"),
    [
        (make_run(1.0), make_run(59.0)),
        (make_run(p99=0.0002), make_run(p99=0.004)),
        (make_run(memory=2**27), make_run(memory=2**29)),
        (make_run(quarantined=0), make_run(quarantined=1)),
    ],
)
def test_what_is_small_in_itself_is_unremarkable(usual: Operations, tonight: Operations) -> None:
    assert not any(signal.breached for signal in judge(tonight, [usual] * 30).values())


def test_a_night_that_found_its_work_done_teaches_nothing_and_is_muted() -> None:
    found = make_run(0.5, computed=False)
    signal = judge(found, PAST)["operations.seconds"]
    assert (signal.value, signal.breached) == (None, False)
    assert "had been done before" in str(signal.muted)
    limits = [judge(make_run(), past)["operations.seconds"].upper for past in (PAST, [*PAST, *[found] * 30])]
    assert limits[0] == limits[1]


def test_a_limit_is_of_the_newest_nights_of_the_history() -> None:
    slow = [make_run(500.0)] * 90
    assert judge(make_run(450.0), [*slow, *PAST * 3])["operations.seconds"].breached
    assert not judge(make_run(450.0), [*PAST * 3, *slow])["operations.seconds"].breached


def test_reads_that_find_nothing_have_no_latency() -> None:
    signals = judge(make_run(errors=200), PAST)
    assert signals["operations.latency"].muted == "no read found anything"
    assert signals["operations.read_errors"].value == 1.0


def test_the_worst_parts_come_first() -> None:
    signals = judge(make_run(attempts=3), PAST)
    assert [part.name for part in signals["operations.seconds"].worst] == ["score", "ingest"]
    assert [(part.name, part.value) for part in signals["operations.retries"].worst] == [("score", 2.0)]
    assert [part.name for part in signals["operations.quarantine"].worst] == [
        "meters: region: unknown",
        "meters: kwh: negative",
    ]
