"""A night is scored by compiled trees where they may be used, and by scikit-learn where not, with the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline import tasks
from pipeline.errors import NotCompiledError, RefusedError
from pipeline.job import Job
from pipeline.settings import Settings
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.stage_outputs import Output
from pipeline.tasks import Workspace, open_workspace, proving
from pipeline.tasks.candidates import find_candidate
from pipeline.tasks.manifests import read_manifest
from pipeline.tasks.runs import Summary
from pipeline.tasks.scoring import COMPILED, SCORE_STAGE, SHADOW_STAGE
from tests.clock import Clock
from tests.conftest import make_settings
from tests.meter_readings.job import JOB
from tests.tasks.conftest import NO_REDIS, PREPARED_AT, copy_home
from tests.tasks.nights import LIVE, NEXT, TRAINED_ON, read_scores, run_night, run_until_scored, train_model

pytestmark = pytest.mark.usefixtures("kernel")

TREES = JOB.model_copy(update={"model": "tests.meter_readings.model:build_trees"})
KEYS = (SecretStr("signing-" * 4),)


def sign(settings: Settings) -> Settings:
    return settings.model_copy(update={"signing_keys": KEYS})


def train_and_prove(workspace: Workspace, job: Job) -> dict[str, Summary]:
    snapped = tasks.snapshot(workspace, job, TRAINED_ON, "training")
    trained = tasks.train(workspace, job, TRAINED_ON, "training", snapped)
    evaluated = tasks.evaluate(workspace, job, TRAINED_ON, "training", trained)
    proved = tasks.prove(workspace, job, TRAINED_ON, "training", evaluated)
    return {"prove": proved, "promote": tasks.promote(workspace, job, TRAINED_ON, "training", proved)}


@pytest.fixture(scope="session")
def trees_home(validated_home: Path, tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> Path:
    """Deliveries, and a signed champion of trees that were compiled."""
    del kernel
    home = tmp_path_factory.mktemp("trees") / "home"
    shutil.copytree(validated_home, home)
    workspace = open_workspace(sign(make_settings(home, NO_REDIS)), Clock(PREPARED_AT))
    done = train_and_prove(workspace, TREES)
    assert done["promote"]["promoted"]
    assert (done["prove"]["compiled"]["trees"], done["prove"]["compiled"]["why_not"]) == (30, None)
    assert done["prove"]["compiled"]["rows"] > 4096
    return home


@pytest.fixture
def job() -> Job:
    """The second job, with trees."""
    return TREES


@pytest.fixture
def workspace(trees_home: Path, settings: Settings, clock: Clock) -> Iterator[Workspace]:
    """A workspace with that champion."""
    yield from copy_home(trees_home, sign(settings), clock)


def champion(workspace: Workspace) -> ModelVersion:
    return workspace.ledger(TREES).require_champion(LIVE)


def load_scores(workspace: Workspace, done: dict[str, Summary]) -> Output:
    return workspace.outputs(TREES).load(SCORE_STAGE, done["score"]["output"])


def forget_compiled(workspace: Workspace, version: str = "1") -> None:
    digest = workspace.ledger(TREES).version(version).registration.model_digest
    workspace.lake.remove(f"jobs/{TREES.name}/artifacts/{digest}.compiled.json")


def spoil_tables(workspace: Workspace) -> None:
    folder = f"jobs/{TREES.name}/artifacts"
    (name,) = (name for name in workspace.lake.list(folder) if name.endswith(".trees.parquet"))
    workspace.lake.replace(f"{folder}/{name}", b"altered")


def test_a_night_is_scored_by_compiled_trees(workspace: Workspace, job: Job) -> None:
    done = run_night(workspace, job, LIVE)
    compiled = workspace.compiled(job).find(champion(workspace))
    assert load_scores(workspace, done).inputs[COMPILED] == compiled.digest
    assert done["score"]["warnings"] == []
    manifest = read_manifest(workspace, job, done["publish"]["generation"])
    assert manifest["model"]["compiled"] == compiled.digest


def test_scoring_again_gives_the_same_bytes(workspace: Workspace, job: Job) -> None:
    first = run_until_scored(workspace, job, LIVE)
    again = run_until_scored(workspace, job, LIVE, "again", force=True)
    assert first["score"]["output"] == again["score"]["output"]
    found = run_until_scored(workspace, job, LIVE, "third")["score"]
    assert (found["output"], found["computed"], found["warnings"]) == (first["score"]["output"], False, [])


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (
            forget_compiled,
            "the trees of model 1 are not compiled; nightjar compile meter_readings 1",
        ),
        (spoil_tables, "the trees of model 1 were altered; nightjar compile meter_readings 1"),
    ],
)
def test_without_them_scikit_learn_scores_the_same_and_says_so(
    workspace: Workspace, job: Job, harm: Callable[[Workspace], None], problem: str
) -> None:
    fast = run_until_scored(workspace, job, LIVE)
    harm(workspace)
    slow = run_until_scored(workspace, job, LIVE, "again", force=True)
    assert slow["score"]["warnings"] == [f"scikit-learn scored, and not compiled trees: {problem}"]
    assert slow["score"]["output"] != fast["score"]["output"]
    assert COMPILED not in load_scores(workspace, slow).inputs
    assert read_scores(workspace, job, slow["score"]) == read_scores(workspace, job, fast["score"])


def test_what_was_rolled_back_does_not_come_back_by_scikit_learn(workspace: Workspace, job: Job) -> None:
    for night in (LIVE, NEXT):
        run_night(workspace, job, night)
    target = tasks.choose_rollback(workspace, job, to=None, with_model=False)
    tasks.roll_back(workspace, job, target, with_model=False, who="Jane Doe", why="it is warmer than that")
    forget_compiled(workspace)
    with pytest.raises(RefusedError, match="rolled back"):
        run_night(workspace, job, NEXT, "again")


def test_releases_of_other_scores_are_told_apart(workspace: Workspace, job: Job) -> None:
    """As they are without compiled trees."""
    digests = []
    for night in (LIVE, NEXT):
        done = run_until_scored(workspace, job, night)
        digests.append(find_candidate(workspace, job, LIVE, "first", done["score"]).digest_inputs({}))
    assert digests[0] != digests[1]


def test_reasons_are_those_of_scikit_learn(workspace: Workspace, job: Job) -> None:
    outputs = workspace.outputs(job)
    reasons = []
    for run in ("fast", "slow"):
        done = run_until_scored(workspace, job, LIVE, run)["score"]
        output = outputs.load("explain", done["reasons"]["output"])
        reasons.append(outputs.read_all(output, "reasons"))
        forget_compiled(workspace)
    assert reasons[0].equals(reasons[1])


def test_a_model_without_trees_is_scored_without_a_warning(trained: Workspace) -> None:
    done = run_until_scored(trained, JOB, LIVE)
    assert done["score"]["warnings"] == []
    assert COMPILED not in load_scores(trained, done).inputs


def test_a_model_without_trees_has_nothing_compiled(validated: Workspace) -> None:
    proved = train_and_prove(validated, JOB)["prove"]
    assert proved["compiled"] == {"trees": 0, "rows": 0, "why_not": None}
    assert not any("compiled" in name for name in validated.lake.list(f"jobs/{JOB.name}/artifacts"))


def test_what_cannot_be_compiled_is_promoted_all_the_same(
    validated: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise NotCompiledError("the kernel of compiled trees was not built on this machine")

    monkeypatch.setattr(proving, "compile_model", fail)
    done = train_and_prove(validated, job)
    assert done["prove"]["compiled"]["why_not"] == "the kernel of compiled trees was not built on this machine"
    assert done["promote"]["promoted"]
    assert "model 1 will be scored by scikit-learn" in caplog.text


def test_a_challenger_on_shadow_nights_scores_by_its_compiled_trees(validated: Workspace, job: Job) -> None:
    train_model(validated, job.model_copy(update={"model": "tests.meter_readings.model:build_guess"}), run="guess")
    shadowed = job.model_copy(update={"training": job.training.model_copy(update={"shadow_nights": 2})})
    assert train_and_prove(validated, shadowed)["promote"]["shadowed"]
    version = validated.ledger(job).version("2")
    done = run_night(validated, shadowed, LIVE)["score_shadows"]
    output = validated.outputs(job).load(SHADOW_STAGE, done["shadows"]["2"])
    assert output.inputs[COMPILED] == validated.compiled(job).find(version).digest
    assert done["warnings"] == []
    forget_compiled(validated, "2")
    again = run_night(validated, shadowed, LIVE, "again")["score_shadows"]
    assert "the trees of model 2 are not compiled" in again["warnings"][0]
    assert validated.outputs(job).load(SHADOW_STAGE, again["shadows"]["2"]).files == output.files


def test_retention_keeps_the_tables_of_models_and_no_others(workspace: Workspace, job: Job, clock: Clock) -> None:
    folder = f"jobs/{job.name}/artifacts"
    superseded = f"{folder}/{'ab' * 32}.trees.parquet"
    workspace.lake.replace(superseded, b"of a compiler that there was before")
    clock.now = datetime.now(UTC) + timedelta(days=400)
    files = {f"{folder}/{name}" for name in workspace.lake.list(folder)}
    removed = {removal.where for removal in tasks.apply_retention(workspace, job)}
    assert removed & files == {superseded}
    assert workspace.compiled(job).find(champion(workspace)).trees == 30
    assert run_until_scored(workspace, job, LIVE)["score"]["warnings"] == []
