# shellcheck shell=bash
# pgAdmin without Docker: its Python package in a venv of the cache, in desktop mode (no sign-in, no master
# password), with this stack's Postgres registered and its password in a pass file, so that it opens as it stands.

PGADMIN_VERSION=9.18 # the same as in docker/compose.yaml
PGADMIN_VENV=$CLICKSHOP_CACHE/pgadmin-$PGADMIN_VERSION
PGADMIN_DATA=$CLICKSHOP_DATA/pgadmin

need_pgadmin() {
  local package
  [ -f "$PGADMIN_VENV/.complete" ] && return 0
  if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    if on_macos; then brew_hint 'Python 3' python; else apt_install 'Python with venv' python3 python3-venv; fi || return 1
  fi
  note "installing pgAdmin $PGADMIN_VERSION (about 130 MB, once)"
  run_quietly "$LOGS/pgadmin.log" python3 -m venv "$PGADMIN_VENV" || return 1
  run_quietly "$LOGS/pgadmin.log" "$PGADMIN_VENV/bin/python" -m pip install -q "pgadmin4==$PGADMIN_VERSION" || return 1
  package=$(pgadmin_package) || return 1
  # One venv serves every stack: what differs between them comes from the environment.
  cat >"$package/config_local.py" <<'PY'
import os
SERVER_MODE = False
MASTER_PASSWORD_REQUIRED = False
UPGRADE_CHECK_ENABLED = False
DEFAULT_SERVER = "127.0.0.1"
DEFAULT_SERVER_PORT = int(os.environ.get("PGADMIN_PORT", "5050"))
DATA_DIR = os.environ["CLICKSHOP_PGADMIN_DATA"]
LOG_FILE = os.path.join(DATA_DIR, "pgadmin4.log")
SQLITE_PATH = os.path.join(DATA_DIR, "pgadmin4.db")
SESSION_DB_PATH = os.path.join(DATA_DIR, "sessions")
STORAGE_DIR = os.path.join(DATA_DIR, "storage")
AZURE_CREDENTIAL_CACHE_DIR = os.path.join(DATA_DIR, "azure")
KERBEROS_CCACHE_DIR = os.path.join(DATA_DIR, "krb")
PY
  touch "$PGADMIN_VENV/.complete"
}

pgadmin_package() { "$PGADMIN_VENV/bin/python" -c 'import importlib.util; print(list(importlib.util.find_spec("pgadmin4").submodule_search_locations)[0])'; }

pgadmin_python() { env CLICKSHOP_PGADMIN_DATA="$PGADMIN_DATA" PGADMIN_PORT="$PGADMIN_PORT" "$PGADMIN_VENV/bin/python" "$@"; }

start_pgadmin() {
  alive pgadmin && return 0
  local package
  package=$(pgadmin_package) || return 1
  if [ ! -f "$PGADMIN_DATA/.registered" ]; then
    rm -rf "$PGADMIN_DATA"
    mkdir -p "$PGADMIN_DATA"
    printf '127.0.0.1:%s:*:default:default123\n' "$POSTGRES_PORT" >"$PGADMIN_DATA/pgpass"
    chmod 600 "$PGADMIN_DATA/pgpass"
    # The container's registration with this stack's address and pass file.
    sed -e 's/"Host": "[^"]*"/"Host": "127.0.0.1"/' -e "s/\"Port\": [0-9]*/\"Port\": $POSTGRES_PORT/" \
      -e "s|\"passfile\": \"[^\"]*\"|\"passfile\": \"$PGADMIN_DATA/pgpass\"|" "$ROOT/docker/pgadmin/servers.json" >"$PGADMIN_DATA/servers.json"
    run_quietly "$LOGS/pgadmin.log" pgadmin_python "$package/setup.py" setup-db || return 1
    run_quietly "$LOGS/pgadmin.log" pgadmin_python "$package/setup.py" load-servers "$PGADMIN_DATA/servers.json" --user pgadmin4@pgadmin.org || return 1
    touch "$PGADMIN_DATA/.registered"
  fi
  start_process pgadmin env CLICKSHOP_PGADMIN_DATA="$PGADMIN_DATA" PGADMIN_PORT="$PGADMIN_PORT" "$PGADMIN_VENV/bin/python" "$package/pgAdmin4.py"
}

pgadmin_ready() {
  alive pgadmin || return 2
  http_ok "127.0.0.1:$PGADMIN_PORT" /misc/ping
}
