# shellcheck shell=dash
# shellcheck disable=SC2154 # find_node.sh sets pid
# Starts and stops a node that systemd does not start, with the functions of prelude.sh and find_node.sh.

start_node() {
  binary=$1 out=$2.out started=$2 account=$3; shift 3
  now=$(sum_of "$@")
  set -- "$binary" "$1"
  [ -z "$account" ] || set -- setpriv --reuid="$account" --regid="$account" --init-groups "$@"
  rm -f -- "$out"
  ( cd /; umask 077; set -C; exec setsid env -i LC_ALL=C PATH="$PATH" "$@" </dev/null >"$out" 2>&1 ) &
  write "$started" 0644 '' "${now%% *} $! $(started_at $!)
"
}
# What was started a moment ago is still on its way to be the server.
arrive() {
  tries=0
  while find_started "$1" '' && ! is_node "$pid" "$2" && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.05; done
}
# The process was given what its files say while it runs: it counts as started with them. One that ended meanwhile
# is left to its next start. $1 started file, $2 data folder, $3 unit or nothing, then the files
renew_node() {
  find_node "$1" "$2" "$3" || return 0
  out=$1 whose=
  # systemd itself knows the process of a unit.
  [ -n "$3" ] || whose=" $pid $(started_at "$pid")"
  shift 3
  now=$(sum_of "$@")
  write "$out" 0644 '' "${now%% *}$whose
"
}
# $3: seconds after which it is killed, or nothing
stop_node() {
  arrive "$1" "$2"
  if find_node "$1" "$2" ''; then
    tries=0
    while [ -n "$(readlink "/proc/$pid/exe" 2>/dev/null)" ]; do
      if [ $((tries % 200)) -eq 0 ]; then
        [ $tries -eq 0 ] || echo "process $pid has not ended $((tries / 20)) s after SIGTERM"
        kill -TERM "$pid" 2>/dev/null || :
      fi
      [ -z "$3" ] || [ $tries -lt $(($3 * 20)) ] || kill -KILL "$pid" 2>/dev/null || :
      [ $tries -lt 6000 ] || { echo "process $pid cannot save its data and end: its log says why"; exit 1; }
      tries=$((tries + 1))
      sleep 0.05
    done
  fi
  rm -f -- "$1" "$1.out"
}
