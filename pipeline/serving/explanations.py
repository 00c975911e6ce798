"""The look-up of reasons: why predictions are what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline import keyspace
from pipeline.keyspace import Header
from pipeline.serving.answers import Explained, Prediction, Reasons
from pipeline.serving.lookups import LOOKS, Lookups, Steps, arrange, group_by_bucket


def find_reasons(
    lookups: Lookups, ids: Sequence[str], segments: Mapping[str, str], partition: str | None
) -> Steps[dict[str, Reasons]]:
    """Predictions with their reasons by entity id, all of one generation."""
    for _ in range(LOOKS):
        header, answers = yield from lookups.find_with_header(ids, segments, partition)
        texts = yield from _look(lookups, header, [name for name in ids if _is_scored(answers[name])])
        if texts is not None:
            return {name: _explain(lookups, header, answers[name], texts.get(name)) for name in ids}
        if (yield from lookups.find_header(partition, fresh=True)).generation == header.generation:
            raise lookups.damaged(header, "a hash of reasons is gone")
    raise lookups.restless()


def _look(lookups: Lookups, header: Header, ids: Sequence[str]) -> Steps[dict[str, str | None] | None]:
    """JSON text by entity id, as far as there is one; None if a hash of reasons is not there."""
    if not header.reason_buckets or not ids:
        return {}
    wanted = group_by_bucket(ids, header.reason_buckets)
    keys = [keyspace.reasons_key(lookups.job, header.generation, number) for number in wanted]
    replies = yield [
        *(("HMGET", key, *names) for key, names in zip(keys, wanted.values(), strict=True)),
        *(("EXISTS", key) for key in keys),
    ]
    return arrange(ids, wanted, replies[: len(keys)]) if all(replies[len(keys) :]) else None


def _explain(lookups: Lookups, header: Header, answer: Prediction, text: str | None) -> Reasons:
    if text is not None:
        pairs = lookups.parse_value(header, text)
        return Reasons(answer, "explained", tuple((feature, contribution) for feature, contribution in pairs))
    state: Explained = "not_among_highest" if header.reason_buckets else "none_made"
    return Reasons(answer, state if _is_scored(answer) else "not_in_population")


def _is_scored(answer: Prediction) -> bool:
    return answer.source in {"fresh", "stale"}
