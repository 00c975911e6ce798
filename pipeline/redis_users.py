"""The users of the Redis that serves: who may do what, in one place.

``python -m pipeline.redis_users`` prints the users as an ACL file, with placeholders for their passwords; that is what
``deploy/redis/serving.acl`` holds.  The rules are understood by Redis 6.2 and later.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """Who connects: publishers load and release, readers read, the janitor removes what was superseded."""

    PUBLISHER = "publisher"
    READER = "reader"
    JANITOR = "janitor"


_KEYS = "~nightjar:*"
# What clients greet with, and what those of a cluster ask to find its nodes and the keys in a command.
_CONNECTING = (
    "ping",
    "hello",
    "select",
    "client|setname",
    "command",
    "cluster|slots",
    "cluster|shards",
    "cluster|nodes",
)
_LOOKING = ("hget", "hmget", "hgetall")
# Scripts run with the rights of their user, so what they do is listed too.
_CLEANING = ("get", "hset", "hdel", "unlink", "evalsha", "script|load", "memory|usage")
_LOADING = ("set", "del", "echo", "object|encoding", "info", "wait")

# Nobody can log in as it.  Its rights are those with which Redis 7 reads its own append-only file back: without them
# the transactions in there, which are what scripts did, are left out at the next start.
_DEFAULT = "user default off resetpass ~* &* +@all"

_COMMANDS = {
    Role.READER: (*_CONNECTING, *_LOOKING, "exists"),
    Role.JANITOR: (*_CONNECTING, *_LOOKING, *_CLEANING),
    Role.PUBLISHER: (*_CONNECTING, *_LOOKING, "exists", *_CLEANING, *_LOADING),
}
_PURPOSES = {
    Role.PUBLISHER: "Loads generations and moves the pointer; lists, empties, reconfigures or stops nothing.",
    Role.READER: "Reads predictions and what is said about them.",
    Role.JANITOR: "Removes superseded generations and keeps pins; loads nothing and takes no token.",
}


def list_rules(role: Role) -> list[str]:
    """The rules of a user, as ``ACL SETUSER`` takes them, without its password."""
    return ["resetkeys", _KEYS, "resetchannels", "-@all", *(f"+{command}" for command in _COMMANDS[role])]


def write_users(passwords: Mapping[Role, str]) -> list[str]:
    """Lines for a configuration or ACL file: these users and no other; of their passwords only the SHA-256."""
    digests = {role: hashlib.sha256(password.encode()).hexdigest() for role, password in passwords.items()}
    return [_DEFAULT, *(_write_user(role, f"#{digest}") for role, digest in digests.items())]


def write_acl_file() -> str:
    """The ACL file of the Compose deployment; ``@NAME@`` stands for a password, see ``deploy/redis/start.sh``."""
    lines = [
        "# Made by `python -m pipeline.redis_users`; change the rules there.",
        "# Nobody gets in as `default`; with its rights Redis reads its own append-only file back when it starts.",
        _DEFAULT,
        "# The health check may ask whether the server is there, and nothing else.",
        "user health on nopass resetkeys resetchannels -@all +ping",
    ]
    for role, purpose in _PURPOSES.items():
        lines += [f"# {purpose}", _write_user(role, f"@SERVING_{role.upper()}_PASSWORD@")]
    return "\n".join(lines) + "\n"


def _write_user(role: Role, password: str) -> str:
    return " ".join([f"user {role} on {password}", *list_rules(role)])


if __name__ == "__main__":
    sys.stdout.write(write_acl_file())
