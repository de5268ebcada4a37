# shellcheck shell=sh
# shellcheck disable=SC2154 # `script` sets library_folders
# As few processes as can be: these questions are a part of every run.
while read -r key one two _; do
  case $key in Uid:) echo "uid=$two" ;; Cpus*list:) echo "allowed=$one" ;; esac
done </proc/self/status
# $1 fact, $2 file
fact() { line=; [ ! -r "$2" ] || read -r line <"$2"; echo "$1=$line"; }
fact online /sys/devices/system/cpu/online
data=${XDG_DATA_HOME:-${HOME:-/root}/.local/share}; echo "data_home=$data"
echo "cache_home=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}"
fact arch /proc/sys/kernel/arch
[ -n "$line" ] || echo "arch=$(uname -m)"
fact init /proc/1/comm
# shellcheck disable=SC2046 # the words of its first line
[ "$line" != systemd ] || { set -- $(systemctl --version); echo "systemd=$2"; }
[ ! -r /etc/os-release ] || while read -r line; do
  case $line in ID*|VERSION_*) echo "os.$line" ;; esac
done </etc/os-release
echo "libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1 | head -n 2 | tr '\n' ' ')"
lacks=
for l in m.so.6 dl.so.2 pthread.so.0 rt.so.1 atomic.so.1 stdc++.so.6 gcc_s.so.1 \
  systemd.so.0 ssl.so.3 ssl.so.1.1 crypto.so.3 crypto.so.1.1; do
  for d in $library_folders; do
    [ ! -e "$d/lib$l" ] || continue 2
  done
  lacks="$lacks lib$l"
done
echo "lacks=$lacks"
level=1
while read -r key _ flags; do
  [ "$key" = flags ] || continue
  # In the order of the kernel's own bits.
  case " $flags " in
  *\ sse4_2\ *popcnt\ *avx2\ *bmi2\ *avx512f\ *avx512vl\ *) level=4 ;;
  *\ sse4_2\ *popcnt\ *avx2\ *bmi2\ *) level=3 ;;
  *\ sse4_2\ *popcnt\ *) level=2
  esac
  break
done </proc/cpuinfo
echo "level=$level"
echo "compiler=$(command -v cc || command -v gcc)"
fact boot /proc/sys/kernel/random/boot_id
for f in /opt/provision/*/*/knows "$data"/provision/*/bin/*/knows; do
  read -r a <"$f" && echo "knows.${f%/*}=$a"
done 2>/dev/null
for f in /var/lib/provision/*/ledger.jsonl; do
  [ -e "$f" ] || break
  a='' f=${f%/*}; [ ! -r "$f/account" ] || read -r a <"$f/account"; echo "account.${f##*/}=$a"
done
