# shellcheck shell=dash
# shellcheck disable=SC2154 # `Script::new` sets state
# Creates the system account $1 with the home folder $2. The note outlives this cluster's ledger: the account
# is removed with the last cluster of the host.
create_user() {
  mkdir -p "${state%/*}/.users"
  : >"${state%/*}/.users/$1"
  gid=$(id -g "$1" 2>/dev/null || :)
  getent group "$1" >/dev/null || groupadd --system ${gid:+-g "$gid"} "$1"
  [ -n "$gid" ] || useradd --system -g "$1" --no-create-home --home-dir "$2" --shell /usr/sbin/nologin "$1"
}
