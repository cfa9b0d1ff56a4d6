# shellcheck shell=bash
# What a machine lacks is installed here, or named with the exact command. Each need_X returns 0 when X is
# there (installing it if it can), 1 after saying what to do. Downloads go to $CLICKSHOP_CACHE; only apt
# writes elsewhere, and only after a yes. Used by start_script.sh and by test.sh.

CLICKSHOP_USERS_PATH=${CLICKSHOP_USERS_PATH:-$PATH}
TOOLS=$CLICKSHOP_CACHE/tools # cargo install --root
NPM=$CLICKSHOP_CACHE/npm     # npm install --prefix
PATH=$TOOLS/bin:$NPM/node_modules/.bin:$PATH
[ ! -d "$HOME/.cargo/bin" ] || PATH=$PATH:$HOME/.cargo/bin
export PATH CLICKSHOP_USERS_PATH

CARGO_LEPTOS_VERSION=0.3.6
SASS_VERSION=1.93.2 # the newer ones need a newer Node than Debian 12 and Ubuntu 24.04 have
BINARYEN_VERSION=132.0.0

# --- apt -------------------------------------------------------------------------------------------------

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

# Installing asks first. Nobody can answer without a terminal: there, root's machine is a container or a CI
# runner and is told; anybody else reads the command to type.
may_install() {
  [ "$ASSUME_YES" = yes ] && return 0
  if interactive; then ask "$1"; else [ "$(id -u)" -eq 0 ]; fi
}

# apt_install WHY PACKAGE…
apt_install() {
  local why=$1 sudo_word='' also=''
  shift
  [ "$(id -u)" -eq 0 ] || sudo_word='sudo '
  if ! have apt-get; then
    complain "$why: please install by this system's means: $*"
    return 1
  fi
  if writes_debian_setting "$@"; then also=" (and write $DEBIAN_CLUSTER_SETTING, so that Debian starts no Postgres of its own)"; fi
  if ! may_install "$why: install with apt: $*$also?"; then
    complain "$why is missing. Run: ${sudo_word}apt-get install $*   (or start again with --yes)"
    return 1
  fi
  note "apt-get install $*"
  mkdir -p "$LOGS"
  keep_debian_cluster_away "$@"
  run_quietly "$LOGS/apt.log" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" && return 0
  note "once more, with fresh package lists"
  run_quietly "$LOGS/apt.log" as_root apt-get update -q &&
    run_quietly "$LOGS/apt.log" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

# Debian's Postgres package makes and starts a cluster on port 5432 unless this says no beforehand.
DEBIAN_CLUSTER_SETTING=/etc/postgresql-common/createcluster.d/clickshop.conf
writes_debian_setting() { case " $* " in *' postgresql'*) [ ! -f "$DEBIAN_CLUSTER_SETTING" ] ;; *) return 1 ;; esac }
keep_debian_cluster_away() {
  writes_debian_setting "$@" || return 0
  as_root mkdir -p "$(dirname "$DEBIAN_CLUSTER_SETTING")"
  printf '# Clickshop runs a Postgres of its own; see docker/native/tools.sh\ncreate_main_cluster = false\n' | as_root tee "$DEBIAN_CLUSTER_SETTING" >/dev/null
}

# brew_hint WHY FORMULA: macOS users decide about Homebrew themselves.
brew_hint() {
  complain "$1 is missing. Run: brew install $2"
  return 1
}

# --- what the servers need -------------------------------------------------------------------------------

java_is_new_enough() {
  local java major
  java=$(java_bin) && [ -n "$java" ] || return 1
  major=$(java_major "$java") || return 1
  [ "${major:-0}" -ge 17 ]
}

# Ubuntu's default-jre is 11 in places; ask apt which of the ones that fit it has.
java_package() {
  local name
  for name in openjdk-17-jre-headless openjdk-21-jre-headless openjdk-25-jre-headless; do
    apt-cache show "$name" >/dev/null 2>&1 && printf "%s" "$name" && return 0
  done
  printf 'default-jre-headless'
}

kafka_jars_there() { [ -f "$KAFKA_LIBS/kafka_2.13-4.1.1.jar" ] && [ -f "$KAFKA_LIBS/.complete" ]; }

compiler_there() { have cc && have make && have pkg-config && pkg-config --exists openssl; }

# Everything apt can bring for the natively run stack, so that there is one question and not six.
missing_packages() {
  local list=''
  java_is_new_enough || list="$list $(java_package)"
  kafka_jars_there || have mvn || list="$list maven"
  [ -n "$(postgres_bin)" ] || list="$list postgresql postgresql-client"
  compiler_there || list="$list build-essential pkg-config libssl-dev zlib1g-dev"
  have npm || list="$list nodejs npm"
  printf '%s' "${list# }"
}

need_packages() {
  local list
  list=$(missing_packages)
  [ -n "$list" ] || return 0
  if on_macos; then
    brew_hint "Some of Java 17, Maven, Postgres, OpenSSL, pkg-config, Node" "openjdk@17 maven postgresql@17 openssl@3 pkg-config node"
    return 1
  fi
  # shellcheck disable=SC2086
  apt_install "The native stack" $list
}

need_java() {
  java_is_new_enough && return 0
  if on_macos; then brew_hint 'Java 17' openjdk@17; else apt_install 'Java 17' "$(java_package)"; fi
}

need_postgres() {
  [ -n "$(postgres_bin)" ] && return 0
  if on_macos; then brew_hint Postgres postgresql@17; else apt_install Postgres postgresql postgresql-client; fi
}

# Kafka's own jars (54 MB), through Maven, which checks each against its checksum.
need_kafka_jars() {
  kafka_jars_there && return 0
  need_java || return 1
  if ! have mvn; then
    if on_macos; then brew_hint Maven maven; else apt_install Maven maven; fi || return 1
  fi
  mkdir -p "$KAFKA_LIBS" "$LOGS"
  run_quietly "$LOGS/maven.log" mvn -q -B -f "$ROOT/docker/native/kafka.pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime "-DoutputDirectory=$KAFKA_LIBS" || return 1
  touch "$KAFKA_LIBS/.complete"
}

# --- what a build needs ----------------------------------------------------------------------------------

# version_below A B: A is an older version than B.
version_below() { [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)" = "$1" ]; }

need_compiler() {
  local wanted oldest have_version
  oldest=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$ROOT/Cargo.toml" | head -n 1)
  wanted=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml")
  if ! have cargo; then
    complain "Rust is missing. Run: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh   (then open a new terminal)"
    return 1
  fi
  have_version=$(cd "$ROOT" && rustc --version 2>/dev/null | cut -d ' ' -f 2) || have_version=''
  if [ -z "$have_version" ] && have rustup; then
    note "installing Rust $wanted with rustup"
    mkdir -p "$LOGS"
    run_quietly "$LOGS/rustup.log" rustup toolchain install "$wanted" --profile minimal --component rustfmt --component clippy || return 1
    have_version=$wanted
  fi
  if [ -z "$have_version" ] || version_below "$have_version" "$oldest"; then
    complain "This is Rust ${have_version:-without a rustc}; the project needs $oldest. Run: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh   (then open a new terminal)"
    return 1
  fi
  if [ "$have_version" != "$wanted" ]; then
    warn "This is Rust ${have_version:-unknown}; the project is built and tested with $wanted (rustup toolchain install $wanted)."
  fi
  compiler_there && return 0
  if on_macos; then
    complain "A C compiler, pkg-config or OpenSSL is missing. Run: xcode-select --install; brew install openssl@3 pkg-config"
    return 1
  fi
  apt_install 'A C compiler with OpenSSL headers' build-essential pkg-config libssl-dev zlib1g-dev
}

wasm_lib() { printf '%s' "$(cd "$ROOT" && rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown/lib"; }
wasm_target_there() { ls "$(wasm_lib)"/libstd-*.rlib >/dev/null 2>&1; }

# Rust's standard library for the browser: from rustup, else built from Debian's copy of its source.
need_wasm_target() {
  local log=$LOGS/wasm-target.log
  wasm_target_there && return 0
  mkdir -p "$LOGS"
  if have rustup && (cd "$ROOT" && rustup target add wasm32-unknown-unknown) >>"$log" 2>&1 && wasm_target_there; then return 0; fi
  if have apt-get && have dpkg-deb && wasm_target_from_debian >>"$log" 2>&1 && wasm_target_there; then return 0; fi
  complain "The wasm32-unknown-unknown target is missing. Run: rustup target add wasm32-unknown-unknown   (details: $log)"
  return 1
}

# Needs no root and touches nothing of the system's apt: lists, sources and packages in a folder of the cache.
# The source must be of exactly our compiler's version, or its std could not be linked.
wasm_target_from_debian() (
  set -eu
  version=$(cd "$ROOT" && rustc --version | cut -d ' ' -f 2)
  work=$CLICKSHOP_CACHE/rust-src-$version
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -s "$keyring" ] || { printf 'no Debian keyring at %s\n' "$keyring"; exit 1; }
  mkdir -p "$work"/lists/partial "$work"/cache/archives/partial "$work"/etc
  # shellcheck disable=SC2016 # apt's own variable, not the shell's
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -i debian | grep -v security | sort -u | head -n 1)
  [ -n "$mirror" ] || { printf 'apt knows no Debian mirror\n'; exit 1; }
  printf 'deb [signed-by=%s] %s trixie-backports main\n' "$keyring" "$mirror" >"$work/etc/sources.list"
  private_apt() {
    local tool=$1
    shift
    "$tool" -o "Dir::State::Lists=$work/lists" -o "Dir::Etc::SourceList=$work/etc/sources.list" -o Dir::Etc::SourceParts=/dev/null \
      -o "Dir::Cache=$work/cache" -o "Dir::Cache::Archives=$work/cache/archives" -o APT::Sandbox::User= "$@"
  }
  private_apt apt-get update -q
  package=$(private_apt apt-cache madison rust-src | awk '{print $3}' | grep "^$version" | head -n 1)
  [ -n "$package" ] || { printf 'trixie-backports has no rust-src %s\n' "$version"; exit 1; }
  cd "$work"
  private_apt apt-get download "rust-src=$package"
  dpkg-deb -x rust-src_*.deb unpacked
  cp "$ROOT/rust-toolchain.toml" "unpacked/usr/src/rustc-$version/library/"
  cd "unpacked/usr/src/rustc-$version/library"
  RUSTC_BOOTSTRAP=1 __CARGO_DEFAULT_LIB_METADATA=wasmstd RUSTFLAGS='-Zforce-unstable-if-unmarked -Cembed-bitcode=yes' \
    CARGO_TARGET_DIR="$work/target" cargo build --release --manifest-path sysroot/Cargo.toml \
    --target wasm32-unknown-unknown --features panic-unwind,compiler-builtins-mem
  mkdir -p "$(wasm_lib)"
  cp "$work"/target/wasm32-unknown-unknown/release/deps/*.rlib "$(wasm_lib)/"
  rm -rf "$work"
)

# cargo_tool COMMAND CRATE VERSION [FLAGS…]: a prebuilt one when cargo-binstall is there, else compiled, in a
# hurry (these are run a few times a day, so a quick build beats a quick program).
cargo_tool() {
  local command=$1 crate=$2 version=$3 log=$LOGS/cargo-tools.log
  shift 3
  mkdir -p "$LOGS" "$TOOLS"
  if have cargo-binstall && cargo binstall --no-confirm --root "$TOOLS" "$crate@$version" >>"$log" 2>&1 && have "$command"; then return 0; fi
  note "compiling $crate $version (once; minutes; log: $log)"
  (
    cd "$ROOT" || exit 1
    export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0
    export CARGO_TARGET_DIR=${CLICKSHOP_TOOL_TARGET:-$CLICKSHOP_CACHE/tool-target}
    cargo install --root "$TOOLS" --locked "$crate" --version "$version" "$@" >>"$log" 2>&1 ||
      # A lock file may name a release that cannot be had any more.
      run_quietly "$log" cargo install --root "$TOOLS" "$crate" --version "$version" "$@"
  )
}

# has_version VERSION COMMAND ARGS…: the command's answer contains that version.
has_version() {
  local wanted=$1 answer
  shift
  answer=$("$@" 2>/dev/null) || return 1
  case " $answer " in *[[:space:]]"$wanted"[[:space:]]*) return 0 ;; *) return 1 ;; esac
}

need_cargo_leptos() {
  has_version "$CARGO_LEPTOS_VERSION" cargo-leptos --version && return 0
  cargo_tool cargo-leptos cargo-leptos "$CARGO_LEPTOS_VERSION" --no-default-features --features no_downloads
}

# The one tool whose version must equal that of the crate the shop is compiled with.
wasm_bindgen_version() { awk '/^name = "wasm-bindgen"$/ {getline; gsub(/[^0-9.]/, ""); print; exit}' "$ROOT/Cargo.lock"; }
need_wasm_bindgen() {
  local version
  version=$(wasm_bindgen_version)
  [ -n "$version" ] || { complain "Cargo.lock names no wasm-bindgen"; return 1; }
  has_version "$version" wasm-bindgen --version && return 0
  cargo_tool wasm-bindgen wasm-bindgen-cli "$version"
}

need_npm() {
  have npm && return 0
  if on_macos; then brew_hint Node node; else apt_install Node nodejs npm; fi
}

# sass (the style sheet) and wasm-opt (a smaller bundle), both pinned, in one small folder of the cache.
need_npm_tools() {
  [ -x "$NPM/node_modules/.bin/sass" ] && [ -x "$NPM/node_modules/.bin/wasm-opt" ] &&
    [ "$(cat "$NPM/versions" 2>/dev/null)" = "$SASS_VERSION $BINARYEN_VERSION" ] && return 0
  need_npm || return 1
  mkdir -p "$NPM" "$LOGS"
  run_quietly "$LOGS/npm.log" npm install --prefix "$NPM" --no-save --no-audit --no-fund "sass@$SASS_VERSION" "binaryen@$BINARYEN_VERSION" || return 1
  printf '%s %s\n' "$SASS_VERSION" "$BINARYEN_VERSION" >"$NPM/versions"
}
need_sass() { need_npm_tools; }
need_wasm_opt() { need_npm_tools; }

# All that `cargo leptos build` and `cargo leptos watch` use.
need_leptos_tools() { need_wasm_target && need_npm_tools && need_cargo_leptos && need_wasm_bindgen; }

# For a developer, whose own shell must find them: a link beside cargo for each that it would not find.
dev_tools() {
  local name bin=${CARGO_HOME:-$HOME/.cargo}/bin linked=''
  step 'Tools for cargo leptos watch (compiled the first time, some minutes)'
  if ! need_leptos_tools; then
    warn 'cargo leptos watch will miss something (see above); cargo run -p app --features ssr works without it'
    return 0
  fi
  for name in cargo-leptos wasm-bindgen sass wasm-opt; do
    (PATH=$CLICKSHOP_USERS_PATH && have "$name") && continue
    if is_others "$bin/$name"; then
      warn "$bin/$name is not ours and stays as it is; ours is $(command -v "$name")"
      continue
    fi
    mkdir -p "$bin" && ln -sf "$(command -v "$name")" "$bin/$name" && linked="$linked $name"
  done
  [ -z "$linked" ] || note "linked into $bin:$linked"
}

# There is something, and it is no link into our cache.
is_others() {
  [ -e "$1" ] || [ -L "$1" ] || return 1
  case $(readlink "$1") in "$TOOLS"/* | "$NPM"/*) return 1 ;; *) return 0 ;; esac
}

# --- what only the tests need ----------------------------------------------------------------------------

# Prints nothing; CHROMIUM holds the browser's path afterwards.
need_chromium() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'; do
    if [ -n "$name" ] && have "$name"; then
      CHROMIUM=$(command -v "$name")
      export CHROMIUM
      return 0
    fi
  done
  if on_macos; then brew_hint 'A Chromium' '--cask chromium'; else apt_install 'A Chromium' chromium fonts-noto-color-emoji; fi || return 1
  CHROMIUM=$(command -v chromium || command -v chromium-browser) && export CHROMIUM
}

# need_command COMMAND PACKAGE: a tool that apt and brew know by the same name.
need_command() {
  have "$1" && return 0
  if on_macos; then brew_hint "$1" "$2"; else apt_install "$1" "$2"; fi
}
need_shellcheck() { need_command shellcheck shellcheck; }
need_kcat() { need_command kcat kcat; }
need_jq() { need_command jq jq; }
need_brotli() { need_command brotli brotli; }

# need_cargo_tool COMMAND CRATE VERSION [FLAGS…]: e.g. cargo-nextest, cargo-deny, cargo-machete.
need_cargo_tool() {
  local command=$1
  if [ -x "$TOOLS/bin/$command" ] && grep -q "^\"$2 $3 " "$TOOLS/.crates.toml" 2>/dev/null; then return 0; fi
  cargo_tool "$@"
}
