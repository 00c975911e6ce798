"""The channels by which people are told: the log always, webhook and mail where the settings name them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from pydantic import SecretStr

from pipeline.alerts import Alert, list_recipients, to_json, write_text
from pipeline.stores.alert_mail import mail_alert
from pipeline.stores.alerts import post_alert

log = logging.getLogger(__name__)

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}


class Channel(NamedTuple):
    """A way to tell people.

    Attributes:
        send: tells an alert; False if the channel did not take it.  Never raises.
        wakes: it reaches people who do not look, so that ``info`` is not for it.
    """

    name: str
    send: Callable[[Alert], bool]
    wakes: bool = True


def open_channels(*, webhook: SecretStr, smtp: SecretStr, sender: str) -> list[Channel]:
    """The log, and the others as far as they are named.  Nothing is connected to yet."""
    channels = [Channel("log", _log_alert, wakes=False)]
    if webhook.get_secret_value():
        channels.append(Channel("webhook", partial(_post, webhook)))
    if smtp.get_secret_value():
        channels.append(Channel("mail", partial(_mail, smtp, sender)))
    return channels


def _log_alert(alert: Alert) -> bool:
    level = _LEVELS[alert.severity] if alert.kind in {"raised", "failed"} else logging.INFO
    log.log(level, "%s", write_text(alert))
    return True


def _post(webhook: SecretStr, alert: Alert) -> bool:
    return post_alert(webhook, to_json(alert))


def _mail(smtp: SecretStr, sender: str, alert: Alert) -> bool:
    return mail_alert(smtp, sender, list_recipients(alert), alert)
