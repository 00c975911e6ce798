#!/bin/sh
# Runs once before every start: brings the metadata database to this version and makes the first administrator.
# Both are safe to repeat; an administrator who exists keeps the password that is stored.
set -eu
airflow db migrate

# Twice on standard input, because the command asks for a confirmation: an argument would show in the process list.
airflow users create --role Admin --username "$AIRFLOW_ADMIN_USERNAME" --email "$AIRFLOW_ADMIN_EMAIL" \
    --firstname Nightjar --lastname Administrator <<END
$AIRFLOW_ADMIN_PASSWORD
$AIRFLOW_ADMIN_PASSWORD
END
