from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from pipeline.errors import DamagedError, NotReadyError, RefusedError
from pipeline.stores.lake import Lake
from pipeline.stores.ledger import Ledger
from pipeline.stores.ledger_events import Event, find_challenger
from tests.clock import Clock
from tests.stores.model_samples import make_registration, tell_noon


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


@pytest.fixture
def ledger(lake: Lake) -> Ledger:
    return Ledger(lake, "parcels", tell_noon)


def register(ledger: Ledger, letter: str) -> str:
    return ledger.register(make_registration(letter * 64), who="ada", why="trained").version


def promote(ledger: Ledger, version: str, holds_from: str, expected: str | None, **options: bool) -> Event:
    return ledger.promote(
        version, holds_from=holds_from, who="ada", why="better", expected_champion=expected, **options
    )


def champions(ledger: Ledger, *partitions: str) -> list[str | None]:
    found = [ledger.champion(partition) for partition in partitions]
    return [None if champion is None else champion.version for champion in found]


def test_events_are_numbered_files_that_say_who_when_and_why(lake: Lake, ledger: Ledger) -> None:
    register(ledger, "a")
    promote(ledger, "1", "2024-05-06", None)
    assert lake.list("jobs/parcels/models") == ["000001.json", "000002.json"]
    assert lake.read_json("jobs/parcels/models/000002.json") == {
        "number": 2,
        "kind": "promoted",
        "model_version": "1",
        "at": "2024-05-06T12:00:00+00:00",
        "who": "ada",
        "why": "better",
        "holds_from": "2024-05-06",
        "until": None,
        "champion_before": None,
        "champion_after": "1",
        "registration": None,
    }


def refuse(ledger: Ledger, version: str, champion: str | None) -> Event:
    return ledger.refuse(version, holds_from="2024-05-06", who="night", why="may be worse", champion=champion)


def test_what_the_gate_refused_is_no_challenger_any_more_and_may_pass_against_another_champion(ledger: Ledger) -> None:
    for letter in "ab":
        register(ledger, letter)
    promote(ledger, "1", "2024-05-06", None)
    refused = refuse(ledger, "2", "1")
    assert (refused.kind, refused.champion_before, refused.champion_after) == ("refused", "1", "1")
    assert find_challenger(ledger.events()) is None
    assert refuse(ledger, "2", "1") == refused
    ledger.demote("1", holds_from="2024-05-06", who="ada", why="wrong")
    assert refuse(ledger, "2", None).number > refused.number
    assert promote(ledger, "2", "2024-05-06", None).champion_before is None
    assert champions(ledger, "2024-05-06") == ["2"]


@pytest.mark.parametrize("decided", ["promoted", "demoted", "rejected", "shadowed"])
def test_a_late_refusal_undoes_nothing_that_was_decided_since(ledger: Ledger, decided: str) -> None:
    register(ledger, "a")
    if decided == "rejected":
        ledger.reject("1", who="ada", why="no")
    elif decided == "shadowed":
        ledger.shadow("1", holds_from="2024-05-06", until="2024-05-08", who="ada", why="passed", expected_champion=None)
    else:
        promote(ledger, "1", "2024-05-06", None)
    if decided == "demoted":
        ledger.demote("1", holds_from="2024-05-06", who="ada", why="wrong")
    before = ledger.events()
    assert refuse(ledger, "1", None).kind == decided
    assert ledger.events() == before


def test_events_say_who_was_champion_before_and_after(ledger: Ledger) -> None:
    for letter in "ab":
        register(ledger, letter)
    promote(ledger, "1", "2024-05-06", None)
    promoted = promote(ledger, "2", "2024-05-08", "1")
    demoted = ledger.demote("2", holds_from="2024-05-08", who="ada", why="wrong")
    assert [(event.champion_before, event.champion_after) for event in (promoted, demoted)] == [("1", "2"), ("2", "1")]


def test_a_registration_is_read_back_as_it_was_written(ledger: Ledger) -> None:
    registration = make_registration()
    ledger.register(registration, who="ada", why="trained")
    assert ledger.versions()[0].registration == registration
    assert ledger.version("1").registered_at == "2024-05-06T12:00:00+00:00"


def test_versions_count_registrations_and_not_events(ledger: Ledger) -> None:
    register(ledger, "a")
    promote(ledger, "1", "2024-05-06", None)
    assert register(ledger, "b") == "2"


def test_the_same_file_keeps_its_version(ledger: Ledger) -> None:
    register(ledger, "a")
    register(ledger, "b")
    assert register(ledger, "a") == "1"
    assert len(ledger.events()) == 2


def test_the_same_model_for_another_version_of_the_feature_set_is_another_version(ledger: Ledger) -> None:
    """Its file has the same bytes; what says for which features it is has not."""
    register(ledger, "a")
    raised = make_registration("a" * 64, metadata_digest="c" * 64, feature_set_version=4)
    version = ledger.register(raised, who="ada", why="trained again")
    assert version.version == "2"
    assert version.registration.feature_set_version == 4
    assert ledger.register(raised, who="ada", why="trained again").version == "2"
    assert register(ledger, "a") == "1"


def test_a_promotion_holds_from_its_partition_on(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-06", None)
    promote(ledger, register(ledger, "b"), "2024-05-13", "1")
    assert champions(ledger, "2024-05-05", "2024-05-06", "2024-05-12", "2024-05-13", "2025-01-01") == [
        None,
        "1",
        "1",
        "2",
        "2",
    ]


def test_a_model_promoted_late_for_an_old_partition_does_not_push_out_the_newer_one(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-13", None)
    promote(ledger, register(ledger, "b"), "2024-04-01", None)
    assert champions(ledger, "2024-04-01", "2024-05-12", "2024-05-13") == ["2", "2", "1"]


def test_of_two_promotions_for_one_partition_the_later_counts(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-06", None)
    promote(ledger, register(ledger, "b"), "2024-05-06", "1")
    assert champions(ledger, "2024-05-06") == ["2"]


def test_a_demotion_restores_the_champion_before_and_leaves_past_nights_alone(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-06", None)
    promote(ledger, register(ledger, "b"), "2024-05-13", "1")
    ledger.demote("2", holds_from="2024-05-15", who="ada", why="complaints")
    assert champions(ledger, "2024-05-14", "2024-05-15") == ["2", "1"]


def test_demoting_the_only_champion_leaves_none(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-06", None)
    ledger.demote("1", holds_from="2024-05-06", who="ada", why="complaints")
    assert champions(ledger, "2024-05-06") == [None]


def test_demoting_again_changes_nothing(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-06", None)
    first = ledger.demote("1", holds_from="2024-05-07", who="ada", why="complaints")
    assert ledger.demote("1", holds_from="2024-05-07", who="bob", why="complaints") == first
    assert len(ledger.events()) == 3


def test_only_the_champion_can_be_demoted(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-06", None)
    register(ledger, "b")
    with pytest.raises(RefusedError, match="model 1 as champion"):
        ledger.demote("2", holds_from="2024-05-06", who="ada", why="complaints")


def test_promoting_again_changes_nothing(ledger: Ledger) -> None:
    first = promote(ledger, register(ledger, "a"), "2024-05-06", None)
    assert promote(ledger, "1", "2024-05-06", None) == first
    assert len(ledger.events()) == 2


def test_a_challenger_compared_with_another_champion_is_refused(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-06", None)
    register(ledger, "b")
    with pytest.raises(RefusedError) as refused:
        promote(ledger, "2", "2024-05-06", None)
    assert (refused.value.expected, refused.value.found) == ("no champion", "model 1 as champion")
    assert len(ledger.events()) == 3


def test_a_late_retry_does_not_bring_back_what_a_person_demoted(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-06", None)
    ledger.demote("1", holds_from="2024-05-06", who="ada", why="complaints")
    with pytest.raises(RefusedError, match="demoted by ada"):
        promote(ledger, "1", "2024-05-06", None)


def test_a_person_can_promote_again_what_was_demoted(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-06", None)
    ledger.demote("1", holds_from="2024-05-06", who="ada", why="complaints")
    promote(ledger, "1", "2024-05-06", None, again=True)
    assert champions(ledger, "2024-05-06") == ["1"]


def test_a_rejected_model_is_no_challenger_and_is_not_promoted(ledger: Ledger) -> None:
    register(ledger, "a")
    assert find_challenger(ledger.events()) == "1"
    first = ledger.reject("1", who="ada", why="uses a leak")
    assert ledger.reject("1", who="bob", why="uses a leak") == first
    assert find_challenger(ledger.events()) is None
    with pytest.raises(RefusedError, match="uses a leak"):
        promote(ledger, "1", "2024-05-06", None)


def test_a_late_promotion_does_not_undo_that_a_person_chose_the_model_before(ledger: Ledger) -> None:
    for letter in "ab":
        register(ledger, letter)
    promote(ledger, "1", "2024-05-06", None)
    promote(ledger, "2", "2024-05-13", "1")
    promote(ledger, "1", "2024-05-13", "2", again=True)
    with pytest.raises(RefusedError, match="model 2 was champion and was replaced"):
        promote(ledger, "2", "2024-05-13", "1")
    assert champions(ledger, "2024-05-13") == ["1"]
    promote(ledger, "2", "2024-05-13", "1", again=True)
    assert champions(ledger, "2024-05-13") == ["2"]


def test_the_champion_is_not_rejected(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-06", None)
    with pytest.raises(RefusedError, match="demote it first"):
        ledger.reject("1", who="ada", why="mistake")


def test_an_unknown_version_is_not_promoted(ledger: Ledger) -> None:
    register(ledger, "a")
    with pytest.raises(NotReadyError, match="there is no model 7"):
        promote(ledger, "7", "2024-05-06", None)


def test_a_missing_champion_says_how_to_train_one(ledger: Ledger) -> None:
    promote(ledger, register(ledger, "a"), "2024-05-06", None)
    with pytest.raises(NotReadyError) as missing:
        ledger.require_champion("2024-05-01")
    assert missing.value.next_step == "nightjar train parcels --partition 2024-04-30"
    assert missing.value.partition == "2024-05-01"
    assert ledger.require_champion("2024-05-06").version == "1"


def test_a_lost_race_is_decided_again_on_what_the_winner_wrote(
    tmp_path: Path, lake: Lake, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(ledger, "a")
    register(ledger, "b")
    rival = Ledger(Lake(str(tmp_path)), "parcels", tell_noon)
    put = lake.put_json_if_absent

    def put_after_the_rival(path: str, value: Any) -> bool:
        monkeypatch.setattr(lake, "put_json_if_absent", put)
        promote(rival, "2", "2024-05-06", None)
        return put(path, value)

    monkeypatch.setattr(lake, "put_json_if_absent", put_after_the_rival)
    with pytest.raises(RefusedError, match="model 2 as champion"):
        promote(ledger, "1", "2024-05-06", None)
    assert champions(ledger, "2024-05-06") == ["2"]


def test_of_many_promoters_at_once_exactly_one_wins(tmp_path: Path) -> None:
    ledgers = [Ledger(Lake(str(tmp_path)), "parcels", tell_noon) for _ in range(6)]
    versions = [register(ledgers[0], letter) for letter in "abcdef"]
    start = Barrier(len(versions))
    refused: list[str] = []

    def run(ledger: Ledger, version: str) -> None:
        start.wait()
        try:
            promote(ledger, version, "2024-05-06", None)
        except RefusedError:
            refused.append(version)

    threads = [Thread(target=run, args=pair) for pair in zip(ledgers, versions, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [event.model_version for event in ledgers[0].events() if event.kind == "promoted"]
    assert len(winners) == 1
    assert sorted(refused + winners) == versions


def test_registrations_at_once_get_a_version_each(tmp_path: Path) -> None:
    letters = "abcdef"
    start = Barrier(len(letters))

    def run(letter: str) -> None:
        ledger = Ledger(Lake(str(tmp_path)), "parcels", tell_noon)
        start.wait()
        register(ledger, letter)

    threads = [Thread(target=run, args=(letter,)) for letter in letters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = Ledger(Lake(str(tmp_path)), "parcels", tell_noon).versions()
    assert [version.version for version in versions] == ["1", "2", "3", "4", "5", "6"]
    assert {version.registration.model_digest[0] for version in versions} == set(letters)


def test_a_ledger_as_it_was_known_then_tells_no_later_event_and_is_not_written_to(lake: Lake) -> None:
    clock = Clock(datetime(2024, 5, 6, 12, tzinfo=UTC))
    ledger = Ledger(lake, "parcels", clock)
    register(ledger, "a")
    clock.advance(hours=1)
    promote(ledger, "1", "2024-05-06", None)
    then = Ledger(lake, "parcels", clock, known_by=datetime(2024, 5, 6, 12, 30, tzinfo=UTC))
    assert [event.kind for event in then.events()] == ["registered"]
    assert champions(then, "2024-05-06") == [None]
    with pytest.raises(ValueError, match="is not written to"):
        promote(then, "1", "2024-05-06", None)
    assert len(ledger.events()) == 2


def test_a_damaged_ledger_is_told(lake: Lake, ledger: Ledger) -> None:
    register(ledger, "a")
    register(ledger, "b")
    lake.remove("jobs/parcels/models/000001.json")
    with pytest.raises(DamagedError, match="the model ledger is damaged: an event is missing"):
        ledger.champion("2024-05-06")
