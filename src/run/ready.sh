# shellcheck shell=dash
# Prints `@runs` if the started process still runs, then the end of its log and of its output. What a server prints
# before it has opened its log is in the journal where systemd started it.
# $1 file written at start, $2 log, $3 unit or nothing; find_started comes with the functions of resource/process
node_state() {
  find_started "$1" "$3" && echo @runs
  tail -q -n 20 "$2" "$1.out" 2>/dev/null
  [ -z "$3" ] || { journalctl --sync; journalctl --quiet --no-pager -o cat -n 20 -u "$3"; } 2>/dev/null
  true
}
