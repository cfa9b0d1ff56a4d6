# shellcheck shell=bash
# A real Postgres of our own: the system's binaries, our data folder, our port, on 127.0.0.1 only.
# Postgres refuses to run as root, so a root user's stack runs it as the user `postgres`.

PGDATA_DIR=$CLICKSHOP_DATA/postgres # or a link to where it really is; see place_postgres_data
pgdata() { if [ -L "$PGDATA_DIR" ]; then readlink "$PGDATA_DIR"; else printf '%s' "$PGDATA_DIR"; fi; }

# The folder of initdb and postgres: the newest on Debian, else the one on PATH (brew, others).
postgres_bin() {
  local dir newest=''
  for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
    [ -x "$dir/initdb" ] && newest=$dir
  done
  if [ -z "$newest" ] && have initdb; then newest=$(dirname "$(command -v initdb)"); fi
  [ -n "$newest" ] && printf '%s' "$newest"
}

as_postgres() {
  if [ "$(id -u)" -ne 0 ]; then
    "$@"
  elif have setpriv; then
    (cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$@")
  else
    (cd / && runuser -u postgres -- "$@")
  fi
}

# Makes the data folder one that Postgres's user can reach. A repository below a folder that only root may
# enter (/root) can't hold it: then the data lies under /var/lib and a link stands in its place. (It lay under
# /var/tmp once, where systems delete what is old; what still lies there goes on being used.) Only folders of
# our own change their mode.
place_postgres_data() {
  claim_folder
  [ "$(id -u)" -eq 0 ] || { mkdir -p "$PGDATA_DIR" && chmod 700 "$PGDATA_DIR"; return 0; }
  chmod a+x "$CLICKSHOP_DATA"
  if [ ! -e "$PGDATA_DIR/PG_VERSION" ] && ! as_postgres test -x "$CLICKSHOP_DATA"; then
    local name elsewhere
    name=clickshop-$(printf '%s' "$CLICKSHOP_DATA" | cksum | cut -d ' ' -f 1)
    elsewhere=/var/lib/$name
    if [ -O "/var/tmp/$name" ] && [ -e "/var/tmp/$name/postgres/PG_VERSION" ]; then elsewhere=/var/tmp/$name; fi
    mkdir -p "$elsewhere"
    [ -O "$elsewhere" ] || die "$elsewhere belongs to somebody else; set CLICKSHOP_DATA to a folder that the user postgres can reach."
    chmod 711 "$elsewhere"
    mkdir -p "$elsewhere/postgres"
    ln -sfn "$elsewhere/postgres" "$PGDATA_DIR"
    note "The user postgres can't enter $CLICKSHOP_DATA, so Postgres's data lies in $elsewhere/postgres."
  fi
  mkdir -p "$(pgdata)"
  chown postgres "$(pgdata)"
  chmod 700 "$(pgdata)"
}

postgres_is_new() { [ ! -s "$PGDATA_DIR/PG_VERSION" ]; }

# The data folder, made once: superuser `default` with a password, text in UTF-8, sorted by code point.
postgres_prepare() {
  local bin have_version locale=C password
  bin=$(postgres_bin) || die "Postgres's binaries are gone; install them (see the README) and start again."
  place_postgres_data
  if postgres_is_new; then
    locale -a 2>/dev/null | grep -qix 'c\.utf-\{0,1\}8' && locale=C.UTF-8
    password=$(mktemp)
    printf 'default123\n' >"$password"
    [ "$(id -u)" -ne 0 ] || chown postgres "$password"
    run_quietly "$LOGS/postgres.log" as_postgres "$bin/initdb" -D "$(pgdata)" --username=default --pwfile="$password" \
      --auth=scram-sha-256 --encoding=UTF8 --locale="$locale" || { rm -f "$password"; return 1; }
    rm -f "$password"
  else
    have_version=$(cat "$PGDATA_DIR/PG_VERSION")
    if [ "$("$bin/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" != "$have_version" ]; then
      if [ -x "/usr/lib/postgresql/$have_version/bin/postgres" ]; then return 0; fi
      die "The data in $PGDATA_DIR was made by Postgres $have_version, which is not installed any more. Install it, or start anew with --fresh."
    fi
  fi
}

start_postgres() {
  alive postgres && return 0
  local bin version data settings
  data=$(pgdata)
  settings=$data/clickshop.conf # where Postgres's user can read it
  bin=$(postgres_bin)
  version=$(cat "$PGDATA_DIR/PG_VERSION")
  [ -x "/usr/lib/postgresql/$version/bin/postgres" ] && bin=/usr/lib/postgresql/$version/bin
  cp "$ROOT/docker/postgres.conf" "$settings"
  chmod 644 "$settings"
  keep_log_small "$LOGS/postgres.log"
  # A postmaster.pid left by a kill -9 is Postgres's own business: it checks whether that process still lives.
  (cd / && as_postgres_exec "$bin/postgres" -D "$data" -c config_file="$settings" -c listen_addresses=127.0.0.1 \
    -c port="$POSTGRES_PORT" -c unix_socket_directories='') >>"$LOGS/postgres.log" 2>&1 </dev/null &
  remember postgres $!
}

# The same as as_postgres, but the shell becomes the program, so that $! is Postgres itself.
as_postgres_exec() {
  if [ "$(id -u)" -ne 0 ]; then
    in_own_session "$@"
  elif have setpriv; then
    in_own_session setpriv --reuid=postgres --regid=postgres --init-groups "$@"
  else
    in_own_session runuser -u postgres -- "$@"
  fi
}

# sql DATABASE STATEMENT: bare values, one row a line.
sql() {
  PGPASSWORD=default123 PGCONNECT_TIMEOUT=3 "$(postgres_bin)/psql" -h 127.0.0.1 -p "$POSTGRES_PORT" -U default -d "$1" -XAtq -v ON_ERROR_STOP=1 -c "$2"
}

postgres_ready() {
  alive postgres || return 2
  sql postgres 'SELECT 1' >/dev/null 2>&1
}

make_database() {
  [ "$(sql postgres "SELECT count(*) FROM pg_database WHERE datname = 'clickstream'")" = 1 ] || sql postgres 'CREATE DATABASE clickstream'
}

# SIGINT is Postgres's "fast" stop: it ends the connections, writes a checkpoint, leaves nothing to recover.
stop_postgres() { stop_process postgres INT 30; }
