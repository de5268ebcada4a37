# shellcheck shell=dash disable=SC2154
# Parameters: folder, configuration, entries.
set -e
command -v apt-get >/dev/null || exit 1
command -v apt-cache >/dev/null || exit 1
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/parts"
printf %s "$configuration" >"$folder/apt.conf"
printf %s "$entries" >"$folder/parts/entries.sources"
