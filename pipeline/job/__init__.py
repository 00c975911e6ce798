"""What a scoring job declares: plain data, checked when it is built.

Contracts, feature sets and models are named by dotted path (``package.module:attribute``) and imported by the task that
needs them, so that reading a declaration costs nothing.
"""

from pipeline.job.declaration import Declaration, import_attribute
from pipeline.job.job import Job, Owner
from pipeline.job.monitoring import Monitoring, Severities, Severity
from pipeline.job.releases import Priors, ReleaseGate, Retention
from pipeline.job.sources import Cast, Role, SchemaPolicy, Source
from pipeline.job.training import Approval, Calibration, Label, Parameter, PromotionGate, Search, Training

__all__ = [
    "Approval",
    "Calibration",
    "Cast",
    "Declaration",
    "Job",
    "Label",
    "Monitoring",
    "Owner",
    "Parameter",
    "Priors",
    "PromotionGate",
    "ReleaseGate",
    "Retention",
    "Role",
    "SchemaPolicy",
    "Search",
    "Severities",
    "Severity",
    "Source",
    "Training",
    "import_attribute",
]
