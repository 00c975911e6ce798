"""The gate: hold a comparison against the limits that the job declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.job import ReleaseGate
from pipeline.stages.compare.tally import Difference, Tally

_WORDS = {
    "lost_share": "of the live entities are lost",
    "shrunk_share": "fewer entities than are live",
    "flipped_share": "of the entities in both are decided otherwise",
    "shift": "is the distance between the distributions of scores",
}


@dataclass(frozen=True)
class Breach:
    """A limit that does not hold.

    Attributes:
        measure: a property of :class:`Difference`: ``lost_share``, ``shrunk_share``, ``flipped_share`` or ``shift``.
        column, value: of the segment; both empty for the generation as a whole.
    """

    measure: str
    found: float
    limit: float
    column: str
    value: str

    def describe(self) -> str:
        """In words, without the segment's value, which is a value of upstream's rows."""
        where = f" in a segment of {self.column}" if self.column else ""
        return f"{self.found:.4f} {_WORDS[self.measure]}{where} (limit {self.limit:g})"

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return dict(vars(self))


def find_breaches(tally: Tally, gate: ReleaseGate, *, same_partition: bool) -> list[Breach]:
    """Every limit that does not hold: of the whole first, then of segments, the worst first.

    A segment is judged when both generations have enough of it; of one that is no longer large enough, the loss is.

    Args:
        same_partition: both generations are of one partition, so that ids can be compared even if they do not recur.
    """
    limits = _list_limits(gate, by_id=gate.ids_recur or same_partition)
    breaches = list(_judge(tally.overall, limits))
    by_segment: list[Breach] = []
    for difference in tally.segments:
        if difference.before < gate.min_segment:
            continue
        losses = {name: limit for name, limit in limits.items() if name in ("lost_share", "shrunk_share")}
        by_segment += _judge(difference, limits if difference.after >= gate.min_segment else losses)
    return breaches + sorted(by_segment, key=lambda breach: breach.limit - breach.found)


def _list_limits(gate: ReleaseGate, *, by_id: bool) -> dict[str, float]:
    limits = {"lost_share" if by_id else "shrunk_share": gate.max_lost, "shift": gate.max_shift}
    if by_id:
        limits["flipped_share"] = gate.max_flipped
    return {measure: limit for measure, limit in limits.items() if limit is not None}


def _judge(difference: Difference, limits: Mapping[str, float]) -> Iterator[Breach]:
    for measure, limit in limits.items():
        found = getattr(difference, measure)
        if found is not None and found > limit:
            yield Breach(measure, round(found, 6), limit, difference.column, difference.value)
