"""Commands that answer for data and keep house: accept, redeliveries, erase, retain."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from tests.cli.conftest import JOB, Nightjar
from tests.meter_readings.upstream import FIRST_ID, METERS, MeterUpstream
from tests.tasks.nights import LIVE, NEXT

ID = str(FIRST_ID)
SAID = ("--who", "Jane Doe", "--why", "checked by hand")


def land_half(nightjar: Nightjar, folder: Path, partition: str) -> None:
    """Half of the meters, which the suite refuses."""
    table = MeterUpstream().deliver("meters", date.fromisoformat(partition))
    assert table is not None
    path = folder / "half.parquet"
    pq.write_table(table.slice(0, METERS // 2), path)
    assert nightjar("land", JOB, "meters", str(path), "--partition", partition).code == 0


def test_a_refused_delivery_is_accepted_and_readers_are_told(nightjar: Nightjar, tmp_path: Path) -> None:
    land_half(nightjar, tmp_path, NEXT)
    refused = nightjar("run", JOB, "--partition", NEXT)
    assert refused.code == 1
    assert f"nightjar accept {JOB} meters --partition {NEXT}" in " ".join(refused.error.split())
    answer = nightjar("accept", JOB, "meters", "--partition", NEXT, *SAID, "--json")
    assert answer.code == 0
    assert (answer.json["who"], answer.json["new"]) == ("Jane Doe", True)
    assert "was accepted before" in nightjar("accept", JOB, "meters", "--partition", NEXT, *SAID).out
    for option in ((), ("--dry-run",)):
        shown = nightjar("run", JOB, "--partition", NEXT, *option)
        assert shown.code == 0
        assert "accepted by Jane Doe: checked by hand" in shown.out
    (caveat,) = nightjar("status", JOB, "--json").json["caveats"]
    assert "accepted by Jane Doe: checked by hand" in caveat
    stages = {stage["stage"]: stage for stage in nightjar("run", JOB, "--partition", NEXT, "--json").json["stages"]}
    assert stages["publish"]["caveats"] == [caveat]
    generation = nightjar("releases", JOB, "--json").json[0]["generation"]
    assert "Jane Doe" in nightjar("explain", JOB, generation).out


def test_a_missing_partition_has_no_delivery_to_name(nightjar: Nightjar) -> None:
    answer = nightjar("accept", JOB, "readings", "--partition", NEXT, *SAID, "--missing", "--delivery", "ab")
    assert answer.code == 2
    answer = nightjar("accept", JOB, "readings", "--partition", NEXT, *SAID, "--missing")
    assert answer.code == 1
    assert "was delivered" in answer.error


def test_released_partitions_of_which_a_delivery_came_again(nightjar: Nightjar, tmp_path: Path) -> None:
    nightjar("run", JOB, "--partition", LIVE)
    assert nightjar("redeliveries", JOB, "--json").json == []
    assert "newest now" in nightjar("redeliveries", JOB).out
    land_half(nightjar, tmp_path, LIVE)
    (affected,) = nightjar("redeliveries", JOB, "--since", LIVE, "--json").json
    assert (affected["partition"], affected["superseded"][0]["source"]) == (LIVE, "meters")
    assert f"nightjar run {JOB} --partition {LIVE}" in nightjar("redeliveries", JOB).out
    assert nightjar("redeliveries", JOB, "--since", NEXT, "--json").json == []


def test_an_entity_is_shown_first_and_erased_when_asked_to(nightjar: Nightjar) -> None:
    nightjar("run", JOB, "--partition", LIVE)
    shown = nightjar("erase", JOB, ID, *SAID)
    assert shown.code == 0
    assert "would be erased" in shown.out
    assert nightjar("get", JOB, ID, "--json").json[0]["source"] == "stale"
    answer = nightjar("erase", JOB, ID, *SAID, "--apply", "--json")
    assert (answer.code, answer.json["left"]) == (0, [])
    assert nightjar("get", JOB, ID, "--json").json[0]["source"] == "prior"
    assert "not touched: models" in nightjar("erase", JOB, ID, *SAID).out


def test_what_could_go_is_shown_and_nothing_goes_that_is_young(nightjar: Nightjar, environment: Path) -> None:
    nightjar("run", JOB, "--partition", LIVE)
    before = sorted(path for path in environment.rglob("*") if path.is_file())
    for option in ("--dry-run", "--apply"):
        answer = nightjar("retain", JOB, option, "--json")
        assert (answer.code, answer.json["removals"]) == (0, [])
    assert sorted(path for path in environment.rglob("*") if path.is_file()) == before
    assert "would be removed" in nightjar("retain", JOB).out
