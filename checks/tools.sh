# shellcheck shell=bash
# The tools that only tests use; the rest is in docker/native/tools.sh. Sourced by test.sh.

CARGO_DENY_VERSION=0.20.2
CARGO_MACHETE_VERSION=0.9.2
CARGO_FUZZ_VERSION=0.13.2
SCHEMATHESIS_VERSION=4.32.5
GRPCURL_VERSION=1.9.3
NODE_VERSION=22 # used only where the system's is older than Playwright wants (20)

need_cargo_deny() { need_cargo_tool cargo-deny cargo-deny "$CARGO_DENY_VERSION" --no-default-features; }
need_cargo_fuzz() { need_cargo_tool cargo-fuzz cargo-fuzz "$CARGO_FUZZ_VERSION" --locked; }
need_cargo_machete() { need_cargo_tool cargo-machete cargo-machete "$CARGO_MACHETE_VERSION"; }

# Debian 12's own Node is 18; npm can bring a newer one into the cache.
need_node() {
  need_npm || return 1
  use_newer_node
  [ "$(node_major)" -ge 20 ] && return 0
  npm install --prefix "$CLICKSHOP_CACHE/node" --no-save --no-audit --no-fund "node@$NODE_VERSION" || return 1
  use_newer_node
  [ "$(node_major)" -ge 20 ]
}
node_major() { node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/'; }
use_newer_node() {
  [ ! -x "$CLICKSHOP_CACHE/node/node_modules/.bin/node" ] || PATH=$CLICKSHOP_CACHE/node/node_modules/.bin:$PATH
}

# Playwright and axe from the lock file. Its own Chromium only where the system has none and apt brings none.
need_playwright() {
  need_node || return 1
  local stamp=$ROOT/e2e/node_modules/.installed
  if ! cmp -s "$ROOT/e2e/package-lock.json" "$stamp"; then
    (cd "$ROOT/e2e" && npm ci --no-audit --no-fund) || return 1
    cp "$ROOT/e2e/package-lock.json" "$stamp"
  fi
  need_chromium || (cd "$ROOT/e2e" && npx playwright install --with-deps chromium)
}

# A Python of its own: nothing is put beside the system's packages.
need_schemathesis() {
  local home=$CLICKSHOP_CACHE/schemathesis-$SCHEMATHESIS_VERSION
  PATH=$home/bin:$PATH
  [ ! -f "$home/.installed" ] || return 0
  python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install 'a Python of its own for schemathesis' python3-venv || return 1
  python3 -m venv "$home" && "$home/bin/pip" install --quiet "schemathesis==$SCHEMATHESIS_VERSION" && touch "$home/.installed"
}

need_grpcurl() {
  have grpcurl && return 0
  have go || { complain 'grpcurl is missing, and so is Go, which installs it'; return 1; }
  mkdir -p "$TOOLS/bin"
  GOBIN=$TOOLS/bin go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$GRPCURL_VERSION"
}

need_python() { have python3 || apt_install 'Python for an example' python3; }

install_tools() {
  local missing=''
  need_compiler || missing="$missing compiler"
  need_shellcheck || missing="$missing shellcheck"
  need_cargo_deny || missing="$missing cargo-deny"
  need_cargo_machete || missing="$missing cargo-machete"
  need_wasm_target || missing="$missing wasm-target"
  if [ "$MODE" != fast ]; then
    need_packages || missing="$missing packages"
    need_postgres || missing="$missing postgres"
    need_kafka_jars || missing="$missing kafka"
    need_leptos_tools || missing="$missing leptos-tools"
    need_brotli || missing="$missing brotli"
    need_playwright || missing="$missing browser"
    need_grpcurl || missing="$missing grpcurl"
    need_python || missing="$missing python"
    need_cargo_fuzz || missing="$missing cargo-fuzz"
  fi
  if [ "$MODE" = full ]; then
    need_schemathesis || missing="$missing schemathesis"
  fi
  [ -z "$missing" ] || { complain "not installed:$missing"; return 1; }
}
