# shellcheck shell=bash
# The foreground: every part's log lines as they come, each with its part's name before it, a word when a part
# dies or the browser part is ready, until Ctrl-C.

name_lines() {
  local line part=''
  while IFS= read -r line; do
    case $line in
      '==> '*' <==')
        part=${line#==> }
        part=$(basename "${part% <==}" .log)
        ;;
      '') ;;
      *) printf '%s%-9s|%s %s\n' "$DIM" "$part" "$PLAIN" "$line" ;;
    esac
  done
}

# layer_follow PART…: returns only when a signal's trap ends the script (which also ends FOLLOW_JOB, the tail).
layer_follow() {
  local part state='' now told=' '
  local files=()
  for part in "$@"; do
    files+=("$LOGS/$part.log")
    touch "$LOGS/$part.log"
  done
  tail -n 0 -F "${files[@]}" 2>/dev/null > >(name_lines) &
  # shellcheck disable=SC2034 # start_script.sh's
  FOLLOW_JOB=$!
  [ ! -s "$RUN/frontend.state" ] || state=$(cat "$RUN/frontend.state")
  while :; do
    sleep 1
    for part in "$@"; do
      if crashed "$part"; then
        case $told in *" $part "*) ;; *)
          told="$told$part "
          warn "$part has died. 'bash start_script.sh' in another terminal starts it again; 'logs $part' shows its last words."
          ;;
        esac
      else
        told=${told/ $part / }
      fi
    done
    now=''
    [ ! -s "$RUN/frontend.state" ] || now=$(cat "$RUN/frontend.state")
    if [ "$now" != "$state" ]; then
      state=$now
      note "browser part: $state"
    fi
  done
}
