"""Passwords and keys of the embedded services: generated once, kept in the home folder, readable by its owner only."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.redis_users import Role


@dataclass(frozen=True)
class Credentials:
    """What the embedded services share.

    Attributes:
        publisher_password: of the embedded Redis's user ``publisher``.
        reader_password: of its user ``reader``.
        janitor_password: of its user ``janitor``.
        admin_password: of Airflow's user ``admin``, who may do everything.
        viewer_password: of Airflow's user ``viewer``, who may look.
        jwt_secret: signs the tokens of Airflow's components and users.
        api_secret: signs the sessions of Airflow's UI.
        fernet_key: encrypts connections in Airflow's database; 32 bytes in URL-safe base 64.
        signing_key: signs models.
        mlflow_path: the path under which MLflow's server answers, which knows no users.
        metrics_token: what Prometheus shows to the metrics endpoint.
    """

    publisher_password: str
    reader_password: str
    janitor_password: str
    admin_password: str
    viewer_password: str
    jwt_secret: str
    api_secret: str
    fernet_key: str
    signing_key: str
    mlflow_path: str
    metrics_token: str

    @property
    def redis_passwords(self) -> dict[Role, str]:
        """Of the users of the embedded Redis."""
        return {
            Role.PUBLISHER: self.publisher_password,
            Role.READER: self.reader_password,
            Role.JANITOR: self.janitor_password,
        }


def load_credentials(folder: Path) -> Credentials:
    """Read the credentials kept in ``folder``, and make those that are not there yet."""
    path = folder / "credentials.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    credentials = {name: kept.get(name, fresh) for name, fresh in asdict(generate_credentials()).items()}
    if credentials != kept:
        write_private(path, credentials)
    return Credentials(**credentials)


def generate_credentials() -> Credentials:
    """Fresh random credentials."""
    return Credentials(
        publisher_password=secrets.token_urlsafe(24),
        reader_password=secrets.token_urlsafe(24),
        janitor_password=secrets.token_urlsafe(24),
        admin_password=secrets.token_urlsafe(12),
        viewer_password=secrets.token_urlsafe(12),
        jwt_secret=secrets.token_urlsafe(48),
        api_secret=secrets.token_urlsafe(48),
        fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        signing_key=secrets.token_hex(32),
        mlflow_path=secrets.token_urlsafe(24),
        metrics_token=secrets.token_hex(32),
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
