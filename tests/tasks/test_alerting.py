"""People are told of an episode once by every channel, whatever breaks meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.alerts import Alert
from pipeline.job import Job
from pipeline.monitoring import Part
from pipeline.stores.alarms import AlarmEvent
from pipeline.stores.alert_log import AlertLog
from pipeline.tasks import Workspace, open_workspace, tell_alarms, tell_failure
from tests.clock import Clock
from tests.mail_server import MailServer
from tests.monitoring_records import log_alarm
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, run_night
from tests.webhook import Webhook

FROM = "nightjar@example.org"
Raise = Callable[..., AlarmEvent]


@pytest.fixture
def job(job: Job) -> Job:
    """With somebody to escalate to."""
    return job.model_copy(update={"owner": job.owner.model_copy(update={"escalation": "island-council@example.org"})})


@pytest.fixture
def telling(workspace: Workspace, webhook: Webhook, mail_server: MailServer) -> Workspace:
    """A workspace with every channel."""
    return with_channels(workspace, webhook, mail_server)


def with_channels(workspace: Workspace, webhook: Webhook, mail_server: MailServer) -> Workspace:
    changes = {"alert_webhook": webhook.address, "smtp_url": mail_server.address(), "alert_from": FROM}
    return Workspace(workspace.settings.model_copy(update=changes), workspace.clock)


@pytest.fixture
def alarm(telling: Workspace, job: Job, clock: Clock) -> Raise:
    """Append an event to the log of alarms."""

    def append(kind: str = "raised", severity: str = "critical", **changes: Any) -> AlarmEvent:
        values: dict[str, Any] = {
            "kind": kind,
            "severity": severity,
            "at": clock().isoformat(timespec="seconds"),
            "since": LIVE,
            "value": 7.25,
            "upper": 3.1,
            "worst": (Part(name="temperature", value=7.25, limit=3.1),),
            "generation": "42-9f3a",
        }
        return log_alarm(telling.monitoring(job), NEXT, **values | changes)

    return append


def names(alerts: list[Alert]) -> list[str]:
    return [alert.id for alert in alerts]


def test_an_alarm_is_told_by_every_channel_and_then_resolved(
    telling: Workspace, job: Job, alarm: Raise, webhook: Webhook, mail_server: MailServer, caplog: Any
) -> None:
    caplog.set_level(logging.INFO)
    alarm()
    assert names(tell_alarms(telling, job)) == ["alarm-000001"]
    (posted,) = webhook.received
    assert (posted["signal"], posted["kind"], posted["since"], posted["value"]) == (
        "inputs.drift",
        "raised",
        LIVE,
        7.25,
    )
    assert posted["worst"] == [{"name": "temperature", "value": 7.25, "limit": 3.1}]
    assert posted["runbook"] == "docs/operations.md#inputsdrift"
    assert mail_server.recipients == [["grid@example.org"], ["island-council@example.org"]]
    assert "temperature 7.25 (limit 3.1)" in caplog.text

    alarm("resolved", value=1.0)
    assert names(tell_alarms(telling, job)) == ["alarm-000002"]
    assert webhook.received[1]["kind"] == "resolved"
    assert "inputs.drift is resolved" in webhook.received[1]["text"]
    assert len(mail_server.messages) == 4


def test_an_alarm_that_is_not_judged_any_more_is_not_told_to_be_well(
    telling: Workspace, job: Job, alarm: Raise, webhook: Webhook
) -> None:
    alarm()
    why = "not judged on 3 nights: the newest record does not have it"
    alarm("resolved", value=None, upper=None, worst=(), judged=False, found=why)
    tell_alarms(telling, job)
    told = webhook.received[1]
    assert told["kind"] == "resolved"
    assert told["problem"].startswith("inputs.drift is closed without being known to be well")
    assert why in told["text"]
    assert told["next_step"] == "look whether what raised it is over, and why it is not judged"


def test_nothing_is_told_twice(telling: Workspace, job: Job, alarm: Raise, webhook: Webhook) -> None:
    alarm()
    tell_alarms(telling, job)
    assert tell_alarms(telling, job) == []
    assert len(webhook.received) == 1


def test_a_channel_that_was_down_is_told_later_and_the_others_not_again(
    telling: Workspace, job: Job, alarm: Raise, webhook: Webhook, mail_server: MailServer, clock: Clock
) -> None:
    webhook.status = 500
    alarm()
    assert names(tell_alarms(telling, job)) == ["alarm-000001"]
    clock.advance(hours=5)
    webhook.status = 200
    assert names(tell_alarms(telling, job)) == ["alarm-000001"]
    assert [content["kind"] for content in webhook.received] == ["raised", "raised"]
    assert len(mail_server.messages) == 2
    assert tell_alarms(telling, job) == []


def test_who_was_mailed_is_not_mailed_again_because_another_address_is_refused(
    telling: Workspace, job: Job, alarm: Raise, mail_server: MailServer, clock: Clock
) -> None:
    mail_server.refused = {str(job.owner.escalation)}
    alarm()
    for _ in range(3):
        tell_alarms(telling, job)
        clock.advance(minutes=5)
    assert mail_server.recipients == [[job.owner.email]]
    mail_server.refused = set()
    assert names(tell_alarms(telling, job)) == ["alarm-000001"]
    assert mail_server.recipients == [[job.owner.email], [job.owner.escalation]]
    assert tell_alarms(telling, job) == []


def test_a_channel_that_is_new_is_not_flooded_with_what_is_over(
    telling: Workspace, job: Job, alarm: Raise, webhook: Webhook, clock: Clock
) -> None:
    alarm()
    silent = telling.settings.model_copy(update={"alert_webhook": SecretStr("")})
    tell_alarms(Workspace(silent, clock), job)
    clock.advance(days=8)
    assert tell_alarms(telling, job) == []
    assert webhook.received == []


@pytest.mark.parametrize(
    ("severity", "posts", "recipients"),
    [("info", 0, []), ("warning", 1, [["grid@example.org"]])],
)
def test_who_is_told_follows_from_the_severity(
    telling: Workspace,
    job: Job,
    alarm: Raise,
    webhook: Webhook,
    mail_server: MailServer,
    severity: str,
    posts: int,
    recipients: list[list[str]],
) -> None:
    alarm(severity=severity)
    assert names(tell_alarms(telling, job)) == ["alarm-000001"], "the log at least"
    assert (len(webhook.received), mail_server.recipients) == (posts, recipients)
    assert tell_alarms(telling, job) == []


def make_failure(clock: Clock, job: Job, **changes: Any) -> Alert:
    values: dict[str, Any] = {
        "id": "validate-of-that-night",
        "job": job.name,
        "owner": job.owner,
        "severity": "critical",
        "kind": "failed",
        "subject": "validate",
        "problem": "BadInputError: too many rows were refused",
        "at": clock().isoformat(timespec="seconds"),
        "partition": NEXT,
        "next_step": "have it delivered again",
        "runbook": "docs/operations.md#when-a-night-fails",
        "releases": 0,
    }
    return Alert(**(values | changes))


def test_a_failed_night_is_told_with_what_is_served_and_then_its_recovery(
    served: Served, job: Job, webhook: Webhook, mail_server: MailServer, clock: Clock
) -> None:
    telling = with_channels(served.workspace, webhook, mail_server)
    failure = make_failure(clock, job)
    tell_failure(telling, job, failure)
    tell_failure(telling, job, failure)
    (posted,) = webhook.received
    assert posted["served"] == {
        "generation": served.first["publish"]["generation"],
        "partition": LIVE,
        "model_version": "1",
    }
    assert tell_alarms(telling, job) == [], "it is still not released"
    run_night(telling, job, NEXT)
    (recovery,) = tell_alarms(telling, job)
    assert (recovery.kind, recovery.partition) == ("recovered", NEXT)
    assert [content["kind"] for content in webhook.received] == ["failed", "recovered"]
    assert tell_alarms(telling, job) == []


def test_the_same_failure_after_a_release_is_another_one(
    served: Served, job: Job, webhook: Webhook, mail_server: MailServer, clock: Clock
) -> None:
    telling = with_channels(served.workspace, webhook, mail_server)
    tell_failure(telling, job, make_failure(clock, job))
    run_night(telling, job, NEXT)
    tell_failure(telling, job, make_failure(clock, job))
    assert [content["kind"] for content in webhook.received] == ["failed", "failed"]


def test_a_failure_is_told_although_the_lake_is_gone(
    telling: Workspace, job: Job, webhook: Webhook, tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    """Every time, since nobody knows what was told."""
    (tmp_path / "file").write_text("not a folder")
    lost = Workspace(telling.settings.model_copy(update={"lake": str(tmp_path / "file")}), clock)
    for _ in range(2):
        tell_failure(lost, job, make_failure(clock, job))
    assert len(webhook.received) == 2
    assert "not written down" in caplog.text


def test_a_failure_that_no_channel_took_is_told_with_the_next_alarms(
    telling: Workspace, job: Job, webhook: Webhook, mail_server: MailServer, clock: Clock
) -> None:
    webhook.status, mail_server.refused = 500, {job.owner.email, str(job.owner.escalation)}
    tell_failure(telling, job, make_failure(clock, job))
    webhook.status, mail_server.refused = 200, set()
    (told,) = tell_alarms(telling, job)
    assert told.subject == "validate"
    assert webhook.received[-1]["problem"] == "BadInputError: too many rows were refused"
    assert len(mail_server.messages) == 2


def test_no_secret_is_in_the_lake_or_the_log(
    telling: Workspace, job: Job, alarm: Raise, webhook: Webhook, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    webhook.status = 500
    alarm()
    tell_alarms(telling, job)
    tell_failure(telling, job, make_failure(clock, job))
    files = [path for path in Path(telling.settings.lake).rglob("*") if path.is_file()]
    assert len(files) > 3
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name != "mail.log")
    assert "alert not posted" in ours
    for text in [ours, *(path.read_text() for path in files)]:
        assert "s3cret" not in text


def test_a_damaged_alert_is_told_of_and_hides_no_other(
    telling: Workspace, job: Job, alarm: Raise, webhook: Webhook, mail_server: MailServer
) -> None:
    alarm()
    alarm("resolved")
    folder = Path(telling.settings.lake) / f"jobs/{job.name}/alerts"
    folder.mkdir(parents=True)
    (folder / "alarm-000001.json").write_text("{}")
    assert sorted(names(tell_alarms(telling, job))) == ["alarm-000002", "damaged-alarm-000001"]
    told = next(content for content in webhook.received if content["kind"] == "failed")
    assert f"{folder}/alarm-000001.json is damaged" in told["problem"]
    assert told["next_step"].startswith("remove the file")
    assert (told["severity"], told["runbook"]) == ("critical", "docs/operations.md#when-an-alert-cannot-be-read")
    assert tell_alarms(telling, job) == []
    assert len(mail_server.messages) == 4  # two alerts, each to the owner and to the escalation
    (folder / "alarm-000001.json").unlink()
    assert names(tell_alarms(telling, job)) == ["alarm-000001"]


def test_a_failed_night_whose_alert_is_damaged_hides_no_recovery(
    served: Served, job: Job, webhook: Webhook, mail_server: MailServer, clock: Clock
) -> None:
    telling = with_channels(served.workspace, webhook, mail_server)
    for stage in ("validate", "score"):
        tell_failure(telling, job, make_failure(clock, job, id=stage, subject=stage))
    folder = Path(telling.settings.lake) / f"jobs/{job.name}/alerts"
    failed = sorted(path for path in folder.glob("night-*.json") if path.name.count(".") == 1)
    failed[0].write_text("")
    run_night(telling, job, NEXT)
    told = names(tell_alarms(telling, job))
    assert sorted(told) == [f"damaged-{failed[0].stem}", f"{failed[1].stem}-recovered"]


def test_a_claim_that_is_damaged_keeps_nobody_from_being_told(
    telling: Workspace, job: Job, alarm: Raise, webhook: Webhook
) -> None:
    alarm()
    folder = Path(telling.settings.lake) / f"jobs/{job.name}/alerts"
    folder.mkdir(parents=True)
    (folder / "alarm-000001.webhook.claimed-1.json").write_text("{}")
    tell_alarms(telling, job)
    assert tell_alarms(telling, job) == []
    assert len(webhook.received) == 1


def test_who_was_killed_while_telling_loses_nothing(
    telling: Workspace, job: Job, alarm: Raise, webhook: Webhook, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    alarm()
    with monkeypatch.context() as patch:
        patch.setattr(AlertLog, "settle", die)
        with pytest.raises(Killed):
            tell_alarms(telling, job)
    assert tell_alarms(open_workspace(telling.settings, clock), job), "webhook and mail were never claimed"
    assert len(webhook.received) == 1
