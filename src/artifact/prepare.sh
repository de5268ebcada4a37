# shellcheck shell=dash disable=SC2154
# Creates the work folder of a build. Parameters: cache (the user's cache folder), ours (a file name), work.
# The file says that the cache folder did not exist before, so that tidy.sh may remove it.
umask 022
[ -e "$cache" ] || { mkdir -p "$cache"; : >"$cache/$ours"; }
mkdir -p "$work"
