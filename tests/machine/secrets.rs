//! Secrets stay where they belong: whole runs with known ones, and a search of every place where they must
//! not be.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::support::{Run, Sandbox, inventory, lab::Lab, write_secret};

const PASSWORD: &str = "cluster-secret-5f2a91";
const PASSPHRASE: &str = "passphrase-secret-77c0de";
const SUDO: &str = "sudo-secret-e4b3d2";
const ALL: [&str; 3] = [PASSWORD, PASSPHRASE, SUDO];

/// Samples the command lines and environments of all processes until `ended`; where a secret was seen.
fn sample(ended: &AtomicBool) -> Vec<String> {
    let mut seen = Vec::new();
    let mut samples = 0;
    while !ended.load(Ordering::SeqCst) {
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
        samples += 1;
    }
    assert!(samples > 10, "only {samples} samples were taken");
    seen
}

/// All files below folders of a root that hold a secret.
fn files_with_secrets(root: &Path, folders: &[&str]) -> Vec<String> {
    let patterns = ALL.join("\n");
    let mut grep = Command::new("grep");
    let output = grep.args(["-rlaF", &patterns]).args(folders).current_dir(root).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

const ACCOUNT: &str = "useradd -m admin && mkdir /home/admin/.ssh && \
    cp /root/.ssh/authorized_keys /home/admin/.ssh/ && chown -R admin /home/admin/.ssh && \
    echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin && chpasswd </root/account && rm /root/account";

/// Hosts with an account that needs a password for sudo, a key that needs a passphrase, and an inventory that
/// reads these, and the password of the cluster, from files in `kept`.
fn protected_lab(kept: &Path) -> Lab {
    let lab = Lab::up("secrets", 6);
    let home = lab.home();
    for (name, secret) in [("password", PASSWORD), ("passphrase", PASSPHRASE), ("sudo", SUDO)] {
        write_secret(kept.join(name), &format!("{secret}\n"));
    }
    for number in 1..=6 {
        let host = format!("n{number}");
        let account = home.join("hosts").join(&host).join("root/root/account");
        std::fs::write(account, format!("admin:{SUDO}\n")).unwrap();
        lab.sh(&host, ACCOUNT).ok();
    }
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f"]).arg(home.join("id_ed25519"));
    assert!(keygen.status().unwrap().success());
    let file = |name: &str| format!("{{ file = \"{}\" }}", kept.join(name).display());
    let (password, passphrase, sudo) = (file("password"), file("passphrase"), file("sudo"));
    lab.edit(|text| {
        text.replace("\nport = 7001", &format!("\nport = 7001\nauth = {password}"))
            .replace("user = \"root\"", "user = \"admin\"")
            .replace("via = []", &format!("via = []\npassphrase = {passphrase}\nsudo = {sudo}"))
    });
    lab
}

/// A copy of the shared cache, whose journal holds this test's runs alone.
fn own_cache() -> tempfile::TempDir {
    let cache = tempfile::tempdir().unwrap();
    let shared = crate::support::shared_cache().join("provision");
    assert!(Command::new("cp").arg("-a").arg(shared).arg(cache.path()).status().unwrap().success());
    cache
}

/// Every verb that has a secret to use.
fn run_all(lab: &Lab, kept: &Path, cache: &Path) -> Vec<Run> {
    let (plan, page) = (kept.join("plan.json"), kept.join("report.html"));
    let run = |args: &[&str]| -> Run {
        let inventory = lab.inventory();
        let all = [args, &[inventory.to_str().unwrap()]].concat();
        lab.command(&all).env("XDG_CACHE_HOME", cache).stdin(Stdio::null()).output().unwrap().into()
    };
    vec![
        run(&["plan", "-o", plan.to_str().unwrap()]).code(2),
        run(&["plan", "--json"]).code(2),
        run(&["apply", "--yes", "--json", "--report", page.to_str().unwrap()]).ok(),
        run(&["verify", "--json"]).ok(),
        run(&["destroy", "--yes"]).ok(),
        run(&["apply", "--yes"]).ok(),
        run(&["status"]).ok(),
    ]
}

/// On a host, the password of the cluster is in one file, and no secret is in a log.
fn check_host(lab: &Lab, host: &str) {
    let root = lab.home().join("hosts").join(host).join("root");
    let held = files_with_secrets(&root, &["etc", "var", "root", "home", "opt", "srv"]);
    assert_eq!(held, ["etc/provision/secrets/7001/password.conf"], "{host}");
    let script = "journalctl --no-pager -o cat; cat /var/log/provision/secrets/*; \
                  find /run -name '*provision*' -type f | xargs -r cat";
    let logs = lab.sh(host, script).ok().stdout;
    assert!(logs.contains("sshd") && !ALL.iter().any(|secret| logs.contains(secret)), "{host}");
}

#[test]
fn no_secret_is_seen_where_it_does_not_belong() {
    drop(Sandbox::new("warm", 7391).run(&["apply", "--yes", "--tags", "build"]).ok());
    let kept = tempfile::tempdir().unwrap();
    let (lab, cache) = (protected_lab(kept.path()), own_cache());
    let ended = Arc::new(AtomicBool::new(false));
    let sampler = std::thread::spawn({
        let ended = Arc::clone(&ended);
        move || sample(&ended)
    });
    let runs = run_all(&lab, kept.path(), cache.path());
    ended.store(true, Ordering::SeqCst);
    assert_eq!(sampler.join().unwrap(), Vec::<String>::new());

    for run in &runs {
        let text = run.text();
        assert!(!ALL.iter().any(|secret| text.contains(secret)), "{text}");
    }
    // The search finds what is there: the files the secrets were written to, and neither plan nor report.
    let mut found = files_with_secrets(kept.path(), &["."]);
    found.sort();
    assert_eq!(found, ["./passphrase", "./password", "./sudo"]);
    assert_eq!(files_with_secrets(&cache.path().join("provision/journal"), &["."]), Vec::<String>::new());
    for number in 1..=6 {
        check_host(&lab, &format!("n{number}"));
    }
}

#[test]
fn a_secret_of_the_environment_reaches_no_command_of_this_machine() {
    let text = inventory("variable", 7395, "auth = { env = \"ORDERS_PASSWORD\" }", "");
    let sandbox = Sandbox::with("variable", 7395, &text);
    let file = sandbox.inventory();
    let mut command = sandbox.command(&["exec", file.to_str().unwrap(), "--", "env"]);
    let run: Run = command.env("ORDERS_PASSWORD", PASSWORD).output().unwrap().into();
    let text = run.ok().says("here | PATH=").text();
    assert!(!text.contains(PASSWORD), "{text}");
}
