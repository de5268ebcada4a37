# shellcheck shell=dash
# shellcheck disable=SC2154 # prelude.sh comes first, which sets dir and name
# shellcheck disable=SC2015 # `a && b || refuse`: whichever of the two fails, refuse is what must follow
# Lines of files that are not ours, with the functions of prelude.sh. The rest of a file, its mode and its
# owner stay.

# Makes a copy of the file $1 to change, in a folder that is ours, and goes there. $2 is the digest it must
# have, or nothing where any will do, `none` where it must not exist.
edit() {
  split "$1"
  enter "$dir"
  [ ! -L "./$name" ] || refuse "$1 is a symbolic link, and is not followed: name the file it leads to"
  [ "$2" != none ] || [ ! -e "./$name" ] || refuse "$1 appeared after the plan was made: run this again"
  stage "$name"
  if [ "$2" = none ]; then
    : >./new
    return
  fi
  cp -pP -- "../$name" ./new || scrap "$name"
  [ -f ./new ] && [ ! -L ./new ] && { [ -z "$2" ] || [ "$(sum ./new)" = "$2" ]; } || {
    leave "$name"
    refuse "$1 was changed after the plan was made: look at it, and run this again"
  }
}

# Adds the line $2 to the file $1, whose digest is $3.
add_line() (
  [ -n "$3" ] || [ -f "$1" ] || refuse "$1 is gone: the line \`$2\` is not put back"
  [ ! -f "$1" ] || ! grep -qxF -e "$2" -- "$1" || exit 0
  edit "$1" "$3"
  # A last line may lack its end.
  [ -z "$(tail -c 1 ./new)" ] || echo >>./new || scrap "$name"
  printf '%s\n' "$2" >>./new || scrap "$name"
  place "$name"
)

# Removes the line $2 from the file $1, whose digest is $3; `created` removes the file, too, if nothing is
# left in it.
drop_line() (
  [ -f "$1" ] && grep -qxF -e "$2" -- "$1" || exit 0
  digest=$3
  [ "$3" != created ] || digest=
  edit "$1" "$digest"
  # Without any other line grep ends with 1.
  { grep -vxF -e "$2" ./new >./rest || [ $? = 1 ]; } && cat ./rest >./new || scrap "$name"
  rm -f ./rest
  if [ "$3" = created ] && [ ! -s ./new ]; then
    leave "$name"
    rm -f -- "./$name"
  else
    place "$name"
  fi
)
