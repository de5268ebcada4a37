# shellcheck shell=dash
# shellcheck disable=SC2154 # `lock_script` sets cluster, holder and retake
# shellcheck disable=SC2015 # whichever of the two fails, what comes after || must follow
# Takes the lock of a cluster in this very shell, which keeps it as descriptor 9 until it ends.
#   $cluster, $holder  whose lock it is, and what other runs read of us
#   $retake            `yes` where this run held it before, in a shell that was lost
# The lock is in a folder where only its account can put a file, so that it cannot be a link that another
# account planted; /proc tells our uid without the process that `id` would be.
while read -r key _ uid _; do [ "$key" != Uid: ] || break; done </proc/self/status
lock_dir=/run
[ "$uid" = 0 ] || lock_dir=/run/user/$uid
[ -w "$lock_dir" ] || lock_dir=/tmp/provision-$uid
lock=$lock_dir/provision-$uid-$cluster.lock
take() {
  while :; do
    case $lock_dir in /tmp/*) mkdir -m 700 "$lock_dir" 2>/dev/null ;; esac
    [ ! -L "$lock_dir" ] && [ -O "$lock_dir" ] || { echo "$lock_dir is not ours: remove it"; return 1; }
    # `command` keeps a failing redirection from ending the shell.
    command exec 9>>"$lock" || { [ -d "$lock_dir" ] && return 1; continue; }
    # ksh passes on only descriptors that the command names.
    flock -n 9 9>&9 || {
      other=$(head -n 1 "$lock")
      # A link that was lost without a FIN leaves its shell behind, which has not noticed.
      [ "$retake$other" != "yes$holder" ] || kill -KILL "$(sed -n 2p "$lock")" || :
      printf 'locked by %s\n' "$other"
      # An earlier run that was killed may still have a script running here, whose shell keeps the lock until
      # that script ends.
      flock -w 15 9 9>&9
    } || { exec 9>&-; return 1; }
    # Its last holder may have unlinked the file: the path must still name the one that was locked.
    [ /proc/self/fd/9 -ef "$lock" ] && break
  done
  printf '%s\n' "$holder" $$ >"$lock"
  trap 'rm -f "$lock"; case $lock_dir in /tmp/*) rmdir "$lock_dir" 2>/dev/null ;; esac' EXIT
  trap 'exit 1' PIPE HUP TERM
}
take </dev/null 2>&1
