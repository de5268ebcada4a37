# shellcheck shell=dash
# The questions about a cluster's manifest.

# Prints the manifest in the state folder $1, which is one line, and the nodes below the data folder $2 that have
# been members of a cluster.
manifest() {
  if [ -f "$1/manifest.json" ] && [ ! -L "$1/manifest.json" ]; then
    read -r line <"$1/manifest.json" || :
    echo "=manifest $line"
  fi
  for file in "$2"/*/nodes.conf; do
    [ -e "$file" ] || continue
    file=${file%/nodes.conf}
    echo "=held ${file##*/}"
  done
}
