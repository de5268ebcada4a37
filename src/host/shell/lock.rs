//! The script that takes the lock of a cluster.

use super::script::quote;

/// Whether this run held the lock before, in a shell that was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Retake {
    No,
    Yes,
}

/// The lock is in a folder where only its account can put a file, so that it cannot be a link that another
/// account planted; `/proc` tells our uid without the process that `id` would be. `flock` on a file that may
/// be unlinked by its last holder needs the check that the path still names the file that was locked. An
/// earlier run that was killed may still have a script running here, and its shell keeps the lock until that
/// script ends: hence the wait. `command` keeps a failing redirection from ending the shell.
pub(super) fn lock_script(cluster: &str, holder: &str, retake: Retake) -> String {
    let holder = quote(holder);
    // A link that was lost without a FIN leaves its shell behind, which has not noticed.
    let end_own = match retake {
        Retake::No => "",
        Retake::Yes => {
            "[ \"$(head -n 1 \"$lock\")\" != \"$holder\" ] || kill -KILL \"$(sed -n 2p \"$lock\")\" || :"
        }
    };
    format!(
        r#"
while read -r key _ uid _; do [ "$key" != Uid: ] || break; done </proc/self/status
f=/run none=:
[ "$uid" = 0 ] || f=/run/user/$uid
[ -w $f ] || f=/tmp/provision-$uid none=
holder={holder}
lock=$f/provision-$uid-{cluster}.lock
provision_lock() {{
  while :; do
    $none mkdir -m 700 $f 2>/dev/null
    [ ! -L $f ] && [ -O $f ] || {{ echo "$f is not ours: remove it"; return 1; }}
    command exec 9>>"$lock" || {{ [ -d $f ] && return 1; continue; }}
    flock -n 9 || {{
      {end_own}
      printf 'locked by %s\n' "$(head -n 1 "$lock")"
      flock -w 15 9
    }} || {{ exec 9>&-; return 1; }}
    [ /proc/self/fd/9 -ef "$lock" ] && break
  done
  printf '%s\n' "$holder" $$ >"$lock"
  trap 'rm -f "$lock"; $none rmdir $f 2>/dev/null' EXIT
  trap 'exit 1' PIPE HUP TERM
}}
provision_lock </dev/null 2>&1"#
    )
}

/// The holder that a line of the lock script names; control characters are removed, since the user sees it.
pub(super) fn holder_of(line: &str) -> Option<String> {
    let holder = line.strip_prefix("locked by ")?;
    Some(holder.chars().filter(|c| !c.is_control()).collect())
}
