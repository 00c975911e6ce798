"""Shadow nights: a challenger scores along, unserved, until :mod:`pipeline.tasks.settling` decides about it."""

from __future__ import annotations

import logging

from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.stores.ledger_events import find_shadows
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.basis import follow_basis
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.runs import SHADOWS, Summary, record_stage
from pipeline.tasks.scoring import SHADOW_STAGE, ModelLoader, score_features
from pipeline.tasks.workspace import Workspace

_LOG = logging.getLogger(__name__)


def score_shadows(
    workspace: Workspace, job: Job, partition: str, run: str, scored: Summary, *, force: bool = False
) -> Summary:
    """Score the night's features with every model whose shadow nights it is one of.

    What goes wrong with a model is a warning of the record, and nothing else: a night needs none of it.

    Args:
        scored: summary of the score stage, which says what was scored.

    Returns:
        ``shadows`` (addresses of the scores by model version), ``rows`` and ``warnings``.

    Raises:
        NightjarError, OSError: the ledger or the night's features cannot be read.
    """
    workspace = follow_basis(workspace, scored["known_by"])

    def work() -> Summary:
        features = workspace.outputs(job).load(BUILD_STAGE, scored["features"])
        shadows: dict[str, Output] = {}
        warnings = []
        ledger, load = workspace.ledger(job), ModelLoader(workspace, job)
        for event in find_shadows(ledger.events()):
            if not str(event.holds_from) <= partition <= str(event.until):
                continue
            version = event.model_version
            try:
                with conceal_rows(job.name, partition):
                    shadows[version] = score_features(
                        workspace, job, features, ledger.version(version), stage=SHADOW_STAGE, force=force, load=load
                    )
            except (NightjarError, OSError) as error:
                told = error.problem if isinstance(error, NightjarError) else type(error).__name__
                warnings.append(f"shadow model {version} did not score this night: {told}")
                _LOG.warning("%s", warnings[-1])
        return {
            "shadows": {version: output.address for version, output in shadows.items()},
            "rows": sum(output.facts["rows"] for output in shadows.values()),
            "warnings": [*load.warnings, *warnings],
        }

    return record_stage(workspace, job, partition, run, SHADOWS, work)
