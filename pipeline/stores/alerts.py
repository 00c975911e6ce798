"""Alerts: failures posted to the webhook that the settings name.

A webhook's address is a secret, as it lets whoever knows it write to people; it is never logged.
"""

from __future__ import annotations

import http.client
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

log = logging.getLogger(__name__)


class _RefuseRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET without its body, whose 200 would look like a delivered alert."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def post_alert(webhook: SecretStr, alert: Mapping[str, Any], timeout_seconds: float = 10.0) -> bool:
    """POST ``alert`` as JSON; True if the webhook answered with a success.

    Never raises for a webhook that is empty, wrong, slow or down: telling people must not hide the failure they are
    told of.  What went wrong is logged, without the address.
    """
    address = webhook.get_secret_value()
    if not address:
        return False
    if not address.startswith(("http://", "https://")):
        log.error("alert not posted: the webhook is not an http or https address")
        return False
    try:
        _post_json(address, alert, timeout_seconds)
    except urllib.error.HTTPError as error:
        error.close()
        log.error("alert not posted: the webhook answered %s", error.code)  # noqa: TRY400 - a traceback shows the address
        return False
    except (OSError, ValueError, http.client.HTTPException) as error:
        log.error("alert not posted: %s", type(error).__name__)  # noqa: TRY400 - a traceback shows the address
        return False
    return True


def _post_json(address: str, content: Mapping[str, Any], timeout_seconds: float) -> None:
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        address,
        data=json.dumps(content, ensure_ascii=False).encode(),
        headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "nightjar"},
        method="POST",
    )
    opener = urllib.request.build_opener(_RefuseRedirects)
    with opener.open(request, timeout=timeout_seconds) as answer:
        answer.read(1)
