#!/usr/bin/env bash
# One click through a running shop, by its forms as a browser without scripts sends them, until it is a row.
#   checks/click.sh PSQL…     PSQL… is the command that runs psql on the shop's database, such as
#                             bash start_script.sh psql
# SHOP_URL says where the shop is (default http://127.0.0.1:8501).
set -euo pipefail
[ $# -gt 0 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
shop=${SHOP_URL:-http://127.0.0.1:8501}
name="click $(date +%s) $$"
jar=$(mktemp)
trap 'rm -f "$jar"' EXIT

browse() { curl --silent --show-error --fail --location --cookie "$jar" --cookie-jar "$jar" "$@"; }
row() { "${psql[@]}" -XAtqc "SELECT category, hex_color FROM clickstream_data WHERE username = '$name'"; }
psql=("$@")

browse --retry 60 --retry-delay 2 --retry-all-errors --output /dev/null "$shop/"
page=$(browse --data-urlencode "username=$name" "$shop/hello")
token=$(printf '%s' "$page" | grep -o 'name="token" value="[^"]*"' | head -n 1 | cut -d '"' -f 4) || true # the next line says it
[ -n "$token" ] || { printf 'the shop showed no form:\n%s\n' "$page" >&2 && exit 1; }
browse --data-urlencode "token=$token" --data 'category=shirt' --data-urlencode 'color=#112233' --output /dev/null "$shop/cart"

for _ in $(seq 60); do
  found=$(row)
  if [ "$found" = 'shirt|#112233' ]; then
    printf 'the click of "%s" is a row: %s\n' "$name" "$found"
    exit 0
  fi
  sleep 1
done
printf 'after a minute the row of "%s" is: %s\n' "$name" "${found:-not there}" >&2
exit 1
