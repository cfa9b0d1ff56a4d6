# shellcheck shell=bash
# What to look at once a part was broken on purpose: the same words whichever layer did it. Sourced by both.

# say_broken PART
say_broken() {
  local pipeline
  pipeline=http://$(shop_addr)/pipeline
  say "$1 was killed (kill -9)."
  case $1 in
    broker*)
      say "Look at  $pipeline: broker ${1#broker} is down within 2 s, others lead within about 10 s, 0 lost, 0 twice."
      say 'Then     buy something: it is accepted as before, by the other two.'
      ;;
    consumer)
      say "Look at  $pipeline: every click makes the lag grow, and soon nobody reads."
      say 'Then     buy something: the receipt says "in Kafka", and "stored" once a consumer is back.'
      ;;
    postgres)
      say "Look at  $pipeline: nobody can read the books, and Kafka still takes every click."
      say 'Then     buy something: it is accepted, and becomes a row once Postgres is back.'
      ;;
    app)
      say 'Look at  the shop: it does not answer. What it had acknowledged is in Kafka, or in its spool on disk.'
      say "Then     mend it and look at $pipeline: 0 lost, 0 twice."
      ;;
    *) say "Look at  $pipeline" ;;
  esac
  say 'Mend it  bash start_script.sh mend'
}
