# shellcheck shell=dash disable=SC2154
# Parameters: folder, package.
apt-cache -c "$folder/apt.conf" showsrc --only-source "$package" 2>/dev/null || :
