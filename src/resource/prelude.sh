# shellcheck shell=dash
# shellcheck disable=SC2154 # `Script::new` sets state, ledger, account and me, our user id, before this text
# shellcheck disable=SC2015 # `a && b || refuse`: whichever of the two fails, refuse is what must follow
# The functions that fragments of a change script call, with as few processes as can be: on a host they are
# what takes time.
#
# Nothing here follows a link that another account has planted, and nothing is written by name in a folder
# that another account can write to: `enter` goes into a folder part by part and holds on to it as the working
# directory, `stage` makes a folder in it that is only ours, what is new is finished in there, and `place`
# renames it. A rename follows no link. Where only we can write anyway, `prepare` spares that folder.

set -eu
umask 022
began_in=$PWD
open='' made='' reload_due='' relabel_due=''
# The folders that are known to be closed, as `learn` says, and all that were looked at.
closed=// looked=//

# Ends a function of the kind `f() ( … )`: with an error where a host is changed, with a note where a change
# is undone.
refuse() {
  [ -n "${undoing-}" ] || { echo "$1"; exit 1; }
  echo "@note $1"
  exit 0
}

# Splits the path $1 into the folder `dir` and the `name` in it.
split() {
  name=${1%"${1##*[!/]}"}
  dir=${name%/*} name=${name##*/}
}

# Whether only root and we ourselves can have put the link $1 into the folder we are in, or can replace it.
is_ours() {
  # shellcheck disable=SC2046 # numbers
  set -- $(stat -c '%u %a' -- . "$1")
  case ${1-} in 0 | "$me") ;; *) return 1 ;; esac
  case ${3-} in 0 | "$me") ;; *) return 1 ;; esac
  case $2 in [1357]???) ;; *[2367]? | *[2367]) return 1 ;; esac
}

# Goes into the folder $1.
enter() {
  rest=$1/ links=0
  cd -P /
  while [ -n "$rest" ]; do
    part=${rest%%/*} rest=${rest#*/} here=${PWD%/}
    case $part in
      '' | .) ;;
      ..) cd -P .. ;;
      *)
        if [ -L "./$part" ]; then
          links=$((links + 1))
          [ "$links" -le 40 ] && is_ours "./$part" ||
            refuse "$here/$part is a symbolic link that another account can change, and is not followed: name the folder it leads to"
          target=$(readlink -- "./$part")
          rest=$target/$rest
          case $target in /*) cd -P / ;; esac
        else
          cd -P "./$part" || refuse "$here/$part is no folder: create it, or name another one"
          [ "$PWD" = "$here/$part" ] ||
            refuse "$here/$part was replaced by a link meanwhile: look who can write to $here, and run this again"
        fi
        ;;
    esac
  done
}

# Whether the folder we are in is one that `stage` made.
is_private() { case $(stat -c '%u %a' .) in "$me 700" | "$me 2700") ;; *) return 1 ;; esac; }

# Removes what an interrupted `stage` for $1 has left. What is not ours is not touched.
sweep() {
  [ -e "./$1.provision-new" ] || [ -L "./$1.provision-new" ] || return 0
  if [ -L "./$1.provision-new" ] || [ ! -d "./$1.provision-new" ]; then
    rm -f -- "./$1.provision-new"
    return
  fi
  (
    here=${PWD%/}
    cd -P "./$1.provision-new" && [ "$PWD" = "$here/$1.provision-new" ] && is_private || exit 0
    rm -f ./rest
    rm -f ./new 2>/dev/null || rmdir ./new
  )
  rmdir -- "./$1.provision-new" 2>/dev/null ||
    refuse "${PWD%/}/$1.provision-new is in the way and not ours: remove it, and run this again"
}

# Whether nobody but root and us can put anything into a folder with owner $1 and mode $2.
is_writable_by_us_only() {
  case ${1-} in 0 | "$me") ;; *) return 1 ;; esac
  case ${2-} in '' | *[2367]? | *[2367]) return 1 ;; esac
}

# Learns which of these folders are closed: nobody but root and us can put anything into one, nor replace it or one
# above it. So its path means the same folder for the rest of the script, and one `stat` serves all that is written
# in it. Each must come after the one above it, beginning with /. A sticky bit keeps others from replacing what is ours,
# and only that.
learn() {
  # The lines of `stat` would not be told apart.
  case "$*" in *'
'*) return 0 ;; esac
  kept=//
  set -f
  IFS='
'
  # shellcheck disable=SC2046 # its lines
  set -- $(stat -c '%u %a %F:%n' -- "$@" 2>/dev/null)
  unset IFS
  set +f
  for line in "$@"; do
    path=${line#*:} line=${line%%:*} above=${path%/*}
    looked=$looked$path//
    case $line in *' directory') ;; *) continue ;; esac
    [ "$path" = / ] || case $kept in *"//${above:-/}//"*) ;; *) continue ;; esac
    mode=${line#* } mode=${mode%% *}
    if is_writable_by_us_only "${line%% *}" "$mode"; then
      kept=$kept$path// closed=$closed$path//
    else
      case $mode in [1357]???) ! is_writable_by_us_only "${line%% *}" 755 || kept=$kept$path// ;; esac
    fi
  done
}

# Whether the folder we are in is closed.
is_closed() {
  case $closed in *"//$PWD//"*) return 0 ;; esac
  case $looked in *"//$PWD//"*) return 1 ;; esac
  rest=${PWD#/}/ above=
  set -- /
  while [ -n "${rest#/}" ]; do
    above=$above/${rest%%/*} rest=${rest#*/}
    set -- "$@" "$above"
  done
  learn "$@"
  # We went into it before that: only now it is certain that this is the folder with that path.
  case $closed in *"//$PWD//"*) [ . -ef "$PWD" ] ;; *) return 1 ;; esac
}

# Whether the folder $name, with mode $1 and owner $2, would be closed in a folder that is.
stays_closed() {
  case ${2:-root} in root | root:*) is_writable_by_us_only 0 "${1:-00755}" ;; *) return 1 ;; esac
}

# Sets `new` to the path where a new $1 for the folder we are in can be made.
prepare() {
  if is_closed; then
    new=./$1.provision-new
    sweep "$1"
  else
    stage "$1"
  fi
}

# Makes a folder in the one we are in, where only we can put anything, and goes into it: the place to
# make a new $1.
stage() {
  new=./new
  sweep "$1"
  here=${PWD%/}
  mkdir -m 700 -- "./$1.provision-new"
  cd -P "./$1.provision-new"
  [ "$PWD" = "$here/$1.provision-new" ] && is_private ||
    refuse "$here/$1.provision-new was replaced meanwhile: look who can write to $here, and run this again"
}

# Removes what `place` has not put where it belongs, and leaves and removes the folder that `stage` made.
leave() {
  if [ "$new" = ./new ]; then
    for left in ./new ./rest; do
      [ ! -e "$left" ] && [ ! -L "$left" ] || rm -rf "$left"
    done
    cd -P .. && rmdir -- "./$1.provision-new"
  else
    rm -rf -- "$new"
  fi
}

# Gives up what is being made.
scrap() {
  leave "$1"
  exit 1
}

# Puts what was made where it belongs.
place() {
  if [ "$new" = ./new ]; then
    mv -fT ./new "../$1" || scrap "$1"
    leave "$1"
  else
    mv -fT -- "$new" "./$1" || scrap "$1"
  fi
}

own() { [ -z "$2" ] || chown -- "$2" "$1"; }
sum() { s=$(sha256sum <"$1") && echo "${s%% *}"; }

# Makes a label due for the path $1.
relabel() {
  relabel_due="$relabel_due$1
"
}

# Runs the handlers that are due. They also run where a script ends early: a later run finds the files as they
# should be.
run_handlers() {
  if [ -n "$relabel_due" ] && command -v restorecon >/dev/null 2>&1; then
    printf %s "$relabel_due" | restorecon -f - || :
  fi
  relabel_due=
  if [ -n "$reload_due" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
  reload_due=
}
trap 'status=$?; set +e; run_handlers; exit "$status"' EXIT

# Writes a line down before the change it tells of. The first one of all comes after a note of the account
# that the servers run under, by which later runs know it. It begins a line of its own, since a power cut may
# have torn the last one.
ledger() {
  if [ -z "$open" ]; then
    # shellcheck disable=SC2174 # those above it get the default mode
    [ -d "$state" ] || { mkdir -p -m 00755 "$state" && made=$state; }
    [ ! -L "$ledger" ] || { echo "$ledger is a symbolic link: put the file itself there"; exit 1; }
    if [ ! -e "$ledger" ] && [ -n "$account" ]; then
      echo "$account" >"$state/account.new"
      mv -fT "$state/account.new" "$state/account"
    fi
    umask 077
    if [ -s "$ledger" ]; then echo >>"$ledger"; else : >>"$ledger"; fi
    umask 022
    open=1
  fi
  printf '%s\n' "$1" >>"$ledger"
}

# The text $1 as it stands between the quotes of a JSON string; a line of it may have any number of blanks and
# tabs.
json() { printf '%s' "$1" | tr -s '[:space:][:cntrl:]' ' ' | sed 's/["\\]/\\&/g'; }

# Refuses where something stands at $1 that was not there when the plan was made.
absent() {
  if [ -e "$1" ] || [ -L "$1" ]; then
    echo "$1 appeared after the plan was made: look at it, and run this again"
    exit 1
  fi
}

# Keeps a copy of the file $1 under the name $2; refuses where its digest is not $3, if that is given.
backup() (
  split "$1"
  enter "$dir"
  [ -d "$state" ] || mkdir -p "$state"
  [ -d "$state/backup" ] || mkdir -m 700 "$state/backup"
  copy=$state/backup/.new
  rm -f "$copy"
  cp -pP -- "./$name" "$copy"
  [ -f "$copy" ] && [ ! -L "$copy" ] || refuse "$1 is no regular file any more: look at it, and run this again"
  [ -z "$3" ] || [ "$(sum "$copy")" = "$3" ] ||
    refuse "$1 was changed after the plan was made: look at it, and run this again"
  if [ -e "$state/backup/$2" ]; then rm -f "$copy"; else mv -fT "$copy" "$state/backup/$2"; fi
)

# Writes the text $4 to the file $1 with mode $2 and owner $3. It may be secret: no process gets it as an argument,
# since `printf` is a part of the shell.
write() {
  split "$1"
  enter "$dir"
  [ ! -L "./$name" ] || refuse "$1 is a symbolic link, and is not followed: remove it, or name the file it leads to"
  prepare "$name"
  umask 077
  { printf %s "$4" >"$new" && own "$new" "$3" && chmod "$2" "$new"; } || scrap "$name"
  umask 022
  place "$name"
  cd "$began_in" 2>/dev/null || cd /
}

# Makes the folder $1 with mode $2 and owner $3, by one process where both parts of the owner are given.
make_folder() {
  case $3 in
    ?*:?*) install -d -m "$2" -o "${3%%:*}" -g "${3#*:}" -- "$1" ;;
    *) mkdir -m "$2" -- "$1" && own "$1" "$3" ;;
  esac
}

# Sees that the folder $1 is there, with mode $2 and owner $3 if they are given.
folder() {
  # The ledger has made it.
  [ "$1 $2 $3" != "$made 00755 " ] || return 0
  split "$1"
  enter "$dir"
  here=${PWD%/}
  if [ ! -e "./$name" ] && [ ! -L "./$name" ]; then
    if is_closed; then
      sweep "$name"
      make_folder "./$name" "${2:-00755}" "$3" || exit 1
      ! stays_closed "$2" "$3" || closed=$closed${PWD%/}/$name//
    else
      stage "$name"
      make_folder ./new "${2:-00755}" "$3" || scrap "$name"
      place "$name"
    fi
  elif [ -z "$2" ]; then
    enter "$1"
  else
    [ ! -L "./$name" ] || refuse "$1 is a symbolic link, and is not followed: remove it, or name the folder it leads to"
    cd -P "./$name"
    [ "$PWD" = "$here/$name" ] || refuse "$1 was replaced by a link meanwhile: look who can write to $here"
    stays_closed "$2" "$3" || closed=// looked=//
    own . "$3"
    chmod "$2" .
  fi
  cd "$began_in" 2>/dev/null || cd /
}
