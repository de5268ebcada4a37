# shellcheck shell=dash
# shellcheck disable=SC2154 # folder.sh comes first; `DetachedJob::follow` sets lines and idle
# Prints the job's output after its first $lines lines, and continues until it ends, or has been silent for
# $idle seconds. Lines of its own begin with a control character: a heartbeat is that character alone.
at=$(head -n "$lines" "$job/out" 2>/dev/null | wc -c)
pause=0.02 quiet=0
beat=$(printf '\001')
while :; do
  status=$(cat "$job/status" 2>/dev/null)
  [ -n "$status" ] || runs || {
    sleep 0.2; status=$(cat "$job/status" 2>/dev/null)
    [ -n "$status" ] || { echo "${beat}gone"; exit 0; }
  }
  size=$(stat -c %s "$job/out" 2>/dev/null || echo 0)
  if [ "$size" -gt "$at" ]; then
    tail -c +$((at + 1)) "$job/out" | head -c $((size - at))
    at=$size quiet=0 pause=0.05
  fi
  if [ -n "$status" ]; then
    [ "$at" = 0 ] || [ -z "$(tail -c 1 "$job/out")" ] || echo
    echo "${beat}ended $status"
    exit 0
  fi
  sleep $pause
  case $pause in 0.02) pause=0.05 ;; 0.05) pause=0.1 ;; 0.1) pause=0.2 ;; *) pause=1; quiet=$((quiet + 1)) ;; esac
  [ $pause != 1 ] || [ -n "$(tail -c 1 "$job/out")" ] || echo "$beat"
  [ "$quiet" -lt "$idle" ] || { echo "${beat}silent"; exit 0; }
done
