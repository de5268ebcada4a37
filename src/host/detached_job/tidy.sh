# shellcheck shell=dash
# shellcheck disable=SC2154 # folder.sh comes first; `DetachedJob::tidy` sets kill
# Removes the job's folder; where $kill is `yes`, its process group is killed first, in a form that dash and
# bash both know.
[ -z "$kill" ] || { pid=$(cat "$job/pid") && [ -n "$pid" ] && kill -s KILL -- "-$pid"; } 2>/dev/null || :
rm -rf "$job"
rmdir "$base" 2>/dev/null || :
