//! What keeps the link to a host, and what boots a simulated one.

use super::scenario::Scenario;

const NSPAWN: &[(&str, &str)] = &[("systemd-nspawn", r#"echo "nspawn $*""#)];

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        stubs: NSPAWN,
        as_root: true,
        given: "mount -t tmpfs none /run; mount -t tmpfs none /sys/fs/cgroup; mkdir /sys/fs/cgroup/systemd; : >/sys/fs/cgroup/systemd/cgroup.procs",
        before: "set -- lab-1 --quiet '--directory=/a b'; echo $$ >pid",
        check: "cd /sys/fs/cgroup; find . -name 'lab-1*'; cmp systemd/lab-1/cgroup.procs $T/pid",
        expected: "nspawn --keep-unit --quiet --directory=/a b\n./systemd/lab-1\n",
        ..Scenario::new(
            "lab/enter_cgroup.sh",
            "without systemd here it enters a control group of its own first",
        )
    },
    Scenario {
        stubs: NSPAWN,
        as_root: true,
        given: "mount -t tmpfs none /run; mount -t tmpfs none /sys/fs/cgroup; : >/sys/fs/cgroup/cgroup.procs; mkdir -p /run/systemd/system",
        before: "set -- lab-1 --quiet",
        check: "ls /sys/fs/cgroup",
        expected: "nspawn --quiet\ncgroup.procs\n",
        ..Scenario::new("lab/enter_cgroup.sh", "systemd gives it one")
    },
];
