"""What the mirror in MLflow looks like, and how it is brought in line with the ledger.

Imported by :mod:`pipeline.stores.experiments` alone, and late: MLflow takes seconds to import.
"""

# ruff: noqa: TID253 - this module is what is imported late

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow.entities import Experiment, Metric, Param, Run, RunTag
from mlflow.entities.model_registry import ModelVersion as MirroredVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import NightjarError
from pipeline.stores.ledger_events import Event, Registration, find_challenger, find_champion, find_standing
from pipeline.stores.model_cards import digest_files

# A database that cannot be opened is told of by SQLAlchemy; what requests raises is an OSError; a card that is written
# anew meanwhile cannot be read.
FAILURES = (MlflowException, SQLAlchemyError, OSError, NightjarError)
_IDENTITY_TAGS = ("model_digest", "metadata_digest")
_CARD_TAG = "card_digest"
_PAGE = 1000
_SQLITE = "sqlite:///"

_Identity = tuple[str, str]


def connect(uri: str) -> MlflowClient:
    """A client for both the experiments and the registry at ``uri``."""
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


class ExperimentMirror:
    """One job's experiment and registered model in a reachable MLflow.

    A ledger version is recognised by the digests of its two files, so that it is found again where MLflow counts its
    versions otherwise, after somebody deleted one or registered a model by hand.
    """

    def __init__(
        self,
        client: MlflowClient,
        job: str,
        locate: Callable[[str], str],
        read_card: Callable[[str], Mapping[str, str]],
    ) -> None:
        self._client = client
        self._name = job
        self._locate = locate
        self._read_card = read_card

    def update(self, events: Sequence[Event]) -> None:
        """Make what is missing and correct what is not as in the ledger; the second time nothing is left to do."""
        registered = [(event, event.registration) for event in events if event.registration is not None]
        if not registered:
            return
        experiment_id = self._ensure_experiment()
        self._ensure_registered_model()
        runs = self._find_runs(experiment_id)
        mirrored = self._find_versions()
        numbers: dict[str, str] = {}
        run_ids: dict[str, str] = {}
        for event, registration in registered:
            identity = registration.identity
            run_id = run_ids[event.model_version] = self._ensure_run(
                experiment_id, runs.get(identity), event, registration
            )
            tags = {**describe_registration(event, registration, self._locate), **describe_standing(event, events)}
            numbers[event.model_version] = self._ensure_version(mirrored.get(identity), run_id, tags)
        self._set_alias("champion", numbers, find_champion(events))
        self._set_alias("challenger", numbers, find_challenger(events))
        for event, registration in registered:
            self._ensure_card(run_ids[event.model_version], runs.get(registration.identity), event.model_version)

    def _ensure_experiment(self) -> str:
        experiment: Experiment | None = self._client.get_experiment_by_name(self._name)
        if experiment is None:
            location = _choose_artifact_location(self._client.tracking_uri, self._name)
            return str(self._client.create_experiment(self._name, artifact_location=location))
        if experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)

    def _ensure_registered_model(self) -> None:
        try:
            self._client.create_registered_model(self._name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _find_runs(self, experiment_id: str) -> dict[_Identity, Run]:
        """Runs by identity."""
        found: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs([experiment_id], max_results=_PAGE, page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                return {identity: run for run in found if (identity := _identify(run.data.tags))}

    def _find_versions(self) -> dict[_Identity, MirroredVersion]:
        """Versions of the registered model by identity; of several the first."""
        found: list[MirroredVersion] = []
        token = None
        while True:
            page = self._client.search_model_versions(f"name='{self._name}'", max_results=_PAGE, page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                break
        found.sort(key=lambda version: int(version.version), reverse=True)
        return {identity: version for version in found if (identity := _identify(version.tags))}

    def _ensure_run(self, experiment_id: str, run: Run | None, event: Event, registration: Registration) -> str:
        """The run of a registration; one that was left unfinished is written again, over itself."""
        if run is not None and run.info.status == "FINISHED":
            return str(run.info.run_id)
        at = int(datetime.fromisoformat(event.at).timestamp() * 1000)
        tags = describe_registration(event, registration, self._locate)
        if run is None:
            run = self._client.create_run(
                experiment_id, start_time=at, tags=tags, run_name=f"model {event.model_version}"
            )
        run_id = str(run.info.run_id)
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, at, 0) for name, value in registration.metrics.items()],
            params=[Param(name, str(value)) for name, value in registration.parameters.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        self._client.set_terminated(run_id, end_time=at)
        return run_id

    def _ensure_card(self, run_id: str, before: Run | None, version: str) -> None:
        """The card of a version, as artifacts of its run; a tag says which one is there."""
        files = self._read_card(version)
        digest = digest_files(files) if files else None
        if digest is None or (before is not None and before.data.tags.get(_CARD_TAG) == digest):
            return
        for name, content in files.items():
            self._client.log_text(run_id, content, f"card/{name}")
        self._client.set_tag(run_id, _CARD_TAG, digest)

    def _ensure_version(self, mirrored: MirroredVersion | None, run_id: str, tags: dict[str, str]) -> str:
        """The model version of a registration, with these tags.

        A server takes a path of its own machine as a source only from inside the run's artifacts, and the file stays in
        the lake: so the source names the run, and the tag ``artifact`` says where the file is.
        """
        if mirrored is None:
            mirrored = self._client.create_model_version(
                self._name, f"runs:/{run_id}/model", run_id=run_id, tags=tags, await_creation_for=0
            )
        number = str(mirrored.version)
        for name, value in tags.items():
            if mirrored.tags.get(name) != value:
                self._client.set_model_version_tag(self._name, number, name, value)
        return number

    def _set_alias(self, alias: str, numbers: dict[str, str], version: str | None) -> None:
        aliases: dict[str, Any] = self._client.get_registered_model(self._name).aliases
        if version is None:
            if alias in aliases:
                self._client.delete_registered_model_alias(self._name, alias)
        elif str(aliases.get(alias)) != numbers[version]:
            self._client.set_registered_model_alias(self._name, alias, numbers[version])


def _choose_artifact_location(uri: str, name: str) -> str | None:
    """Where an experiment's files go: beside a database that is a file, else where the server has them.

    MLflow's own choice for a file is the folder that the program happens to run in.
    """
    if not uri.startswith(_SQLITE):
        return None
    return str(Path(uri.removeprefix(_SQLITE)).absolute().parent / "mlflow-artifacts" / name)


def _identify(tags: Mapping[str, str]) -> _Identity | None:
    """The identity of the registration that something mirrors; None if it is not ours."""
    model, metadata = (tags.get(name) for name in _IDENTITY_TAGS)
    return (model, metadata) if model and metadata else None


def describe_registration(event: Event, registration: Registration, locate: Callable[[str], str]) -> dict[str, str]:
    """Tags that never change: what the model was made of."""
    return {
        **dict(zip(_IDENTITY_TAGS, registration.identity, strict=True)),
        "model_version": event.model_version,
        "artifact": locate(registration.artifact_path),
        "partition": registration.partition,
        "dataset_version": registration.dataset_version,
        "feature_set": f"{registration.feature_set_name}@{registration.feature_set_version}",
        "feature_set_digest": registration.feature_set_digest,
        "code_version": registration.code_version,
        "registered_by": event.who,
        **{f"library.{name}": version for name, version in registration.library_versions.items()},
    }


def describe_standing(registered: Event, events: Sequence[Event]) -> dict[str, str]:
    """Tags that follow the ledger: the last thing that happened to the version, why, and from when it holds."""
    last = find_standing(events, registered.model_version)
    return {"standing": last.kind, "why": last.why, "holds_from": last.holds_from or ""}
