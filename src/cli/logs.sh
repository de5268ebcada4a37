# shellcheck shell=dash
# Prints the end of a log, each line after the node's name. $1 file, $2 name, then options of tail
show_log() {
  log=$1 name=$2
  shift 2
  tail "$@" -- "$log" 2>&1 | while IFS= read -r line; do printf '%s: %s\n' "$name" "$line"; done
}
# A log may be silent for days. Heartbeats find out that the connection is closed, and end what was started here.
# ksh's own printf does not tell.
follow_until_closed() {
  trap '' PIPE
  while env printf '\001\n'; do sleep 5; done 2>/dev/null
  kill 0
}
