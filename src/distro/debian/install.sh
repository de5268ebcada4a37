# shellcheck shell=dash
# The body of a function. Installs "$@"; the lists are read anew only where that fails.
export DEBIAN_FRONTEND=noninteractive
options='-y -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 -o Dpkg::Use-Pty=0'
# shellcheck disable=SC2086 # several words
apt-get $options --no-install-recommends install "$@" || {
  # shellcheck disable=SC2086
  apt-get $options update && apt-get $options --no-install-recommends install "$@"
}
