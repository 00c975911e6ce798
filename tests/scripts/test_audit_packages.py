"""What counts in an audit of the locked packages: every finding but those that somebody has looked at."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scripts.audit_packages import IGNORED, LOCKS, ROOT, Ignored, gives_answers, judge_report, main, read_ignored

TODAY = date(2026, 3, 1)
BAD = {"name": "example", "version": "1.2", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.3"]}]}
GOOD = {"name": "fine", "version": "2.0", "vulns": []}
SKIPPED = {"name": "own", "skip_reason": "not on the index"}


def report(*packages: dict[str, Any]) -> dict[str, Any]:
    """A report as pip-audit writes it."""
    return {"dependencies": list(packages), "fixes": []}


def ignore(**changes: Any) -> Ignored:
    parts: dict[str, Any] = {"package": "example", "id": "CVE-1", "reason": "not reachable", "until": TODAY}
    return Ignored(**parts | changes)


def stand_in(folder: Path, answer: str) -> str:
    """A program that answers whatever it is asked, as an unreachable service or another world would."""
    program = folder / "pip-audit"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    program.chmod(0o755)
    return str(program)


def test_a_finding_counts_and_says_where_it_is_fixed() -> None:
    findings, remarks = judge_report(report(GOOD, BAD), [], TODAY)
    assert findings == ["example 1.2: PYSEC-1 CVE-1, fixed in 1.3"]
    assert remarks == []


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
def test_one_that_was_looked_at_is_told_by_any_of_its_names(name: str) -> None:
    findings, remarks = judge_report(report(BAD), [ignore(id=name)], TODAY)
    assert findings == []
    assert remarks == ["example 1.2: PYSEC-1 CVE-1 is ignored until 2026-03-01: not reachable"]


@pytest.mark.parametrize("changes", [{"until": date(2026, 2, 28)}, {"package": "other"}, {"id": "CVE-2"}])
def test_what_was_ignored_for_another_package_or_another_time_counts(changes: dict[str, Any]) -> None:
    assert len(judge_report(report(BAD), [ignore(**changes)], TODAY)[0]) == 1


def test_a_package_that_was_not_audited_is_told() -> None:
    assert judge_report(report(SKIPPED), [], TODAY) == ([], ["own was not audited: not on the index"])


def test_an_ignored_finding_needs_a_reason() -> None:
    entry = '[[ignored]]\npackage = "example"\nid = "CVE-1"\nreason = " "\nuntil = 2026-03-01\n'
    with pytest.raises(ValueError, match="without a reason"):
        read_ignored(entry)
    with pytest.raises(TypeError):
        read_ignored('[[ignored]]\npackage = "example"\nid = "CVE-1"\n')


def test_the_list_of_the_project_can_be_read_and_its_locks_are_there() -> None:
    read_ignored(IGNORED.read_text())
    assert all((ROOT / lock).is_file() for lock in LOCKS)


@pytest.mark.parametrize("answer", ["", "no JSON", json.dumps(report(GOOD)), json.dumps(report(SKIPPED))])
def test_a_service_that_does_not_know_what_everybody_knows_gives_no_answers(
    tmp_path: Path, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program = stand_in(tmp_path, answer)
    assert not gives_answers(program)
    assert main(program) == 0
    assert capsys.readouterr().out.startswith("NOT AUDITED: ")


def test_findings_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(stand_in(tmp_path, json.dumps(report(BAD, GOOD)))) == 1
    out = capsys.readouterr().out
    assert out.count("VULNERABLE example 1.2") == len(LOCKS)
    assert "requirements/dev.lock: 2 packages, 1 findings that count" in out


def test_locks_name_no_index_and_pin_the_tools() -> None:
    text = (ROOT / "requirements" / "audit.lock").read_text()
    assert "://" not in text
    for tool in ("pip-audit==", "cyclonedx-bom=="):
        assert tool in text
