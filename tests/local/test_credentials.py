"""Generated passwords are kept, private and fresh in every home."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

from pipeline.local.credentials import load_credentials, write_private


def test_credentials_are_kept(tmp_path: Path) -> None:
    assert load_credentials(tmp_path) == load_credentials(tmp_path)


def test_every_home_has_credentials_of_its_own(tmp_path: Path) -> None:
    first, second = (load_credentials(tmp_path / name) for name in ("a", "b"))

    assert not set(vars(first).values()) & set(vars(second).values())


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    load_credentials(tmp_path)

    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600


def test_a_file_that_others_could_read_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)

    write_private(path, "new")

    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_fernet_key_has_32_bytes(tmp_path: Path) -> None:
    assert len(base64.urlsafe_b64decode(load_credentials(tmp_path).fernet_key)) == 32
