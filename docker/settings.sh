# shellcheck shell=bash disable=SC2034 # read by the files that source this one
# Every address and folder the stack uses, in one place, each overridable by the environment or .env
# (the environment wins). Names and defaults: .env.example. Two stacks live side by side when CLICKSHOP_DATA
# and the ports differ. Expects ROOT, the repository's folder.

# Reads KEY=VALUE lines; executes nothing; keeps what the environment already says.
load_env_file() {
  local line key value
  [ -f "$1" ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line#export }
    case $line in '' | '#'*) continue ;; [A-Za-z_]*=*) ;; *) continue ;; esac
    key=${line%%=*} value=${line#*=}
    case $key in *[!A-Za-z0-9_]*) continue ;; esac
    case $value in
      \"*\") value=${value#\"} value=${value%\"} ;;
      \'*\') value=${value#\'} value=${value%\'} ;;
      *) value=${value%%[[:space:]]#*} ;;
    esac
    [ -n "${!key+set}" ] || export "$key=$value"
  done <"$1"
}
load_env_file "${CLICKSHOP_ENV_FILE:-$ROOT/.env}" # the tests read none

# Folders
CLICKSHOP_CACHE=${CLICKSHOP_CACHE:-$HOME/.cache/clickshop} # downloads and tools; may be deleted at any time
CLICKSHOP_DATA=${CLICKSHOP_DATA:-$ROOT/.clickshop}         # Kafka's, Postgres's and the spool's data, logs, pid files
# A leading ~ of .env is nobody's but ours to understand.
case $CLICKSHOP_CACHE in [~]/*) CLICKSHOP_CACHE=$HOME/${CLICKSHOP_CACHE#[~]/} ;; esac
case $CLICKSHOP_DATA in [~]/*) CLICKSHOP_DATA=$HOME/${CLICKSHOP_DATA#[~]/} ;; esac
case $CLICKSHOP_DATA in /*) ;; *) CLICKSHOP_DATA=$ROOT/$CLICKSHOP_DATA ;; esac
LOGS=$CLICKSHOP_DATA/logs
RUN=$CLICKSHOP_DATA/run
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
case $TARGET in /*) ;; *) TARGET=$ROOT/$TARGET ;; esac

# Ports, all on 127.0.0.1
BROKER1_PORT=${BROKER1_PORT:-19092} CONTROLLER1_PORT=${CONTROLLER1_PORT:-19093}
BROKER2_PORT=${BROKER2_PORT:-29092} CONTROLLER2_PORT=${CONTROLLER2_PORT:-29093}
BROKER3_PORT=${BROKER3_PORT:-39092} CONTROLLER3_PORT=${CONTROLLER3_PORT:-39093}
POSTGRES_PORT=${POSTGRES_PORT:-5432}
LEPTOS_SITE_ADDR=${LEPTOS_SITE_ADDR:-127.0.0.1:8501}
GRPC_ADDR=${GRPC_ADDR:-127.0.0.1:50051}
APP_OPS_ADDR=${APP_OPS_ADDR:-127.0.0.1:9464}
CONSUMER_OPS_ADDR=${CONSUMER_OPS_ADDR:-127.0.0.1:9465}
PGADMIN_PORT=${PGADMIN_PORT:-5050}
KAFKA_UI_PORT=${KAFKA_UI_PORT:-8080}
BROKER_HEAP=${BROKER_HEAP:-384m}

# What the stack's own programs are told: its own servers, whatever .env says about others.
STACK_BROKERS=127.0.0.1:$BROKER1_PORT,127.0.0.1:$BROKER2_PORT,127.0.0.1:$BROKER3_PORT
STACK_DATABASE_URL=postgres://default:default123@127.0.0.1:$POSTGRES_PORT/clickstream
export CLICKSHOP_CACHE CLICKSHOP_DATA BROKER1_PORT BROKER2_PORT BROKER3_PORT POSTGRES_PORT LEPTOS_SITE_ADDR \
  GRPC_ADDR APP_OPS_ADDR CONSUMER_OPS_ADDR PGADMIN_PORT KAFKA_UI_PORT BROKER_HEAP

BROKERS='broker1 broker2 broker3'

# port_of NAME_PORT-style variable by part: broker2 → $BROKER2_PORT
broker_port() { local name=BROKER${1#broker}_PORT && printf '%s' "${!name}"; }
controller_port() { local name=CONTROLLER${1#broker}_PORT && printf '%s' "${!name}"; }

# The settings a program needs to meet this stack when started by hand; empty when all are the defaults.
stack_settings() {
  local text=''
  [ "$STACK_BROKERS" = 127.0.0.1:19092,127.0.0.1:29092,127.0.0.1:39092 ] || text="KAFKA_BROKERS=$STACK_BROKERS "
  [ "$POSTGRES_PORT" = 5432 ] || text="${text}DATABASE_URL=$STACK_DATABASE_URL "
  printf '%s' "$text"
}
