# shellcheck shell=bash
# One click through the shop's own forms, as a browser without scripts sends them, and what its receipt says.
# Needs curl. Sourced by both layers.

# field NAME JSON: the first text or number of that name.
field() { printf '%s' "$2" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

layer_buy() {
  local shop page token answer progress news
  shop=http://$(shop_addr)
  have curl || die 'curl is missing; or buy in a browser: '"$shop"
  page=$(curl -sS --max-time 10 -b 'username=Ten minutes' "$shop/") || die "The shop does not answer at $shop. What is missing is started by: bash start_script.sh mend"
  token=$(printf '%s' "$page" | grep -o 'name="token" value="[^"]*"' | head -n 1 | cut -d '"' -f 4) || true # the next line says it
  [ -n "$token" ] || die "The shop at $shop shows no form."
  answer=$(curl -sS --max-time 10 -b 'username=Ten minutes' -H 'Accept: application/json' -d "token=$token" -d category=shirt "$shop/cart")
  case $answer in
    *'"place":"kafka"'*) say "accepted  in Kafka: partition $(field partition "$answer"), offset $(field offset "$answer")" ;;
    *'"place":"spool"'*) say 'accepted  kept on disk, on its way to Kafka' ;;
    *) die "The shop did not accept it: $(field error "$answer")" ;;
  esac
  progress=$(field progress "$answer")
  # Held open until it is a row, ten seconds at most.
  news=$(curl -sS --max-time 15 -H 'Accept: application/json' "$shop$progress") || news=''
  case $(field state "$news") in
    stored) say "stored    a row in Postgres, $(field after_ms "$news") ms after that" ;;
    rejected) say "rejected  $(field reason "$news")" ;;
    *) say 'stored    not yet' ;;
  esac
  say "receipt   $shop$(field href "$answer")"
}
