#!/usr/bin/env bash
# Every test of the project in one command, on servers of its own that are gone afterwards.
#   ./test.sh        everything; at most 30 minutes on two cores once the tools are installed
#   ./test.sh fast   what needs no servers and no browser
#   ./test.sh full   everything, with larger backlogs, more kills, more random cases, longer fuzzing, and schemathesis
# Missing tools are installed first. The cluster, the database and their data live on free ports in a
# temporary folder; a developer's own stack, its data and .env are not touched. Logs, screenshots and traces
# stay in artifacts/. The last line is "N passed, N failed"; the exit code is 0 only when nothing failed.
set -uo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$ROOT" || exit 1

MODE=${1:-all}
case $MODE in
  all | fast | full) ;;
  -h | --help) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
  *) printf 'usage: ./test.sh [fast|full]\n' >&2 && exit 2 ;;
esac

# Compiled crates outlive a CI machine's checkout when they lie in the cache.
: "${CLICKSHOP_CACHE:=$HOME/.cache/clickshop}"
if [ -z "${CARGO_TARGET_DIR:-}" ]; then
  if [ "${CI:-}" = true ]; then CARGO_TARGET_DIR=$CLICKSHOP_CACHE/target; else CARGO_TARGET_DIR=$ROOT/target; fi
fi
case $CARGO_TARGET_DIR in /*) ;; *) CARGO_TARGET_DIR=$ROOT/$CARGO_TARGET_DIR ;; esac
export CLICKSHOP_CACHE CARGO_TARGET_DIR CARGO_TERM_COLOR=never NO_COLOR=1
[ "${CI:-}" != true ] || export CARGO_INCREMENTAL=0 # built once, so there is nothing to gain from it
# Nobody sits before a test run that has no terminal: there, what is missing is installed without a question.
if [ ! -t 0 ] || [ ! -t 1 ]; then ASSUME_YES=yes; fi

ARTIFACTS=$ROOT/artifacts
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/clickshop-test.XXXXXX") || exit 1
chmod 711 "$SCRATCH" # Postgres runs as another user when root runs this
rm -rf "$ARTIFACTS"
mkdir -p "$ARTIFACTS/logs"
export ARTIFACTS SCRATCH MODE

# shellcheck source=docker/lib.sh
. docker/lib.sh
# shellcheck source=checks/report.sh
. checks/report.sh
# shellcheck source=checks/settings.sh
. checks/settings.sh
# shellcheck source=docker/settings.sh
. docker/settings.sh
# shellcheck source=docker/native/kafka.sh
. docker/native/kafka.sh
# shellcheck source=docker/native/postgres.sh
. docker/native/postgres.sh
# shellcheck source=docker/native/processes.sh
. docker/native/processes.sh
# shellcheck source=docker/native/tools.sh
. docker/native/tools.sh
# shellcheck source=checks/tools.sh
. checks/tools.sh
# shellcheck source=checks/static.sh
. checks/static.sh
# shellcheck source=checks/live.sh
. checks/live.sh
# shellcheck source=checks/start.sh
. checks/start.sh
# shellcheck source=checks/hardening.sh
. checks/hardening.sh

trap 'interrupted INT' INT
trap 'interrupted TERM' TERM
trap 'interrupted HUP' HUP
trap finish EXIT

part 'tools' install_tools
part 'shellcheck' check_shell
part 'compose files' check_compose
part 'documents' check_documents
part 'a failed download is told at once' check_early_word
part 'formatting' check_format
part 'dependencies: licences, sources, bans' check_deny
part 'dependencies: unused' check_unused
part 'dependencies: the browser gets no server' check_wasm_tree
part 'clippy, native' check_clippy_native
part 'clippy, wasm' check_clippy_wasm
part 'build' build_everything
part 'unit and property tests' test_units
[ "$MODE" = fast ] && exit

part 'drill, short' test_drill # before the run's own servers: two clusters on two cores get in each other's way
part 'servers' servers_up
part 'store on Postgres' test_store
part 'pipeline' test_pipeline
part 'the bundle' build_bundle
part 'the bundle is small' check_bundle_size
part 'browser' test_browser
part 'ten minutes' test_ten_minutes
part 'events from anywhere' test_sending
part 'examples' test_examples
[ "$MODE" != full ] || part 'the description, tried' test_description
part 'fuzzing' test_fuzz
part 'queries are current' check_queries # last: it makes cargo compile the store again
