#!/bin/sh
# Prints .env.example with a fresh secret for every variable that has a `generate` line:  sh deploy/make_env.sh > .env
set -eu
generate=
while IFS= read -r line; do
    case $line in
    '# generate: '*) generate=${line#'# generate: '} ;;
    *=*)
        if [ -n "$generate" ]; then
            line=${line%%=*}=$(sh -c "$generate")
            generate=
        fi
        ;;
    esac
    printf '%s\n' "$line"
done <"$(dirname -- "$0")/../.env.example"
