# shellcheck shell=dash
# Prints the paths to other hosts that are blocked, a line each: address, port, and what the kernel says.
#   $paths    one "address port" a line, with a newline at the end
#   $patience seconds for the first pass over all of them
# The open ones are tried in one process, one after the other, which takes no time. What is left when that
# hangs is tried again, many at once, and what says nothing a third time: a busy host may be slow.
command -v bash >/dev/null || { echo 'no bash'; exit 0; }
# shellcheck disable=SC2016,SC2154 # bash expands the program itself; provision sets the variables
open=$(printf %s "$paths" | timeout "$patience" bash -c '
  while read -r ip port; do
    if { exec 3<>"/dev/tcp/$ip/$port"; } 2>/dev/null; then exec 3>&-; echo "$ip $port"; fi
  done')
printf %s "$paths" | {
  tried=0
  while read -r ip port; do
    case "
$open
" in *"
$ip $port
"*) continue ;; esac
    {
      for limit in 5 5; do
        # shellcheck disable=SC2016
        answer=$(timeout "$limit" bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$ip" "$port" 2>&1) && exit
        [ -z "$answer" ] || break
      done
      echo "$ip $port $(echo "$answer" | head -n 1 | sed 's/^bash: connect: //')"
    } &
    tried=$((tried + 1))
    [ $((tried % 32)) -ne 0 ] || wait
  done
  wait
}
