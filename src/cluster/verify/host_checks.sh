# shellcheck shell=dash
# Defines check_node, which prints what only the host can tell about a node: a line a fact, its kind in front.
#   $1 its address   $2 its process id, or nothing   $3 the installed binary, or nothing
#   $4 its nodes.conf   $5 its log   $6 its unit, or nothing

# Log lines about a fault that lasts. What a cluster logs while a peer is away is none.
faults='Failed listening|NOAUTH|Fatal|BUG REPORT|Can.t save in background|Error writing to the AOF'
faults="$faults|corrupted|an.t update cluster config|Unrecoverable|MISCONF|Wrong signature|Bad file format"

check_node() {
  echo "node=$1"
  [ -z "$2" ] || echo "running=$(stat -L -c %d:%i "/proc/$2/exe" 2>/dev/null)"
  [ -z "$3" ] || echo "installed=$(stat -L -c %d:%i "$3" 2>/dev/null)"
  [ ! -r "$4" ] || sed 's/^/conf=/' "$4"
  # The last megabyte of a log is enough to find what is wrong now.
  [ -z "$2" ] || [ ! -r "$5" ] ||
    tail -c 1000000 "$5" | grep "^$2:" | grep -E "$faults" | tail -n 3 | sed 's/^/fault=/'
  if [ -n "$6" ]; then
    echo "enabled=$(systemctl is-enabled "$6" 2>&1)"
    echo "restarts=$(systemctl show -p NRestarts "$6" 2>/dev/null)"
  fi
}
