# shellcheck shell=dash disable=SC2154
# Compiles a server. Parameters: work, wanted, target, cores, tools, lock_timeout; the variables of make are "$@".
# Lines that begin with "provision:" are for the caller; all else is the build's own log.
# Exit status: 70 extract, 71 other version, 72 no source, 73 tools missing, 75 work folder in use; else make's.
set -u
umask 022
export LC_ALL=C
cd "$work" || exit
# The make of a run that was killed holds this lock until it has ended. ksh passes on only descriptors that
# the command names, hence 8>&8.
exec 8>>"$work/lock"
flock -w "$lock_timeout" 8 8>&8 || exit 75
# What the user exported before starting provision is no part of the recipe.
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
# Up to Redis 3.0 the server is redis.c.
root=$(find tree \( -path '*/src/server.c' -o -path '*/src/redis.c' \) -printf '%d %h\n' | sort -n | head -n 1)
root=${root#* }
[ -n "$root" ] && [ -r "$root/version.h" ] || exit 72
# Valkey states the version of Redis it is compatible with in the same file.
valkey=$(sed -n 's/^#define VALKEY_VERSION "\(.*\)".*/\1/p' "$root/version.h")
redis=$(sed -n 's/^#define REDIS_VERSION "\(.*\)".*/\1/p' "$root/version.h")
if [ -n "$valkey" ]; then found="valkey $valkey"; else found="redis $redis"; fi
echo "provision: found $found"
[ "$found" = "$wanted" ] || exit 71

# The server carries its build time and, inside a git repository, the commit of that repository.
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

make -j"$cores" -C "$root" "$@" 8>&8 || exit
cp "$root/$target" server || exit
! command -v strip >/dev/null || strip --strip-debug server || exit
echo "provision: version $(./server --version)"
