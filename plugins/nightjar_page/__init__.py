"""The page that Airflow shows of Nightjar's jobs.  ``server`` answers its requests; nothing is imported before one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]

PREFIX = "/nightjar"


async def answer(
    scope: Scope, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The ASGI application.  Every process of Airflow loads the plugin; the page only those that are asked for it.

    It is imported in a thread, which takes a second: the server goes on answering others meanwhile.
    """
    application = await asyncio.to_thread(_import_application)
    await application(scope, receive, send)


def _import_application() -> Any:
    from nightjar_page.server import application  # noqa: PLC0415

    return application
