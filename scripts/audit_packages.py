"""Hold the locked packages against the known vulnerabilities, with pip-audit.

    python scripts/audit_packages.py PIP_AUDIT

Fails on a vulnerability that ``requirements/audit-ignored.toml`` does not name.  Where the vulnerability service gives
no answers it says so and does not fail.  pip-audit itself counts a package that the service does not know as clean, so
the service is first asked about one that is known to be vulnerable.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements/dev.lock", "requirements/flights.lock", "requirements/uv.lock", "requirements/audit.lock")
"""dev.lock holds what demo.lock and production.lock do."""

IGNORED = ROOT / "requirements" / "audit-ignored.toml"
KNOWN_BAD = "requests==2.19.0"
"""Its CVE-2018-18074 is in every database."""

SECONDS = 600.0

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Ignored:
    """A finding that somebody has looked at.

    Attributes:
        until: the last day on which it is ignored.
    """

    id: str
    package: str
    reason: str
    until: date


def read_ignored(text: str) -> list[Ignored]:
    """The findings of an ignore list; every field must be there, and a reason must say something."""
    ignored = [Ignored(**entry) for entry in tomllib.loads(text).get("ignored", [])]
    for entry in ignored:
        if not entry.reason.strip():
            raise ValueError(f"{entry.id} is ignored without a reason")
    return ignored


def judge_report(report: Report, ignored: Iterable[Ignored], today: date) -> tuple[list[str], list[str]]:
    """What of a report of pip-audit counts, and what is only told."""
    known = {(entry.package, entry.id): entry for entry in ignored}
    findings, remarks = [], []
    for package in report["dependencies"]:
        name = f"{package['name']} {package.get('version', '')}".strip()
        if "skip_reason" in package:
            remarks.append(f"{name} was not audited: {package['skip_reason']}")
        for found in package.get("vulns", ()):
            ids = [found["id"], *found.get("aliases", ())]
            entry = next((known[package["name"], each] for each in ids if (package["name"], each) in known), None)
            fixed = ", ".join(found.get("fix_versions", ())) or "no version yet"
            if entry is None or entry.until < today:
                findings.append(f"{name}: {' '.join(ids)}, fixed in {fixed}")
            else:
                remarks.append(f"{name}: {' '.join(ids)} is ignored until {entry.until}: {entry.reason}")
    return findings, remarks


def ask(pip_audit: str, requirements: Path, *options: str) -> Report | None:
    """pip-audit's report of pinned requirements; None where the service gives no answer."""
    command = [pip_audit, "-r", str(requirements), "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    try:
        ended = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=SECONDS)
        report: Report = json.loads(ended.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return report


def gives_answers(pip_audit: str) -> bool:
    """Whether the service knows of a vulnerability that everybody knows."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "known-bad.txt"
        requirements.write_text(f"{KNOWN_BAD}\n")
        report = ask(pip_audit, requirements, "--no-deps")
    return report is not None and any(package.get("vulns") for package in report["dependencies"])


def main(pip_audit: str) -> int:
    """Audit every lock; 1 if something counts."""
    ignored = read_ignored(IGNORED.read_text())
    if not gives_answers(pip_audit):
        tell(f"NOT AUDITED: the vulnerability service gives no answers (it finds nothing wrong with {KNOWN_BAD})")
        return 0
    counting = 0
    for lock in LOCKS:
        report = ask(pip_audit, ROOT / lock, "--require-hashes")
        if report is None:
            tell(f"NOT AUDITED: {lock}: the vulnerability service stopped answering")
            continue
        findings, remarks = judge_report(report, ignored, datetime.now(UTC).date())
        counting += len(findings)
        tell(*remarks, *(f"VULNERABLE {finding}" for finding in findings))
        tell(f"{lock}: {len(report['dependencies'])} packages, {len(findings)} findings that count")
    return 1 if counting else 0


def tell(*lines: str) -> None:
    """Print lines at once, between those of other programs."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
