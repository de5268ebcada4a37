# shellcheck shell=dash disable=SC2154
# Parameters: folder, package (with its version: redis=5:7.0.15-1).
cd "$folder" && apt-get -c "$folder/apt.conf" -q source --download-only --tar-only "$package"
