"""Who may answer is who is named, with the auth manager that docker-compose.yml sets and users in its database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.deploy.compose import ROOT
from tests.deploy.servers import service_environment

PROGRAM = """
import json
from airflow.api_fastapi.app import create_auth_manager
from airflow.providers.fab.auth_manager.models import Model, User
from airflow.utils.session import create_session

with create_session() as session:
    Model.metadata.create_all(session.get_bind())
    for name in ("admin", "jane", "1"):
        session.add(User(first_name=name, last_name="Doe", username=name, email=name, active=True))
manager = create_auth_manager()
users = [manager.deserialize_user({"sub": str(number)}) for number in (1, 2, 3)]
print(json.dumps({user.get_name(): manager.is_authorized_hitl_task(assigned_users={"jane", "1"}, user=user)
                  for user in users}))
"""


def test_approvers_are_users_by_name(generated: dict[str, str], tmp_path: Path) -> None:
    """Users have the ids 1 to 3; nobody may answer because his number is another one's name."""
    environment = service_environment("api-server", generated) | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(tmp_path / "logs"),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"admin": False, "jane": True, "1": True}
