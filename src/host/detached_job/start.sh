# shellcheck shell=dash
# shellcheck disable=SC2154 # folder.sh comes first; `DetachedJob::start` sets script, in base64
# shellcheck disable=SC2015 # whichever of the two fails, exit must follow
# Starts the job unless the same one runs already, or has ended and was not collected.
[ ! -e "$job/status" ] || exit 0
! runs || exit 0
[ -d "$base" ] || mkdir -m 700 "$base" || exit
[ ! -L "$base" ] && [ -O "$base" ] && chmod 700 "$base" || exit
rm -rf "$job"
# A here-document may be kept in /tmp.
mkdir "$job" && printf %s "$script" | base64 -d >"$job/script" || exit
: >"$job/out"
# The script is removed from the disk as soon as it is read.
# shellcheck disable=SC2016 # that shell's own arguments
setsid sh -c '
{ rm -f "$1/script"; sh -s; } <"$1/script" >>"$1/out" 2>&1
echo $? >"$1/status.new"; mv "$1/status.new" "$1/status"
' sh "$job" </dev/null >/dev/null 2>&1 &
echo $! >"$job/pid"
