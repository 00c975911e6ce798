"""The priors of a generation: one small hash for entities that are not in the population."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipeline.errors import BadInputError
from pipeline.keyspace import check_entity_id
from pipeline.stores.predictions.json_text import write_predictions

GLOBAL = ""


def encode_priors(priors: Mapping[str, Any], decimals: int | None) -> tuple[dict[str, str], int]:
    """Predictions by segment as JSON text, written as those of entities are, and how many parts each has.

    Raises:
        BadInputError: there is no global prior, a segment could not be an entity id, or a prediction is none.
    """
    if GLOBAL not in priors:
        raise _bad_priors("one for the segment '', which holds where no other does", f"{len(priors)} without it")
    for segment in priors:
        if segment != GLOBAL:
            check_entity_id(segment)
    rows = [value if isinstance(value, (list, tuple)) else [value] for value in priors.values()]
    if len({len(row) for row in rows}) > 1:
        raise _bad_priors("as many parts in each", f"{sorted({len(row) for row in rows})}")
    try:
        columns = [pa.array(column) for column in zip(*rows, strict=True)]
    except pa.ArrowException as error:
        raise _bad_priors("values of one kind in each part", str(error)) from error
    return dict(zip(priors, write_predictions(columns, decimals).to_pylist(), strict=True)), len(columns)


def _bad_priors(expected: str, found: str) -> BadInputError:
    return BadInputError(
        "priors cannot be published", expected=expected, found=found, next_step="train the model again"
    )
