# shellcheck shell=dash
# Kernel settings, with the functions of prelude.sh.

# The value in the file $1, its words one blank apart; of several choices the chosen one.
setting() (
  set -f
  now=$(cat -- "$1" 2>/dev/null || :)
  now=${now##*\[} now=${now%%\]*}
  # shellcheck disable=SC2086 # its words
  set -- $now
  echo "$*"
)

# Sets the file $1 to $2. $3 is the ledger's entry, with an empty text where the former value belongs.
set_kernel() {
  was=$(json "$(setting "$1")")
  ledger "${3%%\"was\":\"\"*}\"was\":\"$was\"${3#*\"was\":\"\"}"
  printf '%s\n' "$2" >"$1"
}

# Gives the file $1 its former value $2 back where it still has $3, and no file of another cluster names it,
# as $4.
reset_kernel() {
  [ "$(setting "$1")" = "$3" ] || return 0
  ! cat /etc/sysctl.d/*-provision-*.conf /etc/tmpfiles.d/*-provision-*.conf 2>/dev/null | grep -qF -e "$4" || return 0
  printf '%s\n' "$2" >"$1"
}
