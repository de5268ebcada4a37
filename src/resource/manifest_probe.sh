# shellcheck shell=dash
# The questions about a cluster's manifest.

# Prints the manifest in the state folder $1, which is one line, and the nodes below the data folder $2 that have
# been members of a cluster.
manifest() {
  [ -L "$1/manifest.json" ] || ! read -r line <"$1/manifest.json" || echo "=manifest $line"
  for file in "$2"/*/nodes.conf; do
    file=${file%/nodes.conf}
    [ ! -e "$file/nodes.conf" ] || echo "=held ${file##*/}"
  done
}
