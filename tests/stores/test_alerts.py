"""Alerts reach a real webhook, and a webhook that fails hides nothing and gives nothing away."""

from __future__ import annotations

import logging

import pytest
from pydantic import SecretStr

from pipeline.stores.alerts import post_alert
from tests.webhook import Webhook

ALERT = {"text": "late: 北京", "job": "tide_levels", "partition": "2024-02-12"}


def test_posts_the_alert_as_json(webhook: Webhook) -> None:
    assert post_alert(webhook.address, ALERT)
    assert webhook.received == [ALERT]


def test_no_webhook_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    assert not post_alert(SecretStr(""), ALERT)
    assert caplog.records == []


@pytest.mark.parametrize("status", [404, 500])
def test_an_answer_that_is_no_success_is_logged(
    webhook: Webhook, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.status = status
    assert not post_alert(webhook.address, ALERT)
    assert str(status) in caplog.text


def test_a_redirect_is_not_taken_for_a_delivery(webhook: Webhook) -> None:
    webhook.status = 302
    webhook.headers = {"Location": "/login"}
    assert not post_alert(webhook.address, ALERT)
    assert webhook.received == [ALERT]


def test_a_webhook_that_does_not_answer_is_given_up(webhook: Webhook) -> None:
    webhook.silent = True
    assert not post_alert(webhook.address, ALERT, timeout_seconds=0.05)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/hooks/s3cret-token",
        "http://127.0.0.1:notaport/s3cret-token",
        "http://[broken/s3cret-token",
        "file:///s3cret-token",
        "s3cret-token",
        "http://127.0.0.1:1/with a space/s3cret-token",
    ],
)
def test_a_wrong_address_is_logged_without_showing_it(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert not post_alert(SecretStr(address), ALERT)
    assert "alert not posted" in caplog.text
    assert "s3cret-token" not in caplog.text
