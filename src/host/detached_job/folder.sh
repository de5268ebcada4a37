# shellcheck shell=dash
# shellcheck disable=SC2154 # `DetachedJob::program` sets key
# shellcheck disable=SC2015 # whichever of the two fails, what comes after || must follow
# shellcheck disable=SC2034 # job is for the programs that come after
# Names the folder of the job $key. It is lost with a reboot where that is possible, and only its owner can
# read it: a script may hold secrets.
umask 077
base=/run/provision-work
[ "$(id -u)" = 0 ] || base=${XDG_RUNTIME_DIR:-/tmp}/provision-work-$(id -u)
[ ! -L "$base" ] && { [ ! -e "$base" ] || [ -O "$base" ]; } || { echo "$base is not ours: remove it"; exit 1; }
job=$base/$key
# Whether the job exists. busybox takes an empty number for our own process group.
runs() { pid=$(cat "$job/pid" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }
