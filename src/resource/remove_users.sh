# shellcheck shell=dash
# shellcheck disable=SC2154 # prelude.sh comes first; `Script::new` sets state
# The end of every undoing: accounts we created go with the last cluster of the host, each only if nothing
# else refers to it.

# How long the search for files may take, in seconds.
search_timeout=60

# Prints what else refers to the account $1, whose numbers are $2 and $3 (nothing where there is none).
referred() {
  user=${2:-none} group=${3:-none} blank='[[:space:]]'
  for process in $(grep -ls -e "^Uid:.*$blank$user\($blank\|\$\)" -e "^Gid:.*$blank$group\($blank\|\$\)" \
    -e "^Groups:.*$blank$group\($blank\|\$\)" /proc/[0-9]*/status || :); do
    process=${process%/status}
    # In a container, which has another root, numbers mean other accounts. userdel counts alike.
    [ "$process/root" -ef / ] || continue
    echo "process ${process##*/} runs under it"
    return
  done
  while IFS=: read -r other _ _ primary _; do
    [ "$primary" != "$group" ] || [ "$other" = "$1" ] || { echo "$other is in its group"; return; }
  done </etc/passwd
  while IFS=: read -r _ _ number members; do
    [ "$number" = "$group" ] || continue
    case ,$members, in ,, | ,"$1",) ;; *) echo "$members is in its group"; return ;; esac
  done </etc/group
  if [ -r /var/lib/dpkg/statoverride ]; then
    while read -r owner of _ path; do
      case $1 in "$owner" | "$of") echo "dpkg's statoverride names it for $path"; return ;; esac
    done </var/lib/dpkg/statoverride
  fi
  named=$(grep -lswF -e "$1" /var/lib/dpkg/info/*.preinst /var/lib/dpkg/info/*.postinst /var/lib/dpkg/info/*.prerm \
    /var/lib/dpkg/info/*.postrm | head -n 1)
  [ -z "$named" ] || { named=${named##*/}; echo "the package ${named%.*} uses it"; return; }
  named=$(grep -rlsE "^(User|Group|SupplementaryGroups)=(.*[[:space:]])?$1([[:space:]]|\$)" /etc/systemd /run/systemd/system \
    /usr/lib/systemd/system /lib/systemd/system /usr/local/lib/systemd | head -n 1)
  [ -n "$named" ] || named=$(grep -rlswF -e "$1" /etc/sysusers.d /usr/lib/sysusers.d /etc/tmpfiles.d /usr/lib/tmpfiles.d \
    /etc/crontab /etc/cron.d /etc/sudoers /etc/sudoers.d | head -n 1)
  [ -z "$named" ] || { echo "$named names it"; return; }
  if command -v rpm >/dev/null 2>&1; then
    owners=$(timeout $search_timeout rpm -qa --qf '[%{FILEUSERNAME}\n%{FILEGROUPNAME}\n]' 2>/dev/null) ||
      { echo "the packages could not be searched for it"; return; }
    ! printf '%s\n' "$owners" | grep -qxF -e "$1" || { echo "files of a package belong to it"; return; }
  fi
  files "$2" "$3"
}

# Prints a file that belongs to the account or the group with these numbers, or why there is no answer.
# Network file systems, read-only images and what containers stand on are not searched: numbers mean other
# accounts there. Of a file system that is mounted several times each folder is searched once.
files() {
  local_types=' tmpfs overlay zfs aufs ' searched='' owned="-uid $1 -o -gid $2"
  [ -n "$1" ] || owned="-gid $2"
  [ -n "$2" ] || owned="-uid $1"
  while read -r type rest; do [ "$type" = nodev ] || local_types="$local_types$type "; done </proc/filesystems
  set --
  while read -r _ _ device root point rest; do
    type=${rest#* - } type=${type%% *}
    case $type:$point in overlay:/) ;; squashfs:* | iso9660:* | erofs:* | overlay:*) continue ;; esac
    case $local_types in *" $type "*) ;; *) continue ;; esac
    for known in $searched; do case "$device:${root%/}/" in "$known"*) continue 2 ;; esac; done
    searched="$searched $device:${root%/}/"
    set -- "$@" "$(printf %b "$point")"
  done </proc/self/mountinfo
  found=$({ search "$@"; echo "ended $?"; } 2>/dev/null | head -n 1000)
  file=$(printf '%s\n' "$found" | while read -r path; do is_elsewhere "$path" || { echo "$path"; break; }; done)
  [ -z "$file" ] || { echo "$file belongs to it"; return; }
  case ${found##*ended } in
    0 | 1) ;;
    124) echo "in ${search_timeout}s the files of this host could not be searched for its own" ;;
    *) echo "the files of this host could not be searched for its own" ;;
  esac
}

# Searches these file systems, without our own backups, for what is $owned, within a time limit. A file that
# goes meanwhile is no failure.
search() {
  # shellcheck disable=SC2086 # words
  timeout $search_timeout find "$@" -xdev \( -path /var/lib/docker -o -path /var/lib/containers -o -path /var/lib/containerd \
    -o -path /var/lib/machines -o -path /var/lib/lxc -o -path "$state" \) -prune -o \( $owned \) -print
}

# Whether the path $1 is none, or in the tree of another system, which has accounts of its own.
is_elsewhere() {
  case $1 in /*) tree=${1%/*} ;; *) return 0 ;; esac
  while [ -n "$tree" ]; do
    [ ! -e "$tree/etc/passwd" ] || return 0
    tree=${tree%/*}
  done
  return 1
}

remove_users() (
  users=${state%/*}/.users
  [ -d "$users" ] || exit 0
  for other in "${state%/*}"/*; do
    if [ ! -e "$other" ] || [ "$other" = "$state" ]; then continue; fi
    echo "accounts are kept: another cluster of this host may use them"
    exit 0
  done
  for user in "$users"/*; do
    user=${user##*/}
    id=$(id -u "$user" 2>/dev/null || :) group=$(getent group "$user" | cut -d : -f 3 || :)
    [ -n "$id$group" ] || { rm -f -- "$users/$user"; continue; }
    reason=$(referred "$user" "$id" "$group")
    if [ -n "$reason" ]; then
      echo "@note the account $user is kept: $reason; remove it with \`userdel $user\` when nothing needs it"
    else
      [ -z "$id" ] || said=$(userdel "$user" 2>&1) ||
        echo "@note the account $user is kept: $said; remove it with \`userdel $user\` when nothing needs it"
      id -u "$user" >/dev/null 2>&1 || ! getent group "$user" >/dev/null || groupdel "$user" || :
    fi
    rm -f -- "$users/$user"
  done
  rmdir -- "$users"
)
