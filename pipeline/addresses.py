"""Addresses of mail: what one is, to a declaration and to the mail that is sent there."""

from __future__ import annotations

from email.errors import HeaderParseError
from email.headerregistry import Address


def parse_address(text: str, display_name: str = "") -> Address:
    """The one address that ``text`` is, without a name.

    Raises:
        ValueError: it is none, or more than that.
    """
    try:
        return Address(display_name, addr_spec=text)
    except (ValueError, HeaderParseError, IndexError) as error:  # the parser runs off the end of what breaks off
        raise ValueError(f"{text!r} is not an address of mail, such as night-watch@example.org") from error
