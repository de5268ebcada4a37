//! `destroy` restores what was there before: the ledger, its backups, and everything that could damage them.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::support::{Sandbox, servers};

/// A project whose playbook has these steps besides the built-in ones.
fn with_steps(name: &str, port: u16, steps: impl Fn(&Path) -> String) -> Sandbox {
    let sandbox = Sandbox::new(name, port);
    let folder = sandbox.folder.path();
    std::fs::create_dir(folder.join("playbooks")).unwrap();
    let text = format!("extends = \"cluster\"\n{}", steps(folder));
    std::fs::write(folder.join("playbooks/cluster.toml"), text).unwrap();
    sandbox
}

#[test]
fn a_file_that_was_replaced_before_anything_else_comes_back_with_its_mode_and_owner() {
    let sandbox = with_steps("former", 7401, |folder| {
        format!(
            "[[step]]\nname = \"note\"\nbefore = \"build\"\nfile = {{ path = \"{}/note\", content = \"ours\\n\" }}\n",
            folder.display()
        )
    });
    let note = sandbox.folder.path().join("note");
    std::fs::write(&note, "theirs\n").unwrap();
    std::fs::set_permissions(&note, std::fs::Permissions::from_mode(0o604)).unwrap();
    // No account has this number: `stat` has no name for it, and `chown` takes it all the same.
    std::os::unix::fs::chown(&note, Some(4_242_424), Some(4_242_424)).unwrap();
    sandbox.apply().ok();
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "ours\n");
    sandbox.destroy().ok();
    let meta = std::fs::metadata(&note).unwrap();
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "theirs\n");
    assert_eq!(meta.permissions().mode() & 0o7777, 0o604);
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), 4_242_424);
    assert!(!Path::new("/var/lib/provision/former").exists());
}

#[test]
fn what_stood_in_the_state_folder_before_stays() {
    let folder = Path::new("/var/lib/provision/lodger");
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("photo"), "mine").unwrap();
    let sandbox = Sandbox::new("lodger", 7411);
    sandbox.apply().ok();
    sandbox.destroy().ok();
    assert_eq!(std::fs::read_to_string(folder.join("photo")).unwrap(), "mine");
    std::fs::remove_dir_all(folder).unwrap();
    let _ = std::fs::remove_dir("/var/lib/provision");
}

#[test]
fn a_torn_line_of_the_ledger_costs_no_other_line() {
    let sandbox = with_steps("torn", 7421, |folder| {
        format!(
            "[[step]]\nname = \"note\"\ntags = [\"late\"]\nfile = {{ path = \"{}/note\", content = \"ours\\n\" }}\n",
            folder.display()
        )
    });
    sandbox.run(&["apply", "--yes", "--tags", "build"]).ok();
    let ledger = Path::new("/var/lib/provision/torn/ledger.jsonl");
    let text = std::fs::read_to_string(ledger).unwrap();
    assert_eq!(std::fs::metadata(ledger).unwrap().permissions().mode() & 0o077, 0);
    std::fs::write(ledger, format!("{text}{{\"did\":\"crea")).unwrap();
    let note = sandbox.folder.path().join("note");
    std::fs::write(&note, "theirs\n").unwrap();
    sandbox.run(&["apply", "--yes", "--tags", "late"]).ok();
    sandbox.destroy().ok();
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "theirs\n");
}

#[test]
fn a_ledger_of_a_newer_version_is_refused_and_kept() {
    let sandbox = Sandbox::new("newer", 7431);
    sandbox.run(&["apply", "--yes", "--tags", "build"]).ok();
    let ledger = Path::new("/var/lib/provision/newer/ledger.jsonl");
    let text = std::fs::read_to_string(ledger).unwrap();
    std::fs::write(ledger, format!("{text}{{\"did\":\"unknown-to-this-version\"}}\n")).unwrap();
    sandbox.destroy().code(1).says("unknown-to-this-version").says("Nothing was changed");
    std::fs::write(ledger, text).unwrap();
}

#[test]
fn a_syntax_error_in_a_command_is_the_error_of_that_step() {
    let sandbox = with_steps("slip", 7441, |_| {
        "[[step]]\nname = \"odd\"\ntags = [\"odd\"]\ncommand = { run = \"echo )\", unless = \"echo don't\" }\n".to_owned()
    });
    sandbox.run(&["apply", "--yes", "--tags", "odd"]).code(1).says("command `echo )` failed");
}

#[test]
fn a_home_behind_a_link_is_no_drift() {
    let sandbox = Sandbox::new("linked", 7451).for_user(65534);
    let real = sandbox.folder.path().join("real");
    std::fs::create_dir(&real).unwrap();
    std::fs::remove_dir(sandbox.home()).unwrap();
    std::os::unix::fs::symlink(&real, sandbox.home()).unwrap();
    std::os::unix::fs::chown(&real, Some(65534), Some(65534)).unwrap();
    sandbox.apply().ok();
    sandbox.run(&["plan"]).ok().says("Nothing to change");
    sandbox.destroy().ok();
}

#[test]
fn the_account_goes_with_the_last_cluster_that_used_it() {
    let exists = || Command::new("id").args(["-u", "provision-valkey"]).output().unwrap().status.success();
    if exists() {
        // An account that was there before is never removed.
        let sandbox = Sandbox::with("keeps", 7461, &valkey("keeps", 7461));
        sandbox.run(&["apply", "--yes", "--tags", "build,install"]).ok();
        sandbox.destroy().ok();
        assert!(exists());
        return;
    }
    let first = Sandbox::with("one", 7461, &valkey("one", 7461));
    let install = ["apply", "--yes", "--tags", "build,install"];
    first.run(&install).ok();
    let second = first.folder.path().join("second.toml");
    std::fs::write(&second, valkey("two", 7471)).unwrap();
    let on_second = |args: &[&str]| {
        let mut args = args.to_vec();
        args.push(second.to_str().unwrap());
        crate::support::Run::from(first.command(&args).output().unwrap()).ok()
    };
    on_second(&install);
    first.destroy().ok();
    assert!(exists(), "the second cluster lives under it");
    on_second(&["destroy", "--yes"]);
    assert!(!exists());
    assert!(!Path::new("/var/lib/provision/.users").exists());
}

fn valkey(name: &str, port: u16) -> String {
    crate::support::inventory(name, port, "engine = \"valkey\"", "[source]\nsuite = \"sid\"")
        .replace("7.0.15", "9.1.2")
}

#[test]
fn every_example_that_fits_this_machine_is_applied_proven_and_undone() {
    for (file, fold) in [
        ("single-host.toml", false),
        ("simulated-addresses.toml", false),
        ("three-shards-two-replicas.toml", false),
        ("six-vms.toml", true),
    ] {
        let text = std::fs::read_to_string(Path::new("inventory").join(file)).unwrap();
        let sandbox = Sandbox::with("examples", 7001, &text);
        let before = servers();
        let fold: &[&str] = if fold { &["--single-host"] } else { &[] };
        for verb in [&["apply", "--yes"][..], &["verify"], &["plan"], &["destroy", "--yes"]] {
            let run = sandbox.run(&[verb, fold].concat());
            assert_eq!(run.code, 0, "{file} {verb:?}:\n{}", run.text());
        }
        assert_eq!(before, servers(), "{file}");
        // What is left to do at the end of the scenario, nothing, needs no folding.
        sandbox.write(include_str!("../../inventory/single-host.toml"));
    }
}
