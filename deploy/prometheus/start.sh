#!/bin/sh
# Starts Prometheus:  start.sh [prometheus arguments]
#
# The token goes into a file in a folder in memory, since Prometheus reads it from nowhere else, and Prometheus itself
# does not inherit the variable.
set -eu
umask 077
token=${NIGHTJAR_METRICS_TOKEN:-}
if [ "${#token}" -lt 32 ]; then
    echo "start.sh: NIGHTJAR_METRICS_TOKEN must be set to a generated token of at least 32 characters; see .env.example" >&2
    exit 78
fi
printf '%s' "$token" >"${PROMETHEUS_RUN_DIR:-/run/prometheus}/token"
unset NIGHTJAR_METRICS_TOKEN token

exec prometheus "$@"
