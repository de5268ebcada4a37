# shellcheck shell=dash disable=SC2154
# Parameters: folder, configuration, entries.
set -e
command -v apt-get apt-cache >/dev/null
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/parts"
printf %s "$configuration" >"$folder/apt.conf"
printf %s "$entries" >"$folder/parts/entries.sources"
