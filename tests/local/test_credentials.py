"""Generated passwords are kept, private and fresh in every home."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

from pipeline.local.credentials import load_credentials, write_private


def test_credentials_are_kept(tmp_path: Path) -> None:
    assert load_credentials(tmp_path) == load_credentials(tmp_path)


def test_what_an_older_release_did_not_make_yet_is_added(tmp_path: Path) -> None:
    kept = vars(load_credentials(tmp_path))
    older = {name: value for name, value in kept.items() if name != "janitor_password"} | {"redis_password": "old"}
    write_private(tmp_path / "credentials.json", older)

    found = vars(load_credentials(tmp_path))

    assert found.pop("janitor_password") not in {kept.pop("janitor_password"), "old"}
    assert found == kept


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


def test_a_credential_that_an_older_version_did_not_have_is_added_and_the_others_stay(tmp_path: Path) -> None:
    before = load_credentials(tmp_path)
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({name: value for name, value in vars(before).items() if name != "signing_key"}))

    after = load_credentials(tmp_path)

    assert after.fernet_key == before.fernet_key
    assert len(after.signing_key) == 64
    assert load_credentials(tmp_path) == after
