# shellcheck shell=dash
# Relays between standard input and output and the port $2 of the address $1. It is sent as one line: each
# line here ends where a blank may follow, and there are no single quotes.
# It ends when either side does: the server by closing, we by the end of its standard input. What is left of
# it then holds nothing that keeps the channel open.
command -v bash >/dev/null || { echo no bash >&2; exit 127; };
exec bash -c "exec 3<>/dev/tcp/\$1/\$2 || exit; echo @relays; cat <&3 & r=\$!;
{ cat >&3 2>/dev/null; kill \$r; } <&0 & w=\$!; wait \$r; kill \$w" bash "$1" "$2"
