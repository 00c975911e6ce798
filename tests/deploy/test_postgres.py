"""The databases of the compose file, made in a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.deploy.processes import find_program
from tests.deploy.servers import POSTGRES_FOLDERS, PostgresServer, run_initial_scripts, service_environment

ROLES = ["airflow", "celery", "mlflow"]


def query(
    server: PostgresServer, role: str, database: str, password: str, statement: str
) -> subprocess.CompletedProcess[str]:
    """Run a statement over TCP, where a password is asked for."""
    options = ["-h", "127.0.0.1", "-p", str(server.port), "-U", role, "-d", database, "--no-psqlrc", "-At"]
    return subprocess.run(
        [find_program("psql", POSTGRES_FOLDERS), *options, "-c", statement],
        env={"PGPASSWORD": password, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("role", ROLES)
def test_each_role_owns_its_database(role: str, postgres: PostgresServer, generated: dict[str, str]) -> None:
    password = generated[f"{role.upper()}_DATABASE_PASSWORD"]
    made = query(postgres, role, role, password, "CREATE TABLE t (i int); DROP TABLE t; SELECT current_user")
    assert made.stdout.splitlines()[-1:] == [role], made.stderr


@pytest.mark.parametrize(
    ("role", "database"), [(role, other) for role in ROLES for other in [*ROLES, "postgres"] if other != role]
)
def test_no_role_enters_anothers_database(
    role: str, database: str, postgres: PostgresServer, generated: dict[str, str]
) -> None:
    refused = query(postgres, role, database, generated[f"{role.upper()}_DATABASE_PASSWORD"], "SELECT 1")
    assert "does not have CONNECT privilege" in refused.stderr


@pytest.mark.parametrize("role", ROLES)
def test_no_role_is_more_than_an_owner(role: str, postgres: PostgresServer, generated: dict[str, str]) -> None:
    statement = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = current_user"
    answer = query(postgres, role, role, generated[f"{role.upper()}_DATABASE_PASSWORD"], statement)
    assert answer.stdout.strip() == "f|f|f|f"


def test_wrong_password_is_refused(postgres: PostgresServer) -> None:
    assert "password authentication failed" in query(postgres, "airflow", "airflow", "wrong", "SELECT 1").stderr


def test_missing_password_stops_the_script(postgres: PostgresServer, generated: dict[str, str]) -> None:
    environment = service_environment("postgres", generated)
    del environment["AIRFLOW_DATABASE_PASSWORD"]
    with pytest.raises(subprocess.CalledProcessError):
        run_initial_scripts(postgres.folder, postgres.port, environment)
