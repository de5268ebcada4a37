//! Secrets stay where they belong: a whole apply with known ones, and a look everywhere they must not be.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::support::{Run, Sandbox, lab::Lab};

const PASSWORD: &str = "cluster-secret-5f2a91";
const PASSPHRASE: &str = "passphrase-secret-77c0de";
const SUDO: &str = "sudo-secret-e4b3d2";
const ALL: [&str; 3] = [PASSWORD, PASSPHRASE, SUDO];

/// Where a secret was seen: the command lines and environments of all processes, looked at over and over.
fn sample(until: &AtomicBool) -> Vec<String> {
    let mut seen = Vec::new();
    let mut looks = 0;
    while !until.load(Ordering::SeqCst) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            for file in ["cmdline", "environ"] {
                let path = entry.path().join(file);
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
                seen.extend(
                    ALL.iter()
                        .filter(|secret| text.contains(*secret))
                        .map(|secret| format!("{secret} in {}: {text}", path.display())),
                );
            }
        }
        looks += 1;
    }
    assert!(looks > 10, "it was looked {looks} times only");
    seen
}

/// All files below a folder that hold a secret.
fn files(folder: &Path) -> Vec<String> {
    let patterns = ALL.join("\n");
    let output = Command::new("grep").args(["-rlaF", &patterns, "."]).current_dir(folder).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn no_secret_is_seen_where_it_does_not_belong() {
    drop(Sandbox::new("warm", 7391).run(&["apply", "--yes", "--tags", "build"]).ok());
    let lab = Lab::up("secrets", 6);
    let (home, kept) = (lab.home(), tempfile::tempdir().unwrap());
    for (name, secret) in [("password", PASSWORD), ("passphrase", PASSPHRASE), ("sudo", SUDO)] {
        std::fs::write(kept.path().join(name), format!("{secret}\n")).unwrap();
    }
    for number in 1..=6 {
        let script = "useradd -m admin && mkdir /home/admin/.ssh && cp /root/.ssh/authorized_keys /home/admin/.ssh/ && chown -R admin /home/admin/.ssh && \
                      echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin && chpasswd </root/account && rm /root/account";
        let host = format!("n{number}");
        let account = home.join("hosts").join(&host).join("root/root/account");
        std::fs::write(account, format!("admin:{SUDO}\n")).unwrap();
        lab.sh(&host, script).ok();
    }
    let key = home.join("id_ed25519");
    let locked = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(locked.success());
    let file = |name: &str| format!("{{ file = \"{}\" }}", kept.path().join(name).display());
    let (password, passphrase, sudo) = (file("password"), file("passphrase"), file("sudo"));
    lab.edit(|text| {
        text.replace("\nport = 7001", &format!("\nport = 7001\nauth = {password}"))
            .replace("user = \"root\"", "user = \"admin\"")
            .replace("via = []", &format!("via = []\npassphrase = {passphrase}\nsudo = {sudo}"))
    });
    let cache = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .args(["-a"])
        .arg(crate::support::shared_cache().join("provision"))
        .arg(cache.path())
        .status()
        .unwrap();
    assert!(copied.success());

    let (plan, page) = (kept.path().join("plan.json"), kept.path().join("report.html"));
    let ended = Arc::new(AtomicBool::new(false));
    let sampler = std::thread::spawn({
        let ended = Arc::clone(&ended);
        move || sample(&ended)
    });
    let run = |args: &[&str]| -> Run {
        let inventory = lab.inventory();
        let all = [args, &[inventory.to_str().unwrap()]].concat();
        lab.command(&all).env("XDG_CACHE_HOME", cache.path()).stdin(Stdio::null()).output().unwrap().into()
    };
    let runs = [
        run(&["plan", "-o", plan.to_str().unwrap()]).code(2),
        run(&["plan", "--json"]).code(2),
        run(&["apply", "--yes", "--json", "--report", page.to_str().unwrap()]).ok(),
        run(&["verify", "--json"]).ok(),
        run(&["destroy", "--yes"]).ok(),
        run(&["apply", "--yes"]).ok(),
        run(&["status"]).ok(),
    ];
    ended.store(true, Ordering::SeqCst);
    assert_eq!(sampler.join().unwrap(), Vec::<String>::new());

    for run in &runs {
        let said = run.text();
        assert!(!ALL.iter().any(|secret| said.contains(secret)), "{said}");
    }
    // The search finds what is there: the files the secrets were put in, and nothing of what was written since.
    let mut found = files(kept.path());
    found.sort();
    assert_eq!(found, ["./passphrase", "./password", "./sudo"]);
    assert_eq!(files(&cache.path().join("provision/journal")), Vec::<String>::new());
    for number in 1..=6 {
        let host = format!("n{number}");
        let pattern = ALL.join("\n");
        let root = home.join("hosts").join(&host).join("root");
        let output = Command::new("grep")
            .args(["-rlaF", &pattern, "etc", "var", "root", "home", "opt", "srv"])
            .current_dir(&root)
            .output()
            .unwrap();
        let held = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(held.trim(), "etc/provision/secrets/7001/password.conf", "{host}");
        let logs = lab.sh(&host, "journalctl --no-pager -o cat; cat /var/log/provision/secrets/*; find /run -name '*provision*' -type f | xargs -r cat").ok().stdout;
        assert!(logs.contains("sshd") && !ALL.iter().any(|secret| logs.contains(secret)), "{host}");
    }
}
