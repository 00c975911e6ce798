"""The fault trial, made short: faults in real nights are scored, validated and counted."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from pipeline.jobs.flight_delays.upstream import FlightUpstream
from trials.faults import __main__ as command
from trials.faults.cases import Case, list_cases
from trials.faults.corruptions import lose_values
from trials.faults.deliveries import deliver, deliver_faulty
from trials.faults.nights import CALIBRATION, CLEAN, DEVELOPMENT, FAULTY
from trials.faults.report import Cost, Row, find_alarms, make_rows
from trials.faults.results import NightResults
from trials.faults.validating import FLAGGED, MISSED, REFUSED, Outcome

NIGHT = date(2013, 2, 20)
STORM = date(2013, 2, 8)
RAINY = date(2013, 6, 7)


def choose_case(name: str) -> Case:
    return next(case for case in list_cases() if case.name == name)


def test_nothing_that_is_counted_was_calibrated_on() -> None:
    assert not {*CALIBRATION, *DEVELOPMENT} & {*CLEAN, *FAULTY}
    assert len(CLEAN) >= 120
    assert len(FAULTY) >= 20


def test_faults_cost_and_are_caught_and_a_storm_is_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = [
        choose_case("times 100 schedule.distance 100%"),
        choose_case("minutes to hours flights.arr_delay 30%"),
        choose_case("file of 7 days ago, redated schedule.* 100%"),
        choose_case("rows lost schedule.* 5%"),
    ]
    rows, report = command.run(tmp_path, cases, [NIGHT], [STORM], processes=1)
    by_name = {row.case.name: row for row in rows}
    assert report["clean_nights"] == 1
    assert report["false_alarms"] == 0
    assert report["drift_nights"] == 1
    assert by_name[cases[0].name].cost.auc > 0.02
    assert [by_name[case.name].is_caught for case in cases] == [True, True, True, False]
    assert by_name[cases[0].name].verdicts[REFUSED] == 1
    assert json.loads(json.dumps(report))["costly"] >= 1


@pytest.mark.parametrize("case", list_cases(), ids=lambda case: case.name)
def test_every_case_makes_a_delivery_unlike_the_real_one(upstream: FlightUpstream, case: Case) -> None:
    day = RAINY
    faulty = deliver_faulty(upstream, case, day)
    real = deliver(upstream, case.source, day)
    assert faulty.schema == real.schema
    assert not faulty.equals(real)
    assert faulty.equals(deliver_faulty(upstream, case, day))


def test_a_share_of_the_rows_is_hit(upstream: FlightUpstream) -> None:
    case = Case("missing", "weather", "humid", 0.25, lose_values("humid"))
    assert deliver_faulty(upstream, case, date(2013, 4, 11))["humid"].null_count == 18


def test_a_fault_has_to_be_seen_on_nearly_all_nights_to_count_as_caught() -> None:
    case = choose_case("missing flights.arr_delay 100%")
    costs = {case.name: Cost(0.02, 0.0, 0)}

    def make_row(*verdicts: str) -> Row:
        nights = [{case.name: Outcome(verdict, ["sign"] * (verdict == REFUSED))} for verdict in verdicts]
        return make_rows([case], costs, nights)[0]

    assert make_row(*[REFUSED] * 19, *[FLAGGED] * 3, MISSED).is_caught
    assert not make_row(*[REFUSED] * 18, MISSED).is_caught
    assert make_row(REFUSED, MISSED).sign == "sign"


def test_a_night_of_two_alarms_is_one_false_alarm() -> None:
    night = {"flights": Outcome(FLAGGED, ["a"]), "weather": Outcome(REFUSED, ["b"]), "schedule": Outcome(MISSED)}
    quiet = {"flights": Outcome(MISSED, [], ["a storm"])}
    assert find_alarms({STORM: night, NIGHT: quiet}) == {"2013-02-08": ["flights flagged: a", "weather refused: b"]}


def test_results_of_a_night_are_kept(tmp_path: Path) -> None:
    made: list[str] = []

    def make(name: str) -> int:
        made.append(name)
        return len(name)

    for _ in range(2):
        assert NightResults(tmp_path).find_or_make(STORM, ["a", "bb"], make) == {"a": 1, "bb": 2}
    assert NightResults(tmp_path).find_or_make(STORM, ["ccc"], make) == {"ccc": 3}
    assert made == ["a", "bb", "ccc"]
