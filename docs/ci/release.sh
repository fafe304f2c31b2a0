#!/bin/sh
# Build a commit once, then staging, production and proof. From a laptop, cron or any CI system.
#   release.sh [COMMIT]                  the whole way; HEAD if no commit is named
#   release.sh --rollback ENV [REASON]   back to the release before
set -eu

if [ "${1:-}" = --rollback ]; then
    exec inv rollback "$2" --reason "${3:-rolled back by hand}"
fi

sha=$(git rev-parse "${1:-HEAD}")
inv build --sha "$sha"
inv promote staging --sha "$sha"
inv promote production --sha "$sha"
inv verify
