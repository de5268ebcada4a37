# shellcheck shell=dash disable=SC2154
# Parameters: folder.
# Some archives may be out of reach while the one that matters is not: the lists show which.
apt-get -c "$folder/apt.conf" -q update || :
