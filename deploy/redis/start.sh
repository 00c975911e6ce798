#!/bin/sh
# Starts Redis in one of its two roles:  start.sh broker|serving [more redis-server arguments]
#
# Users come from <role>.acl, where @NAME@ stands for the password in the environment variable NAME.  Only the SHA-256 of
# a password is written, into a folder in memory, and the server itself does not inherit the variable.
set -eu
umask 077
role=$1
shift
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
users=${REDIS_RUN_DIR:-/run/redis}/$role.acl

grep -v '^#' "$here/$role.acl" >"$users"
for name in $(grep -o '@[A-Z_]*@' "$users" | tr -d '@' | sort -u); do
    password=$(printenv "$name") || password=
    if [ "${#password}" -lt 32 ]; then
        echo "start.sh: $name must be set to a generated password of at least 32 characters; see .env.example" >&2
        exit 78
    fi
    digest=$(printf '%s' "$password" | sha256sum | cut -d ' ' -f 1)
    sed -i "s/@$name@/#$digest/" "$users"
    unset "$name" password
done

exec redis-server "$here/$role.conf" --aclfile "$users" "$@"
