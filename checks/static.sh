# shellcheck shell=bash
# What needs no servers: the shell, the manifests, the lints, the build, the unit tests. Sourced by test.sh.
#
# Every cargo command here and in live.sh names the whole workspace and the same features: a narrower choice
# would resolve other features and compile the dependencies once more.

WORKSPACE='--locked --workspace --features app/ssr'

check_shell() {
  local files
  files=$(git ls-files -co --exclude-standard -- '*.sh' .ci/run)
  # shellcheck disable=SC2086
  shellcheck -x --source-path="$ROOT" $files && printf 'checked %s files\n' "$(printf '%s\n' "$files" | wc -l)"
}

# Compose's own parser as a Go library; where neither it nor an engine can be had, only CI must insist.
# A Go that is older than go.mod wants, and can't fetch a newer one, fails at naming the module already.
check_compose() {
  if have go && (cd docker/compose-check && go list -m) >/dev/null 2>&1; then
    (cd docker/compose-check && go run . ../compose.yaml)
  elif docker compose version >/dev/null 2>&1; then
    docker compose -f docker/compose.yaml config --quiet
  else
    printf 'neither docker compose nor a Go of at least %s is installed\n' "$(awk '/^go / {print $2}' docker/compose-check/go.mod)"
    if [ "${CI:-}" = true ]; then return 1; else return 77; fi
  fi
}

# What the documents name is there: the targets of their links, and one default for a setting wherever it stands.
check_documents() {
  local links=0 settings=0 bad=0 document target name value rows
  for document in *.md; do
    while IFS= read -r target; do
      case $target in *://* | mailto:* | '#'* | '') continue ;; esac
      links=$((links + 1)) target=${target%%#*}
      [ -n "$(git ls-files -co --exclude-standard -- "${target%/}")" ] || { printf '%s links to %s, which is not there\n' "$document" "$target" && bad=1; }
    done <<<"$(grep -o '\](\([^)]*\))' "$document" | sed 's/^](//; s/)$//')"
  done
  while IFS='=' read -r name value; do
    rows=$(awk -F ' *[|] *' -v name="\`$name\`" '$2 == name {print $4}' README.md)
    [ -n "$rows" ] || continue
    settings=$((settings + 1))
    printf '%s\n' "$rows" | grep -qxF "\`$value\`" || { printf '%s is %s in .env.example and %s in the README\n' "$name" "$value" "$rows" && bad=1; }
  done <<<"$(sed -n 's/^# \([A-Z][A-Z0-9_]*=.*\)/\1/p' .env.example)"
  printf '%d links, %d settings\n' "$links" "$settings"
  [ "$settings" -gt 0 ] && [ "$bad" -eq 0 ]
}

check_format() { cargo fmt --all --check && rustfmt --edition 2024 --check fuzz/fuzz_targets/*.rs; }

check_deny() { cargo deny --locked check bans licenses sources; }

check_unused() { cargo machete; }

# Islands run in the browser: nothing that opens a socket, a thread pool or a database may come along.
check_wasm_tree() {
  local tree found
  tree=$(cargo tree --locked -p app --features hydrate --target wasm32-unknown-unknown -e normal --prefix none) || return 1
  found=$(printf '%s\n' "$tree" | awk '{print $1}' | sort -u | grep -Ex 'tokio|mio|hyper|axum|leptos_axum|rdkafka|rdkafka-sys|sqlx(-.*)?|store|collector|service')
  if [ -n "$found" ]; then
    printf 'the wasm build depends on:\n%s\n' "$found"
    return 1
  fi
  printf '%s crates, none of them for servers\n' "$(printf '%s\n' "$tree" | awk '{print $1}' | sort -u | wc -l)"
}

# shellcheck disable=SC2086
check_clippy_native() { cargo clippy $WORKSPACE --all-targets -- -D warnings; }

check_clippy_wasm() { rests_on install_tools && cargo clippy --locked -p app --lib --features hydrate --target wasm32-unknown-unknown -- -D warnings; }

# Libraries, binaries and tests, once; every later part only runs them.
# shellcheck disable=SC2086
build_everything() { cargo build $WORKSPACE --all-targets; }

# Integration tests that need servers; all others run here, so that none is forgotten.
LIVE_TESTS=' it pipeline '

integration_tests() {
  local file name
  for file in */tests/*.rs */tests/*/main.rs; do
    [ -f "$file" ] || continue
    name=${file%/main.rs} name=${name##*/} name=${name%.rs}
    case $LIVE_TESTS in *" $name "*) ;; *) printf -- '--test %s ' "$name" ;; esac
  done
}

# shellcheck disable=SC2046,SC2086
test_units() {
  rests_on build_everything
  local code=0
  cargo test --no-fail-fast $WORKSPACE --lib --bins $(integration_tests) || code=1
  cargo test --no-fail-fast $WORKSPACE --doc || code=1
  return "$code"
}
