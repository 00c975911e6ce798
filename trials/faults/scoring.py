"""What a fault would have cost: the same night scored from the clean and from the faulty deliveries.

Faulty rows are taken as they came, as if nothing were checked.  Tiles, features, training and scoring are those of the
pipeline; only the lake is left out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import cast

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.quality import LABEL, History, WeeklyModel, train_model
from features.declarations import Aggregate
from features.flight_delays import FEATURES
from pipeline.contracts import load_contract
from pipeline.jobs.flight_delays.job import JOB
from pipeline.stages.ingest import cast_columns, number_rows
from pipeline.stages.score import score_rows
from pipeline.stages.validate import frame_from_arrow
from trials.faults.cases import Case
from trials.faults.deliveries import deliver_faulty, faulty_days

SourceDay = tuple[str, date]


class CleanHistory(History):
    """What upstream really delivered, and what is made of it, kept in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.sum_aggregate = cache(super()._sum_aggregate)

    def _sum_aggregate(self, aggregate: Aggregate, partition: date) -> pd.DataFrame:
        return self.sum_aggregate(aggregate, partition)


class FaultyHistory(History):
    """The same with some deliveries replaced, by source and partition."""

    def __init__(self, clean: CleanHistory, replaced: Mapping[SourceDay, pd.DataFrame]) -> None:
        super().__init__()
        self._upstream = clean._upstream  # noqa: SLF001 - it is of the same family, and its data is large
        self._clean = clean
        self._replaced = replaced
        self._sources = {source for source, _ in replaced}
        self.__dict__["dimensions"] = {
            name: next((rows for (source, _), rows in replaced.items() if source == name), frame)
            for name, frame in clean.dimensions.items()
        }

    def _read_rows(self, source_name: str, partition: date) -> pd.DataFrame:
        replaced = self._replaced.get((source_name, partition))
        return self._clean.read_rows(source_name, partition) if replaced is None else replaced

    def _read_tile(self, aggregate: Aggregate, partition: date) -> pd.DataFrame:
        if (aggregate.source, partition) in self._replaced:
            return super()._read_tile(aggregate, partition)
        return self._clean.read_tile(aggregate, partition)

    def _sum_aggregate(self, aggregate: Aggregate, partition: date) -> pd.DataFrame:
        if aggregate.source in self._sources:
            return super()._sum_aggregate(aggregate, partition)
        return self._clean.sum_aggregate(aggregate, partition)


class Grader:
    """Scores nights with the model that would have served them.

    Args:
        folder: where models are kept between runs.
    """

    def __init__(self, folder: Path) -> None:
        self.history = CleanHistory()
        self._folder = folder
        self.model_of = cache(self._load_model)
        self.score_clean = cache(self._score_clean)

    def score_faulty(self, case: Case, night: date) -> pd.Series | None:
        """Scores of the clean night's labelled flights, in their order, from the deliveries with the fault.

        A flight that gets no score has the prior, the mean score of the night.  None if the features or the scores
        cannot be made at all: such a night fails by itself.
        """
        clean = self.score_clean(night)
        replaced = {
            (case.source, day): read_unchecked(case.source, deliver_faulty(self.history._upstream, case, day))  # noqa: SLF001
            for day in faulty_days(case, night)
        }
        try:
            features = FaultyHistory(self.history, replaced).build_features(night)
            scores = self._score(features, night)
        except (ValueError, TypeError, KeyError, OverflowError):
            return None
        by_id = pd.Series(scores.to_numpy(), index=features[JOB.entity_id]).groupby(level=0).first()
        found = by_id.reindex(clean.index).to_numpy()
        return pd.Series(np.where(np.isnan(found), clean["score"].mean(), found), index=clean.index)

    def _score_clean(self, night: date) -> pd.DataFrame:
        """``score`` and ``label`` of the night's flights whose outcome became known, by flight id."""
        examples = self.history.read_examples(night, date.max)
        scores = self._score(examples.drop(columns=LABEL), night)
        return pd.DataFrame({"score": scores, "label": examples[LABEL]}).set_index(examples[JOB.entity_id])

    def _score(self, features: pd.DataFrame, night: date) -> pd.Series:
        return score_rows(self.model_of(night.replace(day=1)), features, JOB, feature_set_digest=FEATURES.digest)

    def _load_model(self, month: date) -> WeeklyModel:
        """The model of a month, trained on what was known on the day before it."""
        path = self._folder / f"{month:%Y-%m}-{FEATURES.digest[:12]}.joblib"
        if path.exists():
            return cast("WeeklyModel", joblib.load(path))
        model = train_model(self.history, month - timedelta(days=1), 0)
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        joblib.dump(model, draft)
        draft.replace(path)
        return model


def read_unchecked(source: str, table: pa.Table) -> pd.DataFrame:
    """The rows of a delivery as the contract's columns, none refused; in its dtypes where nothing is missing."""
    contract = load_contract(JOB.source(source))
    rows = frame_from_arrow(number_rows(cast_columns(table, contract.arrow_schema()), 0), contract)
    whole = {name: dtype for name, dtype in contract.dtypes.items() if rows[name].notna().all()}
    return rows.astype({name: dtype for name, dtype in whole.items() if rows[name].dtype != dtype})
