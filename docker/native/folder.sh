# shellcheck shell=bash
# The data folder is ours or is not touched: what --fresh deletes, and whose modes we change, lies below a folder
# that carries our stamp. A folder gets it while it is empty, or when only a stack of ours can have filled it.

STAMP=$CLICKSHOP_DATA/.clickshop-stack

# Makes the folder or recognises it; ends the script when it is somebody else's. Safe to repeat.
claim_folder() {
  local others
  if [ ! -f "$STAMP" ]; then
    if [ -d "$CLICKSHOP_DATA" ] && [ "$CLICKSHOP_DATA" != "$ROOT/.clickshop" ] && [ ! -s "$CLICKSHOP_DATA/kafka/cluster.id" ]; then
      others=$(find "$CLICKSHOP_DATA" -mindepth 1 -maxdepth 1 ! -name logs ! -name run) || die "$CLICKSHOP_DATA can't be read."
      [ -z "$others" ] || die "CLICKSHOP_DATA names $CLICKSHOP_DATA, which holds things of others. Name a new or an empty folder."
    fi
    mkdir -p "$CLICKSHOP_DATA"
    printf 'A stack of Clickshop keeps its data here: start_script.sh, docker/native/folder.sh\n' >"$STAMP"
  fi
  mkdir -p "$LOGS"
  chmod 700 "$LOGS" # names and addresses of visitors may stand there
}
