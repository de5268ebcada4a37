# shellcheck shell=dash
# shellcheck disable=SC2154 # `ProbeScript` sets known and untold before these functions are called
# The questions of a probe about files: one sha256sum for all of them.

# Prints the digest of the large file $1: from its digest cache $2 beside it as long as the file is untouched.
cached_digest() {
  [ -f "$1" ] || return 0
  now=$(stat -c '%i %s %z' -- "$1") was=
  read -r was <"${1%/*}/$2"
  if [ "${was% *}" = "$now" ]; then echo "=sum ${was##* } $1"; else echo "=sum $(sha256sum -- "$1")"; fi
}

# Prints the digest of each regular file, and its text unless $known has the first 16 digits of the digest, or
# $untold has the path.
digests() {
  for file in "$@"; do
    shift
    [ ! -f "$file" ] || [ -L "$file" ] || set -- "$@" "$file"
  done
  [ $# -eq 0 ] || sha256sum -- "$@" | while read -r sum path; do
    echo "=sum $sum $path"
    case $known in *" ${sum%"${sum#????????????????}"} "*) continue ;; esac
    case $untold in *"|$path|"*) continue ;; esac
    [ "$(stat -c %s -- "$path")" -gt 65536 ] || echo "=text $(base64 -w 0 -- "$path") $path"
  done
}
