"""The channels by which people are told: the log always, webhook and mail where the settings name them.

Everybody who gets mail is a channel, so that who was told is not told again because somebody else could not be.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from pydantic import SecretStr

from pipeline.alerts import Alert, find_escalation, find_owner, to_json, write_text
from pipeline.stores.alert_mail import mail_alert
from pipeline.stores.alerts import post_alert

log = logging.getLogger(__name__)

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}


class Channel(NamedTuple):
    """A way to tell people.

    Attributes:
        send: tells an alert; False if the channel did not take it.  Never raises.
        is_for: whether there is anything to send: ``info`` wakes nobody.
    """

    name: str
    send: Callable[[Alert], bool]
    is_for: Callable[[Alert], bool]


def open_channels(*, webhook: SecretStr, smtp: SecretStr, sender: str) -> list[Channel]:
    """The log, and the others as far as they are named.  Nothing is connected to yet."""
    channels = [Channel("log", _log_alert, lambda _: True)]
    if webhook.get_secret_value():
        channels.append(Channel("webhook", partial(_post, webhook), lambda alert: alert.severity != "info"))
    if smtp.get_secret_value():
        channels.append(_open_mail("mail", find_owner, smtp, sender))
        channels.append(_open_mail("escalation", find_escalation, smtp, sender))
    return channels


def _log_alert(alert: Alert) -> bool:
    level = _LEVELS[alert.severity] if alert.kind in {"raised", "failed"} else logging.INFO
    log.log(level, "%s", write_text(alert))
    return True


def _post(webhook: SecretStr, alert: Alert) -> bool:
    return post_alert(webhook, to_json(alert))


def _open_mail(name: str, find: Callable[[Alert], str | None], smtp: SecretStr, sender: str) -> Channel:
    """Mail to the one address that ``find`` gives for an alert."""

    def send(alert: Alert) -> bool:
        address = find(alert)
        return address is not None and mail_alert(smtp, sender, address, alert)

    return Channel(name, send, lambda alert: find(alert) is not None)
