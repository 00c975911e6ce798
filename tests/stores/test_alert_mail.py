"""Alerts reach a real mail server, over TLS alone where there is something to hide."""

from __future__ import annotations

import logging
from email.message import EmailMessage
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.stores.alert_mail import mail_alert
from tests.alerts.samples import make_alert
from tests.mail_server import PASSWORD, MailServer, run_mail_server

FROM = "nightjar@example.org"
TO = "harbour@example.org"
SECRETS = ("s3cret", PASSWORD, "night jar", "night%20jar")


def read_part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_a_mail_has_text_and_html_and_goes_to_one_address(mail_server: MailServer) -> None:
    alert = make_alert(problem="the tide is <high> & 北京")
    assert mail_alert(mail_server.address(), FROM, TO, alert)
    (message,) = mail_server.messages
    assert mail_server.recipients == [[TO]]
    assert (message["From"], message["To"]) == (f"Nightjar <{FROM}>", TO)
    assert message["Subject"] == "[Nightjar] ice_levels 2024-02-12: inputs.drift alarm (critical)"
    assert message.get_content_type() == "multipart/alternative"
    assert "the tide is <high> & 北京." in read_part(message, "plain")
    assert "the tide is &lt;high&gt; &amp; 北京." in read_part(message, "html")
    assert mail_server.logins == 1


def test_an_alert_has_one_name_in_every_mail_about_it(mail_server: MailServer) -> None:
    """So that a mail that was sent twice is shown once."""
    assert mail_alert(mail_server.address(), FROM, TO, make_alert())
    assert mail_alert(mail_server.address(), FROM, TO, make_alert())
    assert {message["Message-ID"] for message in mail_server.messages} == {"<ice_levels.alarm-000001@nightjar>"}


def test_a_certificate_that_is_not_trusted_gets_no_login(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    assert not mail_alert(mail_server.address(), FROM, TO, make_alert())
    assert mail_server.logins == 0
    assert "alert not mailed: SSLCertVerificationError" in caplog.text


def test_no_login_is_sent_in_the_clear(certificates: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    with run_mail_server(certificates, mode="plain") as server:
        assert not mail_alert(server.address(), FROM, TO, make_alert())
        assert (server.logins, server.messages) == (0, [])
    assert "SMTPNotSupportedError" in caplog.text


def test_a_relay_that_asks_for_nothing_is_used(certificates: dict[str, Path]) -> None:
    with run_mail_server(certificates, mode="plain") as server:
        assert mail_alert(server.address(user=""), FROM, TO, make_alert())
        assert len(server.messages) == 1


def test_tls_from_the_start(certificates: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["ca"]))
    with run_mail_server(certificates, mode="tls") as server:
        assert mail_alert(server.address(scheme="smtps"), FROM, TO, make_alert())
        assert server.logins == 1


def test_a_recipient_that_is_refused_is_no_success(mail_server: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    mail_server.refused = {TO}
    assert not mail_alert(mail_server.address(), FROM, TO, make_alert())
    assert mail_server.messages == []
    assert "alert not mailed: SMTPRecipientsRefused" in caplog.text


def test_a_mail_that_was_taken_is_a_success_however_the_connection_ends(
    mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It would be sent again otherwise, at every telling."""
    mail_server.farewell = "421 too busy to say goodbye"
    assert mail_alert(mail_server.address(), FROM, TO, make_alert())
    assert len(mail_server.messages) == 1
    assert "alert mailed, but the connection did not end well: SMTPResponseException" in caplog.text


@pytest.mark.parametrize(
    "text", ["broken\r\nBcc: thief@example.org", "broken\nBcc: thief@example.org", "a\x00b\u2028c"]
)
def test_nothing_that_is_told_becomes_a_header(mail_server: MailServer, text: str) -> None:
    assert mail_alert(mail_server.address(), FROM, TO, make_alert(subject=text, problem=text, next_step=text))
    (message,) = mail_server.messages
    assert message["Bcc"] is None
    assert mail_server.recipients == [[TO]]
    assert "\n" not in message["Subject"]


@pytest.mark.parametrize(
    "recipient", ["harbour@example.org\nBcc: thief@example.org", "a@b, thief@example.org", "nobody", "a@", "@b", ""]
)
def test_an_address_that_is_none_is_not_written_to(
    mail_server: MailServer, recipient: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not mail_alert(mail_server.address(), FROM, recipient, make_alert())
    assert mail_server.messages == []
    assert "alert not mailed" in caplog.text


def test_a_sender_that_is_none_is_logged(mail_server: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    assert not mail_alert(mail_server.address(), "", TO, make_alert())
    assert "alert not mailed: ValueError" in caplog.text


@pytest.mark.parametrize(
    "server",
    [
        "smtp://night%20jar:s3cret@127.0.0.1:1",
        "smtp://night%20jar:s3cret@127.0.0.1:notaport",
        "smtp://night%20jar:s3cret@[broken",
        "http://night%20jar:s3cret@127.0.0.1:1",
        "s3cret",
        "smtp://",
    ],
)
def test_a_wrong_server_is_logged_without_showing_it(server: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert not mail_alert(SecretStr(server), FROM, TO, make_alert())
    assert "alert not mailed" in caplog.text
    assert not [secret for secret in SECRETS if secret in caplog.text]


def test_what_a_server_answers_is_not_logged(mail_server: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    """The server's own log is in this process too, as ``mail.log``."""
    caplog.set_level(logging.DEBUG)
    mail_server.refused = {TO}
    assert not mail_alert(mail_server.address(), FROM, TO, make_alert())
    assert not mail_alert(mail_server.address(user="night%20jar:wrong-s3cret@"), FROM, TO, make_alert())
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name != "mail.log")
    assert "SMTPRecipientsRefused" in ours
    assert "SMTPAuthenticationError" in ours
    assert not [secret for secret in SECRETS if secret in ours]
