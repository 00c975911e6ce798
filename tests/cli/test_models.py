"""What people see of models, and what they decide about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import tasks
from pipeline.errors import NotCompiledError
from pipeline.settings import Settings
from pipeline.stores.ledger_events import find_shadows
from pipeline.tasks import Workspace, proving
from tests.cli.conftest import JOB, Nightjar, UseKept
from tests.meter_readings.job import JOB as DECLARED
from tests.tasks.conftest import NOON, Prepare
from tests.tasks.kept import Kept
from tests.tasks.nights import LIVE, NEXT, train_model


@pytest.fixture
def workspace(environment: Path) -> Workspace:
    return tasks.open_workspace(Settings.from_environment())


@pytest.fixture(scope="module")
def kept_refused(scored_home: Path, prepare: Prepare) -> Kept:
    """A challenger that the gate refused."""

    def train(workspace: Workspace) -> str:
        guessing = DECLARED.model_copy(update={"model": "tests.meter_readings.model:build_guess"})
        done = train_model(workspace, guessing, LIVE, "guess")
        assert not done["promote"]["promoted"]
        return str(done["train"]["model_version"])

    return prepare(Kept(scored_home, NOON), train)


@pytest.fixture
def refused(kept_refused: Kept, use_kept: UseKept) -> str:
    """Its version."""
    return str(use_kept(kept_refused))


def champions(workspace: Workspace, *days: str) -> list[str]:
    return [workspace.ledger(DECLARED).require_champion(day).version for day in days]


def test_models_are_shown_with_their_history(nightjar: Nightjar, refused: str) -> None:
    listed = nightjar("models", JOB, "--json").json
    assert listed["champion"] == "1"
    first, second = listed["versions"]
    assert (first["champion"], first["standing"], first["holds_from"]) == (True, "promoted", LIVE)
    assert (second["champion"], second["standing"], second["partition"]) == (False, "refused", LIVE)
    assert second["trained_through"] < LIVE
    assert second["metrics"]["rmse"] > first["metrics"]["rmse"]
    assert [(verdict["champion"], verdict["promote"]) for verdict in second["gate"]] == [("1", False)]
    assert [event["kind"] for event in listed["history"]] == ["registered", "promoted", "registered", "refused"]
    assert all(event["who"] and event["at"] and event["why"] for event in listed["history"])
    shown = nightjar("models", JOB)
    assert shown.code == 0
    for words in ("champion", "none → 1", "refused", "history", "training", LIVE):
        assert words in shown.out


def test_a_person_may_promote_what_the_gate_refused_and_the_ledger_says_so(
    nightjar: Nightjar, workspace: Workspace, refused: str
) -> None:
    answer = nightjar("promote", JOB, refused, "--why", "a test", "--who", "Jane Doe", "--from", NEXT)
    assert answer.code == 0
    assert f"model {refused} of {JOB} is champion from {NEXT} on" in answer.out
    assert "although the gate refused it: may be worse" in answer.error
    assert champions(workspace, LIVE, NEXT) == ["1", refused]
    event = workspace.ledger(DECLARED).events()[-1]
    assert (event.kind, event.who, event.holds_from) == ("promoted", "Jane Doe", NEXT)
    assert event.why.startswith("a test (although the gate refused it: ")


def test_a_demotion_restores_the_champion_before_and_can_be_taken_back(
    nightjar: Nightjar, workspace: Workspace, refused: str
) -> None:
    nightjar("promote", JOB, refused, "--why", "a test", "--from", NEXT)
    answer = nightjar("demote", JOB, refused, "--why", "worse indeed", "--from", NEXT, "--json")
    assert (answer.json["previous"], answer.json["champion"]) == (refused, "1")
    assert champions(workspace, NEXT) == ["1"]
    again = nightjar("promote", JOB, refused, "--why", "the fault was elsewhere", "--from", NEXT, "--json").json
    assert "it was demoted by" in again["objection"]
    assert champions(workspace, NEXT) == [refused]


def test_a_person_may_end_what_waits_and_no_champion(nightjar: Nightjar, workspace: Workspace, refused: str) -> None:
    ledger = workspace.ledger(DECLARED)
    ledger.shadow(refused, holds_from=NEXT, until=NEXT, who="tests", why="a test", expected_champion="1")
    answer = nightjar("reject", JOB, refused, "--why", "it hangs", "--who", "Jane Doe")
    assert (answer.code, find_shadows(ledger.events())) == (0, [])
    assert f"model {refused} of {JOB} is no candidate any more" in answer.out
    event = ledger.events()[-1]
    assert (event.kind, event.who, event.why) == ("rejected", "Jane Doe", "it hangs")


def test_by_default_released_nights_keep_their_champion(nightjar: Nightjar, workspace: Workspace, refused: str) -> None:
    assert nightjar("run", JOB, "--partition", NEXT).code == 0
    done = nightjar("promote", JOB, refused, "--why", "a test", "--json").json
    assert done["event"]["holds_from"] == "2024-03-05"
    assert champions(workspace, NEXT, "2024-03-05") == ["1", refused]


def test_what_does_not_load_is_not_promoted_by_anybody(nightjar: Nightjar, workspace: Workspace, refused: str) -> None:
    path = workspace.ledger(DECLARED).version(refused).registration.artifact_path
    workspace.lake.replace(path, b"altered")
    answer = nightjar("promote", JOB, refused, "--why", "a test")
    assert answer.code == 1
    assert "not the one that was registered" in answer.error
    assert champions(workspace, NEXT) == ["1"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("promote", JOB, "9", "--why", "a test"), "there is no model 9"),
        (("promote", JOB, "1", "--why", " "), "nobody would know later why"),
        (("promote", JOB, "1", "--why", "a test", "--from", "tomorrow"), "not a date"),
        (("demote", JOB, "2", "--why", "a test", "--from", NEXT), "is not champion"),
        (("reject", JOB, "1", "--why", "a test"), "demote it first"),
        (("reject", JOB, "2", "--why", " "), "nobody would know later why"),
    ],
)
def test_what_cannot_be_done_is_said(nightjar: Nightjar, words: tuple[str, ...], told: str) -> None:
    answer = nightjar(*words)
    assert answer.code == 1
    assert told in answer.error
    assert len(nightjar("models", JOB, "--json").json["history"]) == 2


def test_mlflow_follows(nightjar: Nightjar, refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - seconds

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("NIGHTJAR_MLFLOW_URI", uri)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    for command, champion in (("promote", refused), ("demote", "1")):
        assert nightjar(command, JOB, refused, "--why", "a test", "--from", NEXT, "--json").code == 0
        aliases = client.get_registered_model(JOB).aliases
        assert client.get_model_version(JOB, aliases["champion"]).tags["model_version"] == champion


@pytest.fixture(scope="module")
def kept_trees(scored_home: Path, prepare: Prepare, kernel: Path) -> Kept:
    """A registered challenger of boosted trees."""
    del kernel

    def train(workspace: Workspace) -> str:
        boosted = DECLARED.model_copy(update={"model": "tests.meter_readings.model:build_trees"})
        snapped = tasks.snapshot(workspace, boosted, LIVE, "trees")
        return str(tasks.train(workspace, boosted, LIVE, "trees", snapped)["model_version"])

    return prepare(Kept(scored_home, NOON), train)


@pytest.fixture
def trees(kept_trees: Kept, use_kept: UseKept) -> str:
    """Its version."""
    return str(use_kept(kept_trees))


def test_a_promotion_by_hand_compiles_the_trees(nightjar: Nightjar, trees: str) -> None:
    compiled = [version["compiled"] for version in nightjar("models", JOB, "--json").json["versions"]]
    assert compiled == [0, 0]
    answer = nightjar("promote", JOB, trees, "--why", "a test", "--who", "Jane Doe", "--from", NEXT)
    assert (answer.code, "scikit-learn" in answer.error) == (0, False)
    compiled = [version["compiled"] for version in nightjar("models", JOB, "--json").json["versions"]]
    assert compiled == [0, 30]
    assert "30 trees" in nightjar("models", JOB).out
    assert nightjar("doctor", "--json").json["jobs"][JOB] == f"champion: model {trees}, 30 trees compiled"


def test_a_model_can_be_compiled_at_any_time(nightjar: Nightjar, trees: str) -> None:
    done = nightjar("compile", JOB, trees, "--json").json
    assert (done["model_version"], done["trees"]) == (trees, 30)
    assert done["rows"] > 4096
    assert f"30 trees of model {trees} of {JOB} are compiled" in nightjar("compile", JOB, trees).out


def test_a_model_without_trees_cannot_be_compiled(nightjar: Nightjar) -> None:
    answer = nightjar("compile", JOB, "1", "--json")
    assert answer.code != 0
    assert "model 1 has no trees that could be compiled" in answer.error
    assert nightjar("doctor", "--json").json["jobs"][JOB] == "champion: model 1, not compiled"


def test_a_promotion_says_that_trees_were_not_compiled(
    nightjar: Nightjar, trees: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise NotCompiledError("there is no kernel")

    monkeypatch.setattr(proving, "compile_model", fail)
    answer = nightjar("promote", JOB, trees, "--why", "a test", "--who", "Jane Doe", "--from", NEXT)
    assert answer.code == 0
    assert "scikit-learn will score it: there is no kernel" in answer.error
