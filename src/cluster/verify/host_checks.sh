# shellcheck shell=dash
# Defines check_node, which prints what only the host can tell about a node: a line a fact, its kind in front.
#   $1 its name   $2 its process id, or nothing   $3 the installed binary, or nothing
#   $4 its data folder   $5 its log   $6 its unit, or nothing   $7 its configuration

# Log lines about a fault that lasts. What a cluster logs while a peer is away is none.
faults='Failed listening|NOAUTH|Fatal|BUG REPORT|Can.t save in background|Error writing to the AOF'
faults="$faults|corrupted|an.t update cluster config|Unrecoverable|MISCONF|Wrong signature|Bad file format"
secrets='requirepass|masterauth|primaryauth|user|tls-key-file-pass|tls-client-key-file-pass'

# All nodes of a host have one installed binary, and most run it: its identity is asked for once.
binary='' identity=''
check_node() {
  echo "node=$1"
  [ "$binary" = "$3" ] || binary=$3 identity=$(stat -L -c %d:%i "$3" 2>/dev/null)
  if [ -n "$2" ] && [ "/proc/$2/exe" -ef "$3" ]; then echo "running=$identity"
  elif [ -n "$2" ]; then echo "running=$(stat -L -c %d:%i "/proc/$2/exe" 2>/dev/null)"; fi
  [ -z "$3" ] || echo "installed=$identity"
  echo "data=$(cd "$4" 2>/dev/null && pwd -P)"
  [ ! -r "$4/nodes.conf" ] || sed 's/^/conf=/' "$4/nodes.conf"
  [ ! -r "$7" ] || {
    echo config=
    sed -nE "/^[[:space:]]*($secrets)[[:space:]]/d; s/^[[:space:]]*[[:alpha:]]/config=&/p" "$7"
  }
  [ -z "$2" ] || check_log "$2" "$5"
  if [ -n "$6" ]; then
    echo "enabled=$(systemctl is-enabled "$6" 2>&1)"
    echo "restarts=$(systemctl show -p NRestarts "$6" 2>/dev/null)"
  fi
}

# Lines of the process $1 begin with its id, or with pid= where log-format is logfmt. The last megabyte of
# the log $2 is enough to find what is wrong now.
check_log() {
  if [ ! -r "$2" ]; then
    echo log=unreadable
  elif [ ! -s "$2" ]; then
    echo log=empty
  else
    tail -c 1000000 "$2" | grep -aE "^$1:|^pid=$1 " |
      sed -nE "1{h;s/.*/log=read/p;g;}
/$faults/s/^/fault=/p" | tail -n 4
  fi
}
