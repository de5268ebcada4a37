//! What only asks: facts, digests, kernel settings.

use super::scenario::Scenario;

/// Stubs for what a machine says of itself.
const MACHINE: &[(&str, &str)] = &[
    ("uname", "echo \"x86_64$(printf %s \"${1#-m}\")\""),
    ("getconf", "echo 'glibc 2.36'"),
    ("systemctl", "echo 'systemd 252 (252.39-1~deb12u1)'; echo '+PAM +AUDIT'"),
    ("cc", ""),
];

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        given: r#"printf 'ELF\001maxmemory\000tls-port\000background save\000xbind\000appendonly yes\000%s' end >server"#,
        calls: r#"knows $T/server port save bind appendonly maxmemory end io-threads
knows $T/server io-threads; knows $T/none port"#,
        expected: "=knows T/server bind end maxmemory port save \n=knows T/server \n",
        ..Scenario::new("resource/config/knows.sh", "a server knows what its strings end with")
    },
    Scenario {
        stubs: MACHINE,
        as_root: true,
        given: r#"mkdir lib other
for name in libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libstdc++.so.6 libgcc_s.so.1 libssl.so.3; do : >lib/$name; done
: >other/libatomic.so.1
echo systemd >comm; mount --bind comm /proc/1/comm
echo 0-2 >online; mount --bind online /sys/devices/system/cpu/online
echo 0-1-2 >boot; mount --bind boot /proc/sys/kernel/random/boot_id
printf 'NAME="D x"\nID=debian\nID_LIKE="a b"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n' >release
mount --bind release /etc/os-release
printf 'model name\t: x\nflags\t\t: fpu sse4_2 popcnt avx2 bmi2\n\nflags\t\t: fpu\n' >cpuinfo; mount --bind cpuinfo /proc/cpuinfo
mount -t tmpfs none /var/lib; mkdir -p /var/lib/provision/one /var/lib/provision/two /var/lib/provision/three
mount -t tmpfs none /opt; mkdir -p /opt/provision/one/redis-1 /opt/provision/one/redis-2 data/provision/two/bin/valkey-3
echo 0123abcd port >/opt/provision/one/redis-1/knows; echo 4567cdef >data/provision/two/bin/valkey-3/knows
: >/var/lib/provision/one/ledger.jsonl; echo redis >/var/lib/provision/one/account; : >/var/lib/provision/two/ledger.jsonl"#,
        before: "library_folders=$T/lib\\ $T/othe*; HOME=/home/me; unset XDG_CACHE_HOME; XDG_DATA_HOME=$T/data; facts() {",
        calls: "}\nfacts | sed 's/^allowed=[0-9,-]*$/allowed=SOME/'",
        expected: r#"
uid=0
allowed=SOME
online=0-2
data_home=T/data
cache_home=/home/me/.cache
arch=x86_64
init=systemd
systemd=252
os.ID=debian
os.ID_LIKE="a b"
os.VERSION_ID="12"
os.VERSION_CODENAME=bookworm
libc=glibc 2.36
lacks= libsystemd.so.0 libssl.so.1.1 libcrypto.so.3 libcrypto.so.1.1
level=3
compiler=BIN/cc
boot=0-1-2
knows./opt/provision/one/redis-1=0123abcd port
knows.T/data/provision/two/bin/valkey-3=4567cdef
account.one=redis
account.two=
"#,
        ..Scenario::new("host/facts/facts.sh", "every fact is a line")
    },
    Scenario {
        stubs: &[
            ("ldd", "echo 'musl libc (x86_64)'; echo 'Version 1.2.3'; echo more"),
            ("getconf", "exit 1"),
        ],
        before: "library_folders=/nowhere; facts() {",
        calls: "}\nfacts | grep -e ^libc= -e ^lacks= -e ^data_home=",
        expected: r#"
data_home=/nonexistent/.local/share
libc=musl libc (x86_64) Version 1.2.3 
lacks= libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libatomic.so.1 libstdc++.so.6 libgcc_s.so.1 libsystemd.so.0 libssl.so.3 libssl.so.1.1 libcrypto.so.3 libcrypto.so.1.1
"#,
        ..Scenario::new(
            "host/facts/facts.sh",
            "another libc names itself, and no library is found in no folder",
        )
    },
    Scenario {
        stubs: &[(
            "sha256sum",
            r#"[ $# = 0 ] || echo "reads $*" >>"$T/calls"; exec /usr/bin/sha256sum "$@""#,
        )],
        given: r#"echo a >binary; touch -d @1000 binary; : >gone-cache
echo "$(stat -c '%i %s %z' binary) 0123" >cache; echo "1 2 3 0123" >old"#,
        calls: "for cache in cache old; do cached_digest $T/binary $cache; done; cached_digest $T/gone cache",
        check: "cat calls",
        expected: concat!(
            "=sum 0123 T/binary\n=sum ",
            "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7",
            "  T/binary\nreads -- T/binary\n"
        ),
        ..Scenario::new("resource/files.sh", "a large file is read only where it was touched")
    },
    Scenario {
        stubs: &[("sha256sum", r#"echo run >>"$T/calls"; exec /usr/bin/sha256sum "$@""#)],
        given: "for name in told known untold 'a b'; do echo a >\"$name\"; done; echo b >b; head -c 70000 /dev/zero >large; ln -s told link; mkdir folder",
        before: "known=' 0263829989b6fd95 ' untold='|/x|untold|'",
        calls: "digests told b untold 'a b' large link folder gone; digests link gone",
        check: "cat calls",
        expected: concat!(
            "=sum 87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7 told\n",
            "=text YQo= told\n",
            "=sum 0263829989b6fd954f72baaf2fc64bc2e2f01d692d4de72986ea808f6e99813f b\n",
            "=sum 87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7 untold\n",
            "=sum 87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7 a b\n",
            "=text YQo= a b\n",
            "=sum f51b279903037b37ea1828a1021499995718d38016cad6c0da30962a41be052f large\n",
            "run\n"
        ),
        ..Scenario::new("resource/files.sh", "one sum for all files, and only the texts that are not known")
    },
    Scenario {
        as_root: true,
        given: r#"echo 'always [madvise] never' >pages; printf '1\t2\n' >closed
mount --bind closed closed; mount -o remount,ro,bind closed"#,
        calls: "kernel_settings pages closed gone 2>/dev/null",
        expected: "=setting pages rw always [madvise] never\n=setting closed ro 1\t2\n",
        ..Scenario::new("resource/kernel_probe.sh", "each setting this kernel has, and whether it can be set")
    },
    Scenario {
        given: "echo 1 >one; echo 2 >two",
        calls: "kernel_settings $T/one $T/two",
        expected: "=setting T/one rw 1\n=setting T/two rw 2\n",
        ..Scenario::new("resource/kernel_probe.sh", "each setting is a line")
    },
    Scenario {
        given: "mkdir -p state data/7001 data/7002 data/7003; echo '{\"a\": 1}' >state/manifest.json; : >data/7001/nodes.conf; : >data/7003/nodes.conf",
        calls: "manifest $T/state $T/data; manifest $T/none $T/none 2>/dev/null",
        expected: "=manifest {\"a\": 1}\n=held 7001\n=held 7003\n",
        ..Scenario::new("resource/manifest_probe.sh", "the manifest and the nodes that were members are told")
    },
    Scenario {
        given: "mkdir -p state; echo secret >theirs; ln -s ../theirs state/manifest.json",
        calls: "manifest $T/state $T/none",
        expected: "",
        ..Scenario::new("resource/manifest_probe.sh", "a link in the manifest's place is not followed")
    },
];
