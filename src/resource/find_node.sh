# shellcheck shell=dash
# shellcheck disable=SC2034 # pid, sum and start are for those who call
# Finds a node's process: by the file written at its start, else by its working directory, which is the node's
# own and which both ways must agree with, because process ids come back. A zombie has no executable and does
# not count.

# When the process $1 was started, in ticks since the boot.
started_at() {
  read -r line <"/proc/$1/stat" || return 1
  line=${line##*") "}
  # shellcheck disable=SC2086 # its fields
  set -- $line
  echo "${20}"
}
# $1 process, $2 data folder
is_node() { is_server "$(readlink "/proc/$1/exe" 2>/dev/null)" "$1" "$2"; }
# $1 its executable, $2 process, $3 data folder
is_server() { case $1 in *-server | *-server\ *) [ "/proc/$2/cwd" -ef "$3" ] ;; *) false ;; esac; }
sum_of() { if [ $# -eq 1 ]; then sha256sum <"$1"; else cat -- "$@" | sha256sum; fi; }
# The process that was started, server already or not yet. $1 started file, $2 unit or nothing
find_started() {
  pid='' sum='' start=''
  [ ! -r "$1" ] || read -r sum pid start <"$1" || :
  if [ -n "$2" ]; then pid=$(systemctl show -p MainPID "$2" 2>/dev/null || :); pid=${pid#MainPID=}; [ "$pid" != 0 ] || pid=''
  elif [ -n "$pid" ] && [ "$(started_at "$pid" 2>/dev/null)" != "$start" ]; then pid=; fi
  exe=; [ -z "$pid" ] || exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || :
  [ -n "$exe" ]
}
# $1 started file, $2 data folder, $3 unit or nothing
find_node() {
  ! find_started "$1" "$3" || ! is_server "$exe" "$pid" "$2" || return 0
  sum='' pid=''
  if [ -n "$3" ] || [ ! -d "$2" ]; then return 1; fi
  for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    [ ! "$p/cwd" -ef "$2" ] || ! is_node "$pid" "$2" || return 0
  done
  pid=''
  return 1
}
owner_of() {
  for p in /proc/[0-9]*; do
    # shellcheck disable=SC2010 # what its descriptors lead to
    if ls -l "$p/fd" 2>/dev/null | grep -q -F "socket:[$1]"; then read -r comm <"$p/comm"; echo "$comm (pid ${p#/proc/})"; return; fi
  done
  echo "a process of another user"
}
node() {
  name=$1 started=$2 data=$3 unit=$4 at=$5 port=$6 bus=$7 binary=$8; shift 8
  if find_node "$started" "$data" "$unit"; then
    now=$(sum_of "$@")
    current=stale; [ "$sum" != "${now%% *}" ] || current=current
    installed=other; [ ! "/proc/$pid/exe" -ef "$binary" ] || installed=installed
    echo "=node $name $pid $current $installed"
    # A server that may open too few files lowers `maxclients` by itself.
    while read -r _ _ w n _; do [ "$w" != files ] || echo "=limit $name $n"; done <"/proc/$pid/limits"
    [ -z "$unit" ] || systemctl is-enabled --quiet "$unit" || echo "=disabled $name"
    return
  fi
  # One look for all nodes: most find their ports free, and need no process of their own for that.
  [ -n "${tcp+known}" ] || tcp=$(grep -h ' 0A ' /proc/net/tcp /proc/net/tcp6)
  case $tcp in *:"$port "*|*:"$bus "*)
    echo "$tcp" | grep -E ": ($at):($port|$bus) [^ ]+ 0A " | while read -r _ address _ _ _ _ _ _ _ inode _; do
      echo "=taken $name $((0x${address##*:})) $(owner_of "$inode")"
    done ;;
  esac
  [ ! -r "$data/nodes.conf" ] || echo "=conf $name $(base64 -w 0 "$data/nodes.conf")"
  for file in "$data"/* "$data"/*/*; do
    [ ! -f "$file" ] || echo "=file $name $(stat -c %s -- "$file") ${file#"$data/"}"
  done
}
