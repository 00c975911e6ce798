"""Passwords and keys of the embedded services: generated once, kept in the home folder, readable by its owner only."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Credentials:
    """What the embedded services share.

    Attributes:
        redis_password: of the embedded Redis's only user.
        admin_password: of Airflow's user ``admin``, who may do everything.
        viewer_password: of Airflow's user ``viewer``, who may look.
        jwt_secret: signs the tokens of Airflow's components and users.
        api_secret: signs the sessions of Airflow's UI.
        fernet_key: encrypts connections in Airflow's database; 32 bytes in URL-safe base 64.
    """

    redis_password: str
    admin_password: str
    viewer_password: str
    jwt_secret: str
    api_secret: str
    fernet_key: str


def load_credentials(folder: Path) -> Credentials:
    """Read the credentials kept in ``folder``, or make them where there are none yet."""
    path = folder / "credentials.json"
    if not path.exists():
        write_private(path, asdict(generate_credentials()))
    return Credentials(**json.loads(path.read_text()))


def generate_credentials() -> Credentials:
    """Fresh random credentials."""
    return Credentials(
        redis_password=secrets.token_urlsafe(24),
        admin_password=secrets.token_urlsafe(12),
        viewer_password=secrets.token_urlsafe(12),
        jwt_secret=secrets.token_urlsafe(48),
        api_secret=secrets.token_urlsafe(48),
        fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    )


def write_private(path: Path, content: Any) -> None:
    """Write a text, or any other value as JSON, to a file that its owner alone can read, in one step."""
    text = content if isinstance(content, str) else json.dumps(content, indent=2) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    temporary.replace(path)
