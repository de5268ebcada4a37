# shellcheck shell=sh
# Becomes systemd-nspawn in a control group of its own: two systemds in one group would take each other's
# processes for their own. Where this machine runs systemd, nspawn gets a group from there.
# $1 name of the group; the rest are nspawn's arguments.
name=$1; shift
if [ ! -d /run/systemd/system ]; then
  for base in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -e "$base/cgroup.procs" ] || continue
    mkdir -p "$base/$name"; echo $$ >"$base/$name/cgroup.procs"
  done
  set -- --keep-unit "$@"
fi
exec systemd-nspawn "$@"
