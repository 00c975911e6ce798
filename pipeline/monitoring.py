"""What is written down about every night that was served: the records, and nothing of how they are made.

A *signal* is one number of one night beside its limits.  Signals belong to one of four *monitors*; their names begin
with the monitor's, as in ``inputs.drift``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Monitor = Literal["inputs", "outputs", "operations", "accuracy"]
MONITORS: tuple[Monitor, ...] = ("inputs", "outputs", "operations", "accuracy")


class Record(BaseModel):
    """Base of all that is written down: frozen, and unknown fields of a newer version are dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Part(Record):
    """A feature, segment or stage that a signal was worst in.

    Attributes:
        name: such as ``dep_hour``, ``origin=JFK`` or ``publish``.
        value, limit: in the signal's unit.
    """

    name: str
    value: float
    limit: float | None = None


class Signal(Record):
    """One number of one night, beside what is usual.

    Attributes:
        name: ``<monitor>.<what>``.
        value: None where it could not be measured, as ``muted`` says.
        lower, upper: what is usual ends there; None where that side does not count or is not known yet.
        unit: such as ``seconds``, ``share``; empty for a plain number.
        breached: whether it is beyond a limit.
        muted: why it does not count tonight; None if it does.
        waiting: whether that is for want of a limit alone, so that tonight is among the nights that one is learnt from.
        nights: how many nights the limits were learnt from.
        worst: the parts that are furthest out, worst first, five at the most.
    """

    name: str
    value: float | None
    lower: float | None = None
    upper: float | None = None
    unit: str = ""
    breached: bool = False
    muted: str | None = None
    waiting: bool = False
    nights: int = 0
    worst: tuple[Part, ...] = ()

    @property
    def teaches(self) -> bool:
        """Whether limits of later nights are learnt from its night."""
        return self.muted is None or self.waiting

    @property
    def monitor(self) -> str:
        """Which of the four monitors it belongs to."""
        return self.name.partition(".")[0]


class FeatureDrift(Record):
    """How far tonight's values of one feature are from others'.

    Attributes:
        against: the training reference of the model, or the same weekday of the weeks before.
        psi: population stability index over the bins of the reference, in nats.
        jensen_shannon: distance, base 2: 0 for equal, 1 for disjoint distributions.
        score: how unusual ``psi`` is beside the nights before, in spreads from their median; None: too few nights.
        limit: of ``score``, for all features together.
        breached: whether ``score`` is beyond it, and more than so few rows would give by chance.
    """

    feature: str
    against: Literal["reference", "weekday"]
    psi: float
    jensen_shannon: float
    score: float | None = None
    limit: float | None = None
    breached: bool = False


class Distribution(Record):
    """Counts over bins: bin ``i`` is from ``edges[i]`` to ``edges[i + 1]``, the last end included."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class SegmentOutputs(Record):
    """Predictions of one segment, such as ``origin=JFK``."""

    segment: str
    rows: int
    mean: float
    share_above: float | None = None


class Outputs(Record):
    """The predictions of a night.

    Attributes:
        share_above: share at or above the job's decision threshold; None without one.
        concentration: largest share that one single prediction has.
    """

    rows: int
    mean: float
    std: float
    quantiles: dict[str, float]
    share_above: float | None
    concentration: float
    distribution: Distribution
    segments: tuple[SegmentOutputs, ...] = ()


class StageCost(Record):
    """What a stage of a run took.  ``attempts`` counts those in which it was begun."""

    stage: str
    seconds: float
    rows: int | None
    peak_memory_bytes: int
    attempts: int


class ReadLatency(Record):
    """Reads of live predictions that the probe sampled; in seconds."""

    reads: int
    errors: int
    p50: float
    p99: float


class Operations(Record):
    """How the run went.

    Attributes:
        quarantine: rows by source and by reason; a row may have several.
        quarantined: rows by source.
        received: rows by source.
        computed: whether it did the work of the night, rather than found it done.
        age_seconds: from the cutoff of what is live to when the night was watched.
        bytes_per_prediction: memory of the generation in Redis, by prediction.
    """

    stages: tuple[StageCost, ...]
    seconds: float
    quarantine: dict[str, dict[str, int]]
    received: dict[str, int]
    age_seconds: float | None
    bytes_per_prediction: float | None
    reads: ReadLatency | None
    quarantined: dict[str, int] = {}
    computed: bool = True


class Estimate(Record):
    """Performance as the calibrated scores promise it, before any label is known.

    Attributes:
        metrics: such as ``auc`` and ``log_loss``.
        muted: why it is not to be believed; None if it is.
    """

    metrics: dict[str, float]
    muted: str | None = None


class Observed(Record):
    """A night as it was served: the record of the newest release of a partition.

    Attributes:
        went_live: whether readers were given it as the live generation.
        drift: every feature against every comparison, the worst first.
    """

    partition: str
    run: str
    generation: str
    model_version: str
    model_digest: str
    observed_at: str
    went_live: bool
    rows: int
    signals: tuple[Signal, ...]
    outputs: Outputs
    operations: Operations
    drift: tuple[FeatureDrift, ...] = ()
    estimate: Estimate | None = None


class SegmentGrade(Record):
    """Metrics of one segment; of too few rows, or of one outcome only, there are none."""

    segment: str
    rows: int
    metrics: dict[str, float]


class CalibrationBin(Record):
    """Rows with scores from ``lower`` to ``upper``: what was promised, and what came.

    Attributes:
        absolute_error, squared_error: means over the rows.
    """

    lower: float
    upper: float
    rows: int
    mean_score: float
    mean_label: float
    absolute_error: float = 0.0
    squared_error: float = 0.0


class LabelDelivery(Record):
    """A delivery of the label's source that outcomes were read from."""

    partition: str
    digest: str


class Graded(Record):
    """A served night against its labels.

    Attributes:
        labelled: predictions whose outcome is known, of ``scored``.
        metrics: the business cost as ``business_cost``, where the job has one; none at all where the outcomes tell
            nothing, as when all of them are alike: the signals say so.
        estimated: what :class:`Estimate` had said, for the same metrics.
        gradings: how often it was graded; ``corrected`` labels are another than at the grading before.
        labels: what the outcomes were read from; deliveries that are newer ask for another grading.
    """

    partition: str
    generation: str
    model_version: str
    model_digest: str
    graded_at: str
    scored: int
    labelled: int
    metrics: dict[str, float]
    segments: tuple[SegmentGrade, ...]
    calibration: tuple[CalibrationBin, ...]
    estimated: dict[str, float]
    signals: tuple[Signal, ...]
    gradings: int = 1
    corrected: int = 0
    labels: tuple[LabelDelivery, ...] = ()


class Moved(Record):
    """Which features moved the scores of a night away from those of other nights.

    Both sides are samples, scored by the night's model, so that what differs is the rows and not the model.

    Attributes:
        against: the partitions that it is compared with.
        rows: of each of the two samples.
        mean_before, mean_after: mean predictions of the samples: of the other nights, and of the night.
        features: every feature and what it moved the mean by, in the prediction's unit, the largest first; together
            they are the difference of the means.
    """

    partition: str
    against: tuple[str, ...]
    generation: str
    model_version: str
    rows: int
    mean_before: float
    mean_after: float
    features: tuple[tuple[str, float], ...]


Profile = dict[str, Any]
"""Counts by feature and bin, as JSON: see ``pipeline.stages.monitor.bins``."""
