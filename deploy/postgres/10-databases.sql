-- One role and one database each for Airflow, Celery's results and MLflow; none can connect to another's.
-- Runs once, when the data volume is empty.  Passwords come from the environment, never from this file.
\set ON_ERROR_STOP on
\getenv airflow_password AIRFLOW_DATABASE_PASSWORD
\getenv celery_password CELERY_DATABASE_PASSWORD
\getenv mlflow_password MLFLOW_DATABASE_PASSWORD

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE ROLE celery LOGIN PASSWORD :'celery_password';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';

CREATE DATABASE airflow OWNER airflow TEMPLATE template0 ENCODING 'UTF8';
CREATE DATABASE celery OWNER celery TEMPLATE template0 ENCODING 'UTF8';
CREATE DATABASE mlflow OWNER mlflow TEMPLATE template0 ENCODING 'UTF8';

REVOKE ALL ON DATABASE airflow, celery, mlflow, postgres FROM PUBLIC;
