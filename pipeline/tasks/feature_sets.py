"""The feature set that a job names, held against the job's sources."""

from __future__ import annotations

from features.declarations import FeatureSet
from pipeline.contracts import load_contract
from pipeline.errors import DeclarationError
from pipeline.job import Job, Role, import_attribute


def load_feature_set(job: Job) -> FeatureSet:
    """Import the job's feature set and check that it fits the job.

    Raises:
        DeclarationError: it is no feature set, or names a source that the job does not have in that role.
    """
    feature_set = import_attribute(job.feature_set)
    if not isinstance(feature_set, FeatureSet):
        raise DeclarationError(f"{job.feature_set} is a {type(feature_set).__name__}, not a FeatureSet", job=job.name)
    try:
        feature_set.check_definitions()
    except ValueError as error:
        raise DeclarationError(
            f"the feature set {feature_set.name} cannot be told apart from others",
            job=job.name,
            expected="row functions whose whole meaning can be digested",
            found=str(error),
            next_step="change what it names; docs/jobs.md says what row functions may use",
        ) from error
    for lookup in feature_set.lookups:
        if job.source(lookup.source).role is not Role.DIMENSION:
            raise DeclarationError(
                f"the feature set looks {lookup.source} up, which is not a dimension",
                job=job.name,
                next_step="correct the role of the source, or use a trailing feature",
            )
    for aggregate in feature_set.aggregates:
        if job.source(aggregate.source).role is Role.DIMENSION:
            raise DeclarationError(
                f"the feature set aggregates {aggregate.source}, which is a dimension and has no partitions of its own",
                job=job.name,
                next_step="correct the role of the source, or use a lookup",
            )
    _check_columns(job, feature_set)
    return feature_set


def _check_columns(job: Job, feature_set: FeatureSet) -> None:
    """Refuse a feature set that names columns which the contracts of its sources do not have."""
    columns = {source.name: set(load_contract(source).columns) for source in job.sources}
    for lookup in feature_set.lookups:
        _refuse_missing(job, lookup.source, sorted({*lookup.key, *lookup.columns} - columns[lookup.source]))
        columns[job.population.name] |= set(lookup.columns)
    keys = [key for item in feature_set.trailing for key in item.keys]
    needed = [*(feature.name for feature in feature_set.features), *keys]
    needed += [key for lookup in feature_set.lookups for key in lookup.on]
    wanted = {job.population.name: needed, job.label.source: [job.entity_id, job.label.value]}
    for aggregate in feature_set.aggregates:
        names = [*aggregate.by, *([aggregate.value] if aggregate.value else [])]
        wanted[aggregate.source] = [*wanted.get(aggregate.source, []), *names]
    for source, names in wanted.items():
        _refuse_missing(job, source, feature_set.find_missing(names, columns[source]))


def _refuse_missing(job: Job, source: str, missing: list[str]) -> None:
    if missing:
        raise DeclarationError(
            f"the features or the label need columns that {source} does not have",
            job=job.name,
            expected=f"columns of the contract of {source}, or row features that can be computed from them",
            found="no " + "; no ".join(missing),
            next_step="correct the name in the feature set or in the label, or add the column to the contract",
        )
