# shellcheck shell=dash
# Which of the directives the server $1 knows, read from its strings: a name ends one.
# The linker keeps a string that ends another only once. DirectiveNames of src/artifact reads a binary in the same way.
knows() {
  [ -f "$1" ] || return 0
  server=$1; shift
  names=$(IFS='|'; echo "$*")
  echo "=knows $server $(tr '\000' '\n' <"$server" | LC_ALL=C grep -a -o -E "($names)\$" | sort -u | tr '\n' ' ')"
}
