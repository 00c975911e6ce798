"""No champion, an altered model file, other features: the night stops, and the old predictions are served."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline import tasks
from pipeline.digests import digest_bytes
from pipeline.errors import BadInputError, DamagedError, NotReadyError, RefusedError
from pipeline.job import Job
from pipeline.tasks import Workspace
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, TRAINED_ON, run_night, run_until_scored, train_model


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_no_champion_yet(served: Served) -> None:
    ledger = served.workspace.ledger(served.job)
    ledger.demote("1", holds_from=NEXT, who="tests", why="there is to be none")
    with pytest.raises(NotReadyError, match="no model is champion") as caught:
        run_night(served.workspace, served.job, NEXT)
    assert "nightjar train meter_readings" in str(caught.value.next_step)
    served.check_refused(caught.value)


def test_a_model_file_that_was_altered_is_never_unpickled(served: Served, tmp_path: Path) -> None:
    registration = served.workspace.ledger(served.job).version("1").registration
    sprung = tmp_path / "sprung"
    served.workspace.lake.replace(registration.artifact_path, pickle.dumps(Bomb(sprung)))
    with pytest.raises(DamagedError, match="not the one that was registered") as caught:
        run_night(served.workspace, served.job, NEXT)
    assert not sprung.exists()
    assert registration.model_digest in str(caught.value.expected)
    served.check_refused(caught.value)


def test_a_model_that_somebody_put_into_the_ledger_without_the_key_is_never_unpickled(
    trained: Workspace, job: Job, tmp_path: Path
) -> None:
    """Every digest fits: whoever can write to the lake can write the ledger too."""
    keys = (SecretStr("signing-" * 4),)
    workspace = Workspace(trained.settings.model_copy(update={"signing_keys": keys}), trained.clock)
    train_model(workspace, job, TRAINED_ON, "signed")
    ledger = workspace.ledger(job)
    registration = ledger.version("1").registration
    bomb = pickle.dumps(Bomb(tmp_path / "sprung"))
    digest = digest_bytes(bomb)
    old = registration.artifact_path
    metadata = old.replace(".joblib", f".{registration.metadata_digest[:16]}.json")
    workspace.lake.replace(old.replace(registration.model_digest, digest), bomb)
    workspace.lake.replace(metadata.replace(registration.model_digest, digest), workspace.lake.read_bytes(metadata))
    forged = registration.model_copy(
        update={"model_digest": digest, "artifact_path": old.replace(registration.model_digest, digest)}
    )
    version = ledger.register(forged, who="somebody", why="to run code in a worker").version
    ledger.promote(version, holds_from=NEXT, who="somebody", why="likewise", expected_champion="1")
    assert run_until_scored(workspace, job, LIVE)["score"]["model_version"] == "1"
    with pytest.raises(RefusedError, match=f"model {version} is not signed"):
        run_until_scored(workspace, job, NEXT)
    assert not (tmp_path / "sprung").exists()


def test_a_model_file_that_is_gone(served: Served) -> None:
    registration = served.workspace.ledger(served.job).version("1").registration
    served.workspace.lake.remove(registration.artifact_path)
    with pytest.raises(DamagedError) as caught:
        run_night(served.workspace, served.job, NEXT)
    assert caught.value.found == "no such file"
    served.check_refused(caught.value)


def test_training_on_the_same_data_mends_an_altered_model_file(served: Served) -> None:
    """What the error of an altered file asks for works."""
    workspace, job = served.workspace, served.job
    registration = workspace.ledger(job).version("1").registration
    workspace.lake.replace(registration.artifact_path, b"altered")
    train_model(workspace, job, TRAINED_ON, "mend")
    assert run_night(workspace, job, NEXT)["score"]["model_version"] == "1"


def test_features_that_the_champion_was_not_trained_on(served: Served) -> None:
    other = served.job.model_copy(update={"feature_set": "tests.meter_readings.other_features:FEATURES"})
    with pytest.raises(RefusedError, match="other definitions") as caught:
        run_night(served.workspace, other, NEXT)
    served.check_refused(caught.value)


def test_scores_out_of_range_are_not_published(served: Served) -> None:
    narrow = served.job.model_copy(update={"score_range": (0.0, 1.0)})
    with pytest.raises(BadInputError, match="may not be published") as caught:
        run_night(served.workspace, narrow, NEXT)
    served.check_refused(caught.value)


def test_the_record_of_the_failed_stage_says_why(served: Served) -> None:
    served.workspace.ledger(served.job).demote("1", holds_from=NEXT, who="tests", why="there is to be none")
    with pytest.raises(NotReadyError) as caught:
        run_night(served.workspace, served.job, NEXT, "bad")
    stages = tasks.read_run(served.workspace, served.job, NEXT, "bad")["stages"]
    assert [stage["stage"] for stage in stages] == ["ingest", "validate", "build_features", "score"]
    assert [stage["state"] for stage in stages] == ["success", "success", "success", "failed"]
    assert stages[-1]["error"] == caught.value.to_json()
