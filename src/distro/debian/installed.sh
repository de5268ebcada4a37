# shellcheck shell=dash
# The body of a function. Prints one line for each package of "$@" that is installed.
dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p'
