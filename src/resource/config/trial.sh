# shellcheck shell=dash
# Tries a server on a configuration where nothing can reach it: in a folder of its own, without a network port.

# Whether the ACL file $1 leaves the user default, as whom provision and the replicas log in, its rights; $2 says that
# they have a password.
lets_us_in() (
  set -f
  while read -r word name rules || [ -n "$word" ]; do
    [ "$word $name" = 'user default' ] || continue
    on='' all='' open=''
    for rule in $rules; do
      case $rule in
        on) on=1 ;;
        off) on= ;;
        +@all | allcommands) all=1 ;;
        -@all | nocommands) all= ;;
        nopass) open=1 ;;
        resetpass | \>* | \#*) open= ;;
        reset) on='' all='' open='' ;;
      esac
    done
    [ -n "$on" ] && [ -n "$all" ] && [ -n "$open$2" ] || return 1
  done <"$1"
)

# Starts the server $1 as the account $2 on the configuration on standard input, which names the ACL file $3, until it
# is ready; $4 says that the nodes have a password. Where it does not get ready, prints its last words and ends with status 78.
try_config() (
  [ -x "$1" ] || exit 0
  server=$1 account=$2 acl=$3 password=$4
  trial=$(mktemp -d "${TMPDIR:-/tmp}/provision-trial.XXXXXX") || exit 1
  chmod 711 "$trial"
  mkdir -m 700 "$trial/data"
  [ -z "$account" ] || chown "$account" "$trial/data"
  umask 022
  # With this hz the server ends at once when it is told to.
  {
    cat
    printf '%s\n' '' 'hz 500' 'port 0' 'unixsocket socket' "dir $trial/data" 'logfile ""' 'loglevel notice' 'syslog-enabled no' \
      'daemonize no' 'cluster-enabled no' 'appendonly no' 'save ""'
  } >"$trial/conf"
  : >"$trial/out"
  set -- "$server" "$trial/conf"
  # By numbers: old releases of setpriv take no names.
  [ -z "$account" ] || set -- setpriv --reuid="$(id -u "$account")" --regid="$(id -g "$account")" --clear-groups "$@"
  ( cd /; exec env -i LC_ALL=C PATH="$PATH" "$@" </dev/null >"$trial/out" 2>&1 ) &
  pid=$! tries=0 ready='' nap=0.01
  # Some shells say that a job was killed.
  exec 2>/dev/null
  while [ $tries -lt 500 ]; do
    alive=$(readlink "/proc/$pid/exe") || alive=
    if grep -q 'eady to accept connections' "$trial/out"; then ready=1; break; fi
    [ -n "$alive" ] || break
    tries=$((tries + 1))
    [ $tries -lt 50 ] || nap=0.02
    sleep $nap
  done
  kill -TERM "$pid" || :
  tries=0
  while [ -n "$(readlink "/proc/$pid/exe")" ]; do
    [ $tries -lt 200 ] || kill -KILL "$pid" || :
    tries=$((tries + 1))
    sleep 0.01
  done
  wait "$pid" || :
  status=78
  if [ -n "$ready" ] && [ -n "$acl" ] && ! lets_us_in "$acl" "$password"; then
    echo ">>> 'aclfile $acl'"
    echo "its user default cannot log in or run all commands, and provision and the replicas log in as that user"
  elif [ -n "$ready" ]; then
    sed -n 's/.*WARNING: \(You specified a maxmemory\)/@note \1/p' "$trial/out"
    status=0
  else
    tail -n 20 "$trial/out"
    [ -z "$alive" ] || echo 'it was not ready within 10 s'
  fi
  rm -rf -- "$trial"
  exit "$status"
)
