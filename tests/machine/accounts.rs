//! The account that servers run under: no package uses it, and `destroy` keeps an account that anything else
//! refers to.

use crate::support::{container::Container, inventory};

/// Packages as small as can be. The first does what the distribution's redis-server does when it is
/// installed: an account `redis`, a file of its own, and an entry in dpkg's statoverride.
const PACKAGES: &str = r#"
package() {
  mkdir -p "/root/$1/DEBIAN"
  printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: %s\n' "$1" "$1" >"/root/$1/DEBIAN/control"
}
package lookalike
mkdir -p /root/lookalike/etc/lookalike
echo port 6379 >/root/lookalike/etc/lookalike/redis.conf
cat >/root/lookalike/DEBIAN/postinst <<'END'
#!/bin/sh
set -e
getent passwd redis >/dev/null || useradd --system --user-group redis
dpkg-statoverride --list /etc/lookalike/redis.conf >/dev/null ||
  dpkg-statoverride --update --add redis redis 640 /etc/lookalike/redis.conf
END
chmod 755 /root/lookalike/DEBIAN/postinst
package hello
dpkg-deb --root-owner-group -b /root/lookalike && dpkg-deb --root-owner-group -b /root/hello
"#;

/// The first two steps create all that is of interest here.
const INSTALL: [&str; 4] = ["apply", "--yes", "--tags", "build,install"];

fn boot(name: &str) -> Container {
    let machine = Container::boot(name, &inventory("units", 7101, "", ""));
    machine.sh(PACKAGES).ok();
    machine
}

fn dpkg_works(machine: &Container) {
    machine.sh("dpkg --audit && dpkg -i /root/hello.deb && dpkg -r hello").ok();
}

#[test]
fn a_package_that_uses_the_account_redis_keeps_it_when_the_cluster_goes() {
    let machine = boot("account");
    machine.run(&INSTALL).ok();
    machine.sh("getent passwd provision-redis").ok();
    machine.sh("getent passwd redis").says_nothing();
    machine.sh("dpkg -i /root/lookalike.deb").ok();
    machine.run(&["destroy", "--yes"]).ok();
    dpkg_works(&machine);
    machine.sh("getent passwd redis").ok();
    machine.sh("getent passwd provision-redis; getent group provision-redis").says_nothing();
}

/// A cluster that an earlier version made runs under the account `redis`, and goes on so.
#[test]
fn an_existing_cluster_keeps_its_account_and_dpkg_its_own() {
    let machine = boot("existing");
    machine.sh("mkdir -p /var/lib/provision/units && : >/var/lib/provision/units/ledger.jsonl").ok();
    machine.run(&INSTALL).ok();
    machine.sh("stat -c %G /etc/provision/units").ok().says("redis\n");
    machine.sh("getent passwd provision-redis").says_nothing();
    machine.sh("dpkg -i /root/lookalike.deb").ok();
    let destroyed = machine.run(&["destroy", "--yes"]).ok();
    dpkg_works(&machine);
    machine.sh("getent passwd redis").ok();
    destroyed.says("note: ").says("redis is kept").says("statoverride");
}

#[test]
fn an_account_goes_only_when_nothing_else_refers_to_it() {
    let machine = boot("referred");
    for (refers, reason, forgets) in [
        ("touch /srv/kept; chown provision-redis /srv/kept", "/srv/kept", "rm /srv/kept"),
        (
            "mkdir /tmp/memory && mount -t tmpfs none /tmp/memory && touch /tmp/memory/x && chgrp provision-redis /tmp/memory/x",
            "/tmp/memory/x",
            "umount /tmp/memory; rmdir /tmp/memory",
        ),
        (
            "printf '[Service]\\nUser=provision-redis\\n' >/etc/systemd/system/other.service",
            "/etc/systemd/system/other.service",
            "rm /etc/systemd/system/other.service",
        ),
        (
            "setpriv --reuid=provision-redis --regid=0 --clear-groups sleep 1000 >/dev/null 2>&1 & echo $! >/tmp/pid",
            "process",
            "kill $(cat /tmp/pid); rm /tmp/pid",
        ),
        (
            "useradd --system -g provision-redis friend",
            "friend",
            "userdel friend; groupdel provision-redis; :",
        ),
        (
            "useradd --system friend; usermod -aG provision-redis friend",
            "friend",
            "userdel friend; groupdel provision-redis; :",
        ),
        ("mv /usr/bin/find /usr/bin/found", "could not be searched", "mv /usr/bin/found /usr/bin/find"),
    ] {
        machine.run(&INSTALL).ok();
        machine.sh(refers).ok();
        machine.run(&["destroy", "--yes"]).ok().says("note: ").says("provision-redis is kept").says(reason);
        machine.sh("getent passwd provision-redis").ok();
        machine.sh(forgets).ok();
        machine.sh("userdel provision-redis").ok();
    }
    // In the tree of another system numbers mean other accounts, and our own backups are no reason.
    machine.run(&INSTALL).ok();
    let backup = "/var/lib/provision/units/backup";
    machine.sh(&format!("mkdir {backup} && touch {backup}/x && chgrp provision-redis {backup}/x")).ok();
    machine
        .sh("mkdir -p /srv/guest/etc /srv/guest/var && cp /etc/passwd /srv/guest/etc && chown provision-redis /srv/guest/var")
        .ok();
    let destroyed = machine.run(&["destroy", "--yes"]).ok();
    assert!(!destroyed.text().contains("kept:"), "{}", destroyed.text());
    machine.sh("getent passwd provision-redis; getent group provision-redis").says_nothing();
}
