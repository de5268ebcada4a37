//! Every shell program of the product, `src/**/*.sh`: it parses under four shells, shellcheck finds nothing
//! in it, and its scenarios end alike under all four. A program without a scenario fails here. What needs
//! root runs in a mount namespace of its own, and says so where it is skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::needless_raw_string_hashes,
    reason = "a scenario ends where an expectation fails, and runs programs as a host runs them"
)]

#[path = "shell/accounts.rs"]
mod accounts;
#[path = "shell/artifact.rs"]
mod artifact;
#[path = "shell/change.rs"]
mod change;
#[path = "shell/debian.rs"]
mod debian;
#[path = "shell/host.rs"]
mod host;
#[path = "shell/node.rs"]
mod node;
#[path = "shell/probe.rs"]
mod probe;
#[path = "shell/scenario.rs"]
mod scenario;
#[path = "shell/trial.rs"]
mod trial;
#[path = "shell/undo.rs"]
mod undo;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use scenario::{SHELLS, Scenario, command, run_all};

/// The scenarios of all programs.
const TABLES: [&[Scenario]; 9] = [
    accounts::SCENARIOS,
    artifact::SCENARIOS,
    change::SCENARIOS,
    debian::SCENARIOS,
    host::SCENARIOS,
    node::SCENARIOS,
    probe::SCENARIOS,
    trial::SCENARIOS,
    undo::SCENARIOS,
];

const INSTALL: &str =
    "run `make prepare`, or install shellcheck, dash, bash, busybox and ksh93u+m: this test uses them all";

/// The programs below a folder, sorted, as paths below it.
fn programs_below(folder: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sh") {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn programs() -> Vec<String> {
    programs_below(&repository().join("src"))
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn output(command: &mut Command) -> Output {
    command
        .current_dir(repository())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}: {INSTALL}"))
}

#[test]
fn every_program_parses_under_every_shell() {
    let mut failed = Vec::new();
    for shell in SHELLS {
        for program in programs() {
            let parsed = output(command(shell).arg("-n").arg(format!("src/{program}")));
            if !parsed.status.success() {
                failed.push(format!("{} -n: {}", shell.join(" "), String::from_utf8_lossy(&parsed.stderr)));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.concat());
}

#[test]
fn shellcheck_finds_nothing() {
    let parts = ["src", "tests", "bench"].map(|part| repository().join(part));
    let files = parts.iter().filter(|part| part.is_dir()).flat_map(|part| {
        let name = part.file_name().unwrap().to_str().unwrap();
        programs_below(part).into_iter().map(move |program| format!("{name}/{program}"))
    });
    let checked = output(Command::new("shellcheck").arg(".ci/run").args(files));
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn every_program_has_a_scenario() {
    let tried: BTreeSet<&str> = TABLES.into_iter().flatten().map(|scenario| scenario.program).collect();
    let programs = programs();
    let missing: Vec<_> = programs.iter().filter(|program| !tried.contains(program.as_str())).collect();
    assert!(missing.is_empty(), "add a scenario to tests/shell/ for each of {missing:?}");
    let gone: Vec<_> = tried.iter().filter(|program| !programs.iter().any(|one| one == *program)).collect();
    assert!(gone.is_empty(), "there is no program {gone:?}");
}

#[test]
fn accounts() {
    run_all(accounts::SCENARIOS);
}

#[test]
fn artifact() {
    run_all(artifact::SCENARIOS);
}

#[test]
fn change() {
    run_all(change::SCENARIOS);
}

#[test]
fn debian() {
    run_all(debian::SCENARIOS);
}

#[test]
fn host() {
    run_all(host::SCENARIOS);
}

#[test]
fn node() {
    run_all(node::SCENARIOS);
}

#[test]
fn probe() {
    run_all(probe::SCENARIOS);
}

#[test]
fn trial() {
    run_all(trial::SCENARIOS);
}

#[test]
fn undo() {
    run_all(undo::SCENARIOS);
}
