"""Alerts by mail.

A login is sent over TLS only: ``smtps://`` speaks it from the start, ``smtp://`` after STARTTLS, which a server that is
logged in to must offer.  The address of the server holds the password and is never logged.
"""

from __future__ import annotations

import logging
import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from pipeline.addresses import parse_address
from pipeline.alerts import Alert, write_html, write_mail_subject, write_plain

log = logging.getLogger(__name__)

_PORTS = {"smtp": 587, "smtps": 465}


def mail_alert(server: SecretStr, sender: str, recipient: str, alert: Alert, timeout_seconds: float = 10.0) -> bool:
    """Send ``alert`` to one recipient; True if the server took it, whatever becomes of the farewell.

    Never raises for a server that is not named, wrong, slow or down, or an address that is none: telling people must
    not hide what they are told of.  What went wrong is logged, without the server's address and what it said.

    Args:
        server: ``smtp://`` or ``smtps://``, ``user:password@host:port``; user, password and port may be left out.
    """
    if not server.get_secret_value():
        return False
    taken = False
    try:
        message = _compose(sender, recipient, alert)
        with _connect(urlsplit(server.get_secret_value()), timeout_seconds) as connection:
            connection.send_message(message)
            taken = True
    except (smtplib.SMTPException, OSError, ValueError) as error:
        # A traceback may show the address, and an answer of the server what it was sent.
        what = "mailed, but the connection did not end well" if taken else "not mailed"
        log.error("alert %s: %s", what, type(error).__name__)  # noqa: TRY400
    return taken


def _compose(sender: str, recipient: str, alert: Alert) -> EmailMessage:
    """The message.  Addresses and headers that would hold a line break are refused, with a ValueError."""
    message = EmailMessage()
    message["Subject"] = write_mail_subject(alert)
    message["From"] = parse_address(sender, "Nightjar")
    message["To"] = parse_address(recipient)
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
