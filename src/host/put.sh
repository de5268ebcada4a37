# shellcheck shell=dash
# Writes standard input to a file, atomically. It is sent as one line: each line here ends where a blank may
# follow, and there are no single quotes.
#   $1 path  $2 mode  $3 SHA-256  $4 how many bytes come  $5 `gzip` where they are gzipped
# The bytes are counted because a terminal, which sudo may insist on, has no end of file. The temporary name
# is fixed by the path, so that an interrupted put leaves at most one file, which the next one replaces; one that
# has been overtaken keeps its hands off that. The folder must be ours, and no link is followed in it: the new
# file is created exclusively and changed through its descriptor.
set -euC; umask 077; new=./${1##*/}.provision-new; cd -P "${1%/*}";
refuse() { echo "$1" >&2; exit 1; };
[ -O . ] || refuse "${1%/*} belongs to another account: give it back to $(id -un)";
[ ! -L "./${1##*/}" ] || refuse "$1 is a symbolic link, and is not followed: remove it";
if [ -e "$new" ] || [ -L "$new" ]; then rm -f -- "$new"; fi; exec 3>"$new"; [ -f /proc/self/fd/3 ] || refuse "$1.provision-new is in the way: remove it";
ours() { [ /proc/self/fd/3 -ef "$new" ]; }; trap "! ours || rm -f -- \"\$new\"" EXIT;
if [ "${5-}" = gzip ]; then head -c "$4" | gzip -dc >&3; else head -c "$4" >&3; fi; sum=$(sha256sum </proc/self/fd/3);
[ "${sum%% *}" = "$3" ] || refuse "what arrived has another SHA-256 than what was sent";
ours || refuse "another run has begun to write the same file";
chmod "$2" /proc/self/fd/0 <&3; mv -fT "$new" "./${1##*/}";
if command -v restorecon >/dev/null 2>&1; then restorecon "./${1##*/}" || :; fi
