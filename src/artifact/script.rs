//! The shell that compiles. It speaks to us in lines that begin with `provision:`; all else is the build's own log.

use super::ArtifactSpec;
use crate::host::{Facts, quote};

/// How the script ends when something is wrong that is not make's fault.
pub(super) mod status {
    pub(in crate::artifact) const EXTRACT: i32 = 70;
    pub(in crate::artifact) const VERSION: i32 = 71;
    pub(in crate::artifact) const NO_SOURCE: i32 = 72;
    pub(in crate::artifact) const TOOLS: i32 = 73;
    pub(in crate::artifact) const HELD: i32 = 75;
}

const BUILD: &str = r#"
set -u
umask 022
export LC_ALL=C
cd "$work" || exit
# A make of a run that was killed holds this lock until it is gone.
exec 8>>"$work/lock"
flock -w 60 8 || exit 75
# Whatever was exported where provision was started is no part of the recipe.
unset CC CXX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS OPT OPTIMIZATION MALLOC V MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
unset REDIS_CFLAGS REDIS_LDFLAGS SERVER_CFLAGS SERVER_LDFLAGS PROG_SUFFIX SANITIZER DEB_HOST_GNU_TYPE CPATH LIBRARY_PATH

missing=
for tool in make cc tar $tools; do
  command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -z "$missing" ] || { echo "provision: missing$missing"; exit 73; }
compiler=$(cc --version)
echo "provision: compiler ${compiler%%
*}"

rm -rf tree
mkdir tree && tar -xf source.tar -C tree --no-same-owner || exit 70
root=$(find tree -path '*/src/server.c' -printf '%d %h\n' | sort -n | head -n 1)
root=${root#* }
[ -n "$root" ] && [ -r "$root/version.h" ] || exit 72
# Valkey states the version of Redis it is compatible with in the same file.
valkey=$(sed -n 's/^#define VALKEY_VERSION "\(.*\)".*/\1/p' "$root/version.h")
redis=$(sed -n 's/^#define REDIS_VERSION "\(.*\)".*/\1/p' "$root/version.h")
if [ -n "$valkey" ]; then found="valkey $valkey"; else found="redis $redis"; fi
echo "provision: found $found"
[ "$found" = "$wanted" ] || exit 71

# The server carries its build's time and, inside somebody's git repository, that repository's commit.
SOURCE_DATE_EPOCH=$(stat -c %Y "$root/version.h")
GIT_CEILING_DIRECTORIES=$work
export SOURCE_DATE_EPOCH GIT_CEILING_DIRECTORIES

# Some packings drop what jemalloc's autoconf generates. A variable given twice counts as given last.
jemalloc=$root/../deps/jemalloc
if [ ! -f "$jemalloc/configure" ]; then
  set -- "$@" MALLOC=libc
  echo "provision: without-jemalloc"
fi

# Python would only regenerate what is checked in. A dry run may name an object twice, as it never comes to be.
set -- "$target" V=1 PYTHON= "$@"
objects=$(make -n -k -C "$root" "$@" 2>/dev/null | grep -e ' -c ' | grep -E '\.(c|cc|cpp)( |$)' | sort -u | wc -l)
# A dry run cannot look behind jemalloc's configure; each of its sources is compiled twice, once for its symbols.
if [ -f "$jemalloc/configure" ]; then
  sources=$(sed -n '/^C_SRCS := /,/[^\\]$/p' "$jemalloc/Makefile.in" | grep -c 'src/.*\.c')
  ! grep -q C_SYM_OBJS "$jemalloc/Makefile.in" || sources=$((sources * 2))
  if grep -q '^CPP_SRCS' "$jemalloc/Makefile.in" && command -v g++ >/dev/null && ! grep -q disable-cxx "$root/../deps/Makefile"; then
    sources=$((sources + 1))
  fi
  objects=$((objects + sources))
fi
echo "provision: objects $objects"

make -j"$cores" -C "$root" "$@" || exit
cp "$root/$target" server || exit
! command -v strip >/dev/null || strip --strip-debug server || exit
echo "provision: version $(./server --version)"
"#;

/// The script, with its parameters in front.
pub(super) fn build(spec: &ArtifactSpec, facts: &Facts, work: &str) -> String {
    let recipe = &spec.recipe;
    let flags: Vec<String> = recipe.flags(&facts.arch).iter().map(|flag| quote(flag)).collect();
    let tools = if recipe.needs_cxx() { "g++" } else { "" };
    format!(
        "work={}\nwanted={}\ntarget={}\ncores={}\ntools={}\nset -- {}\n{BUILD}",
        quote(work),
        quote(&spec.title()),
        recipe.target(),
        facts.cores.max(1),
        quote(tools),
        flags.join(" "),
    )
}

/// What says that the user's cache folder is ours, because there was none.
const OURS: &str = ".made-by-provision";

/// Creates the work folder, empty but for the lock that guards it.
pub(super) fn prepare(cache: &str, work: &str) -> String {
    format!(
        "umask 022\n[ -e {cache} ] || {{ mkdir -p {cache}; : >{cache}/{OURS}; }}\nmkdir -p {}",
        quote(work),
        cache = quote(cache)
    )
}

/// Removes the work folder, and on another machine than this one all that the build has left: nothing else will use it there.
pub(super) fn tidy(cache: &str, work: &str, is_remote: bool) -> String {
    let lists = if is_remote { "rm -rf \"$cache/provision/apt\"\n" } else { "" };
    format!(
        "cache={}\nrm -rf {}\n{lists}rmdir \"$cache/provision/build\" \"$cache/provision\" 2>/dev/null || :\n\
         if [ -e \"$cache/{OURS}\" ] && [ \"$(ls -A \"$cache\")\" = {OURS} ]; then rm -r \"$cache\"; fi",
        quote(cache),
        quote(work)
    )
}
