"""Alerts by mail.

A login is sent over TLS only: ``smtps://`` speaks it from the start, ``smtp://`` after STARTTLS, which a server that is
logged in to must offer.  The address of the server holds the password and is never logged.
"""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from pipeline.alerts import Alert, write_html, write_mail_subject, write_plain

log = logging.getLogger(__name__)

_PORTS = {"smtp": 587, "smtps": 465}


def mail_alert(
    server: SecretStr, sender: str, recipients: Sequence[str], alert: Alert, timeout_seconds: float = 10.0
) -> bool:
    """Send ``alert`` to every recipient; True if the server took it for all of them.

    Never raises for a server that is not named, wrong, slow or down, or an address that is none: telling people must
    not hide what they are told of.  What went wrong is logged, without the server's address and what it said.

    Args:
        server: ``smtp://`` or ``smtps://``, ``user:password@host:port``; user, password and port may be left out.
    """
    if not server.get_secret_value():
        return False
    try:
        message = _compose(sender, recipients, alert)
        with _connect(urlsplit(server.get_secret_value()), timeout_seconds) as connection:
            refused = connection.send_message(message)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        # A traceback may show the address, and an answer of the server what it was sent.
        log.error("alert not mailed: %s", type(error).__name__)  # noqa: TRY400
        return False
    if refused:
        log.error("alert not mailed to %d of %d recipients", len(refused), len(recipients))
    return not refused


def _compose(sender: str, recipients: Sequence[str], alert: Alert) -> EmailMessage:
    """The message.  Addresses and headers that would hold a line break are refused, with a ValueError."""
    message = EmailMessage()
    message["Subject"] = write_mail_subject(alert)
    message["From"] = Address(display_name="Nightjar", addr_spec=sender)
    message["To"] = [Address(addr_spec=recipient) for recipient in recipients]
    message["Date"] = format_datetime(datetime.fromisoformat(alert.at))
    message["Message-ID"] = f"<{alert.job}.{alert.id}@nightjar>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(write_plain(alert))
    message.add_alternative(write_html(alert), subtype="html")
    return message


def _connect(server: SplitResult, timeout_seconds: float) -> smtplib.SMTP:
    """A connection that is encrypted, or else has nothing to hide."""
    if server.scheme not in _PORTS or not server.hostname:
        raise ValueError("not an address of a mail server")
    context = ssl.create_default_context()
    host, port = server.hostname, server.port or _PORTS[server.scheme]
    if server.scheme == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout_seconds, context=context)
    else:
        connection = smtplib.SMTP(host, port, timeout=timeout_seconds)
    try:
        connection.ehlo()
        if server.scheme == "smtp" and (server.username or connection.has_extn("starttls")):
            connection.starttls(context=context)
        if server.username:
            connection.login(unquote(server.username), unquote(server.password or ""))
    except BaseException:
        connection.close()
        raise
    return connection
