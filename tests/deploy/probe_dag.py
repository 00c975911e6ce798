"""A DAG for the test of the deployment: what one Celery worker can reach, and what it cannot."""

from __future__ import annotations

import os

from airflow.sdk import dag, task


@dag(schedule=None, catchup=False, is_paused_upon_creation=False)
def probe() -> None:
    """Writes to the serving Redis and to MLflow, as a night does, and tells which secrets it saw."""

    @task
    def use_services(run: str) -> dict[str, object]:
        import mlflow  # noqa: PLC0415 - what a task imports must not cost the parsing of a DAG file
        import redis  # noqa: PLC0415 - likewise

        redis.Redis.from_url(os.environ["NIGHTJAR_REDIS_URL"]).hset("nightjar:probe:1-0000:0", "probe", run)
        mlflow.set_tracking_uri(os.environ["NIGHTJAR_MLFLOW_URI"])
        mlflow.set_experiment("probe")
        with mlflow.start_run(run_name=run):
            mlflow.log_param("run", run)
            mlflow.log_text("found", "artifact.txt")
        print("the probe was here")  # noqa: T201 - looked for in the log
        hidden = ("SQL_ALCHEMY_CONN", "FERNET_KEY", "JWT_SECRET", "SECRET_KEY")
        secrets = {name: value for name, value in os.environ.items() if name.endswith(hidden)}
        # What Airflow itself sets, so that a task which tries the database is told why it cannot.
        return {"secrets": [name for name, value in secrets.items() if value != "airflow-db-not-allowed:///"]}

    use_services("{{ run_id }}")


probe()
