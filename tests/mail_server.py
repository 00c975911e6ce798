"""A real mail server: aiosmtpd, with STARTTLS and a login."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as MAIL_POLICY
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import SecretStr

from pipeline.local.ports import find_free_port

USER, PASSWORD = "night jar", "s3cret/p@ss"


@dataclass
class MailServer:
    """Where it is, and what it got.

    Attributes:
        messages: as they came; ``recipients``: of each, whom the envelope names.
        refused: recipients that it does not take.
        farewell: what it answers to who takes leave.
        logins: how often somebody tried to log in.
    """

    port: int
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    farewell: str = "221 Bye"
    logins: int = 0

    def address(self, user: str = "night%20jar:s3cret%2Fp%40ss@", scheme: str = "smtp") -> SecretStr:
        """Its URL."""
        return SecretStr(f"{scheme}://{user}127.0.0.1:{self.port}")

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address in self.refused:
            return f"550 no {PASSWORD} here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's names
        self.messages.append(message_from_bytes(envelope.content, policy=MAIL_POLICY))
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"

    async def handle_QUIT(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802 - aiosmtpd's names
        return self.farewell

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        """Whether it is the one user."""
        self.logins += 1
        known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=known, handled=False)


@contextmanager
def run_mail_server(certificates: dict[str, Path], *, mode: str = "starttls") -> Iterator[MailServer]:
    """A server for as long as the block runs.

    Args:
        mode: ``starttls``, with a login after it; ``tls`` from the start; or ``plain``, with a login in the clear.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates["cert"], certificates["key"])
    server = MailServer(find_free_port())
    options: dict[str, dict[str, Any]] = {
        "starttls": {"tls_context": context, "require_starttls": True, "auth_require_tls": True},
        "tls": {"ssl_context": context, "auth_require_tls": False},
        "plain": {"auth_require_tls": False},
    }
    controller = Controller(
        server, hostname="127.0.0.1", port=server.port, authenticator=server.authenticate, **options[mode]
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
