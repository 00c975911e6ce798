"""What every answer carries: what a browser may do with it, and how it is told from an older one."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from pipeline.digests import canonical_json, digest_bytes

_OWN = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""For the page itself: nothing inline, nothing from elsewhere."""

_KEPT = (
    "sandbox allow-same-origin allow-downloads; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""For pages that are kept in the lake: no script.  They keep their origin, or links between them lose the login."""

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}


def answer_json(request: Request, value: Any) -> Response:
    """``value`` as JSON, or that it is what the browser has already."""
    return answer_bytes(request, canonical_json(value).encode(), "application/json")


def answer_bytes(request: Request, content: bytes, media_type: str, tag: str | None = None) -> Response:
    """``content``, or that it is what the browser has already.

    Args:
        tag: what the content is told by; default: its digest.
    """
    tag = f'W/"{(tag or digest_bytes(content))[:32]}"'
    headers = {**_ALWAYS, "Content-Security-Policy": _OWN, "ETag": tag}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def is_known(request: Request, tag: str) -> bool:
    """Whether the browser says that it has what ``tag`` names."""
    known = request.headers.get("if-none-match", "")
    return tag in (part.strip() for part in known.split(","))


def answer_kept_page(content: bytes) -> Response:
    """A page out of the lake, which can run nothing and ask nothing."""
    return Response(content, media_type="text/html", headers={**_ALWAYS, "Content-Security-Policy": _KEPT})
