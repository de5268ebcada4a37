# shellcheck shell=dash
# shellcheck disable=SC2154 # prelude.sh comes first, which sets state, dir and name
# shellcheck disable=SC2015 # `a && b || refuse`: whichever of the two fails, refuse is what must follow
# What undoes changes, with the functions of prelude.sh. Each may run again; what was changed since
# is left, and named.

# shellcheck disable=SC2034 # `refuse` asks for it
undoing=1

# Goes into the folder that $1 is in; there is nothing to undo where it is gone.
beside() {
  split "$1"
  [ -d "${dir:-/}" ] || exit 0
  enter "$dir"
}

# Leaves the file $1 where it is not what we wrote: $2 has all digests that may be found, or nothing where
# they are unknown.
still_ours() {
  [ ! -L "./$name" ] || refuse "$1 is left: it is a symbolic link now"
  [ ! -e "./$name" ] || [ -f "./$name" ] || refuse "$1 is left: it is no file any more"
  [ -n "$2" ] && [ -e "./$name" ] || return 0
  case " $2 " in *" $(sum "./$name") "*) ;; *) refuse "$1 is left: it was changed since" ;; esac
}

# Removes the file $1, whose digest is one of $2.
erase() (
  beside "$1"
  sweep "$name"
  still_ours "$1" "$2"
  rm -f -- "./$name"
)

# Keeps the copy $2 of what stood at $1 before us, which is not put back: the other copies go with the ledger.
keep() {
  kept=$state/kept to=$2
  [ -d "$kept" ] || mkdir -m 700 "$kept"
  while [ -e "$kept/$to" ] && [ "$(sum "$kept/$to")" != "$(sum "$state/backup/$2")" ]; do to=$to+; done
  { cp -pP -- "$state/backup/$2" "$kept/.new" && mv -fT "$kept/.new" "$kept/$to"; } ||
    { echo "what stood at $1 before cannot be kept in $kept"; exit 1; }
  echo "@note what stood at $1 before is kept in $kept/$to"
}

# Puts back the file $1 that was kept under the name $2, unless its digest is none of $3.
restore() (
  beside "$1"
  copy=$state/backup/$2
  [ -e "$copy" ] || refuse "$1 is left as it is: the copy of what stood there before is not in $state/backup any more"
  if [ ! -f "./$name" ] || [ -L "./$name" ] || [ "$(sum "./$name")" != "$(sum "$copy")" ]; then
    answer=0
    (still_ours "$1" "$3"; exit 3) || answer=$?
    [ "$answer" = 3 ] || { keep "$1" "$2"; exit 0; }
  fi
  stage "$name"
  cp -p -- "$copy" ./new || scrap "$name"
  place "$name"
)

# Removes the folder $1 if it is empty.
vacate() (
  beside "$1"
  rmdir -- "./$name" 2>/dev/null || :
)

# Removes the folder $1 with all that is in it.
clear_out() (
  beside "$1"
  rm -rf -- "./$name"
)

# Gives the folder $1 back mode $2 and owner $3.
give_back() (
  beside "$1"
  here=${PWD%/}
  [ ! -L "./$name" ] || refuse "$1 is left: it is a symbolic link now"
  [ -d "./$name" ] || exit 0
  cd -P "./$name" && [ "$PWD" = "$here/$name" ] || refuse "$1 is left: it was replaced by a link meanwhile"
  own . "$3"
  chmod "$2" .
)
