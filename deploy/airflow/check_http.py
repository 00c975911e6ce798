"""Health check of a container: exit 0 if a URL answers 200 in time, and all the parts that it is asked for are healthy.

    python check_http.py http://127.0.0.1:8080/api/v2/monitor/health metadatabase

Standard library only, because the image has no curl.
"""

from __future__ import annotations

import json
import sys
import urllib.request

TIMEOUT_SECONDS = 5


def check_url(url: str, parts: list[str]) -> list[str]:
    """Names of ``parts`` whose ``status`` in the JSON answer of ``url`` is not ``healthy``.

    Raises:
        OSError: nothing answered in time, or not with 200.
    """
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - the URL is in docker-compose.yml
        body = response.read()
    if not parts:
        return []
    health = json.loads(body)
    return [part for part in parts if health.get(part, {}).get("status") != "healthy"]


def main(arguments: list[str]) -> int:
    """Exit status; what is wrong goes to standard output, where ``docker inspect`` keeps it."""
    url, *parts = arguments
    try:
        unhealthy = check_url(url, parts)
    except OSError as error:
        sys.stdout.write(f"{url}: {error}\n")
        return 1
    if unhealthy:
        sys.stdout.write(f"{url}: not healthy: {', '.join(unhealthy)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
