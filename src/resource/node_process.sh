# shellcheck shell=dash
# shellcheck disable=SC2154 # find_node.sh sets pid
# Starts a node that systemd does not start, with the functions of prelude.sh and find_node.sh.

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
