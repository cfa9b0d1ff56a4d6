#!/usr/bin/env bash
# Describes every checked query for builds without a database: writes .sqlx at the root of the workspace.
#
#   DATABASE_URL=postgres://… store/prepare.sh           writes the descriptions anew
#   DATABASE_URL=postgres://… store/prepare.sh --check   fails when they differ from what is there
#
# The database must be empty. The migrations are applied with psql, not with the store's own `migrate`: that
# would have to be built first, from the very descriptions that are being made.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
: "${DATABASE_URL:?must name an empty database}"
case "${1:-}" in
    "" | --check) ;;
    *) echo "usage: store/prepare.sh [--check]" >&2; exit 2 ;;
esac

if [[ $(psql "$DATABASE_URL" -XAtqc "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") != 0 ]]; then
    echo "store/prepare.sh: the database is not empty; give it one of its own" >&2
    exit 2
fi
for migration in "$root"/migrations/*.sql; do
    psql "$DATABASE_URL" -Xq1 -v ON_ERROR_STOP=1 -f "$migration"
done

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
# The macros describe a query when the crate is compiled against a database; touching it makes that happen.
touch "$root/store/src/lib.rs"
(cd "$root" && SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$fresh" cargo check --quiet -p store --lib)
# And once more without: what was built just now must not stand for a build that needs no database.
touch "$root/store/src/lib.rs"

if [[ ${1:-} == --check ]]; then
    if ! diff -ru "$root/.sqlx" "$fresh"; then
        echo "store/prepare.sh: .sqlx is not current; run store/prepare.sh" >&2
        exit 1
    fi
    echo "the descriptions of $(find "$fresh" -name '*.json' | wc -l) queries are current"
else
    mkdir -p "$root/.sqlx"
    rm -f "$root"/.sqlx/query-*.json
    cp "$fresh"/*.json "$root/.sqlx/"
    echo "described $(find "$fresh" -name '*.json' | wc -l) queries in .sqlx"
fi
