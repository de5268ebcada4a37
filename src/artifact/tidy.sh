# shellcheck shell=dash disable=SC2154
# Removes the work folder of a build. Parameters: cache, ours, work as in prepare.sh; remote: empty on this machine.
# On another machine the package lists go, too: nothing else will use them there.
rm -rf "$work"
[ -z "$remote" ] || rm -rf "$cache/provision/apt"
rmdir "$cache/provision/build" "$cache/provision" 2>/dev/null || :
if [ -e "$cache/$ours" ] && [ "$(ls -A "$cache")" = "$ours" ]; then rm -r "$cache"; fi
