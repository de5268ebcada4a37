# shellcheck shell=dash
# shellcheck disable=SC2154 # find_node.sh sets pid
# Ends a node, with the functions of find_node.sh. SIGTERM comes from here and not from `systemctl stop`: a server that
# cannot save its keys refuses to end and goes on, and a unit that was told to stop would not be started again after a crash.

# What was started a moment ago is still on its way to be the server. $1 started file, $2 data folder, $3 unit or nothing
arrive() {
  tries=0
  while find_started "$1" "$3" && ! is_node "$pid" "$2" && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.05; done
}
# The words in the log $1 that a server refuses to end with, and those before them; $2: the first byte that counts. One
# that still writes its first AOF says "can't exit", too, and ends later.
refusal() {
  # The folder of the log is the server's account's: a link in it is not followed.
  [ -f "$1" ] && [ ! -L "$1" ] && tail -c "+$2" "$1" | grep -aq "save the DB, can't exit" || return 1
  tail -c "+$2" "$1" | sed "/save the DB, can't exit/q" | tail -n 4
}
# Waits until the process is gone; what it writes is progress. Status 75: it cannot save its keys and goes on; 76: it does
# not end, and has written nothing for $5 seconds.
# $1 started file, $2 data folder, $3 unit or nothing, $4 its log or nothing, $6 seconds after which it is killed, or nothing
stop_node() {
  arrive "$1" "$2" "$3"
  if find_node "$1" "$2" "$3"; then
    before=$(stat -c %s "$4" 2>/dev/null) || before=0
    tries=0 idle=0 written=
    while [ -n "$(readlink "/proc/$pid/exe" 2>/dev/null)" ]; do
      if [ $((tries % 200)) -eq 0 ]; then
        [ $tries -eq 0 ] || echo "process $pid has not ended $((tries / 20)) s after SIGTERM"
        kill -TERM "$pid" 2>/dev/null || :
      fi
      [ -z "$6" ] || [ $tries -lt $(($6 * 20)) ] || kill -KILL "$pid" 2>/dev/null || :
      if [ $((tries % 10)) -eq 9 ]; then
        ! refusal "$4" $((before + 1)) || exit 75
        now=$(stat -c '%n %s' "$2"/temp-* 2>/dev/null) || :
        [ "$now" = "$written" ] || idle=0
        written=$now
      fi
      [ $idle -lt $(($5 * 20)) ] || { [ ! -f "$4" ] || [ -L "$4" ] || tail -n 4 "$4"; exit 76; }
      tries=$((tries + 1)) idle=$((idle + 1))
      sleep 0.05
    done
  fi
  [ -n "$3" ] || rm -f -- "$1" "$1.out"
}
