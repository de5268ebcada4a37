use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::mutated::mutated_lines;

/// The answer of a host with an old glibc and most libraries.
const ANSWER: &str = "uid=0\ndata_home=/root/.local/share\ncache_home=/root/.cache\narch=x86_64\nallowed=0-127\nonline=0-3\n\
    init=systemd\nsystemd=252\nos.ID=\"centos\"\nos.ID_LIKE=\"rhel fedora\"\nos.VERSION_ID=\"9\"\nlibc=glibc 2.34\n\
    lacks= libatomic.so.1 libssl.so.1.1\nlevel=3\ncompiler=/usr/bin/cc\nboot=6d1a\n";

fn parse(answer: &str) -> Result<Facts, String> {
    Facts::parse(&answer.lines().map(str::to_owned).collect::<Vec<_>>())
}

/// The answer, with one line replaced.
fn with(from: &str, to: &str) -> Facts {
    assert!(ANSWER.contains(from), "{from}");
    parse(&ANSWER.replace(from, to)).unwrap()
}

#[test]
fn each_line_is_a_fact() {
    let facts = parse(ANSWER).unwrap();
    assert_eq!((facts.uid, facts.cores, facts.level), (0, 4, 3));
    assert_eq!((facts.data_home.as_str(), facts.cache_home.as_str()), ("/root/.local/share", "/root/.cache"));
    assert_eq!((facts.arch.as_str(), facts.libc.as_str()), ("x86_64", "glibc 2.34"));
    assert_eq!((facts.compiler.as_str(), facts.boot_id.as_str()), ("/usr/bin/cc", "6d1a"));
    assert_eq!((facts.init, facts.systemd), (InitSystem::Systemd, 252));
}

#[test]
fn the_distribution_is_its_id_then_what_it_is_like() {
    let facts = parse(ANSWER).unwrap();
    assert_eq!(facts.os, ["centos", "rhel", "fedora"]);
    assert_eq!((facts.os_version.as_str(), facts.codename.as_str()), ("9", ""));
    assert_eq!(with("os.ID=\"centos\"", "os.ID=debian").os[0], "debian");
    assert_eq!(with("os.VERSION_ID", "os.VERSION_CODENAME='x'\nos.VERSION_ID").codename, "x");
}

#[test]
fn every_fact_but_those_of_os_release_and_systemd_is_needed() {
    for line in ANSWER.lines() {
        let without: String =
            ANSWER.lines().filter(|other| *other != line).map(|l| format!("{l}\n")).collect();
        let optional = line.starts_with("os.") || line.starts_with("systemd=");
        let parsed = parse(&without);
        assert_eq!(parsed.is_ok(), optional, "{line}");
        if let Err(error) = parsed {
            let key = line.split_once('=').unwrap().0;
            assert!(error.contains(&format!("no {key} in")), "{error}");
        }
    }
}

#[test]
fn a_number_that_is_none_is_named() {
    assert!(parse(&ANSWER.replace("level=3", "level=many")).unwrap_err().starts_with("level: "));
    assert!(parse(&ANSWER.replace("uid=0", "uid=-1")).unwrap_err().starts_with("uid: "));
}

#[test]
fn processors_are_those_that_are_allowed_and_online() {
    for (allowed, online, count) in [
        ("0-127", "0-3", 4),
        ("0-1,4,6-7", "0-4,7", 4),
        ("2", "0-3", 1),
        ("0-3", "", 1),
        ("", "0-3", 1),
        ("5", "0-3", 1),
        ("0-4294967295", "0-3", 1),
        ("3-1,x-2", "0-3", 1),
    ] {
        assert_eq!(processors(allowed, online), count, "{allowed} {online}");
    }
}

#[test]
fn versions_of_systemd_begin_with_a_number() {
    for (text, version) in [
        ("252", Some(252)),
        ("252.1", Some(252)),
        ("256~rc3", Some(256)),
        ("219-78", Some(219)),
        ("252.so", Some(252)),
    ] {
        assert_eq!(systemd_version(text), version, "{text}");
    }
    assert_eq!(systemd_version("unknown"), None);
    assert_eq!(with("systemd=252", "systemd=").systemd, 0);
}

#[test]
fn units_need_systemd_and_root() {
    assert!(parse(ANSWER).unwrap().runs_units());
    assert!(!with("uid=0", "uid=1000").runs_units());
    let other = with("init=systemd", "init=runit");
    assert_eq!(other.init, InitSystem::Other);
    assert!(other.is_root() && !other.runs_units());
}

#[test]
fn a_library_is_taken_to_be_there_unless_it_is_named() {
    let facts = parse(ANSWER).unwrap();
    assert!(!facts.has_library("libssl.so.1.1") && !facts.has_library("libatomic.so.1"));
    assert!(facts.has_library("libssl.so.3") && facts.has_library("libnever.so.7"));
    assert!(with("lacks= libatomic.so.1 libssl.so.1.1", "lacks=").lacks.is_empty());
}

#[test]
fn lines_that_are_no_facts_do_not_matter() {
    assert_eq!(parse(&format!("Welcome\n{ANSWER}bye=now\n")), parse(ANSWER));
}

#[test]
fn the_script_answers_on_this_machine_under_every_shell() {
    let mut all = Vec::new();
    for shell in [&["dash"][..], &["bash", "--posix"], &["busybox", "ash"], &["ksh93"]] {
        #[expect(clippy::disallowed_methods, reason = "the oracle")]
        let run =
            Command::new(shell[0]).args(&shell[1..]).args(["-c", &script()]).env("LC_ALL", "C").output();
        // Not every machine has every shell.
        let Ok(output) = run else { continue };
        let facts = parse(&String::from_utf8_lossy(&output.stdout));
        all.push(facts.unwrap_or_else(|error| panic!("{shell:?}: {error}")));
    }
    assert!(!all.is_empty() && all.iter().all(|facts| facts == &all[0]), "{all:#?}");
    assert_eq!(all[0].arch, std::env::consts::ARCH);
    #[expect(clippy::disallowed_methods, reason = "the oracle")]
    let nproc = Command::new("nproc").env_remove("OMP_NUM_THREADS").output().unwrap().stdout;
    assert_eq!(all[0].cores.to_string(), String::from_utf8_lossy(&nproc).trim());
}

#[test]
fn what_is_sent_has_no_comments_and_no_indentation() {
    let sent = script();
    assert!(!sent.contains("shellcheck") && !sent.lines().any(|line| line.starts_with(['#', ' '])), "{sent}");
}

#[test]
fn the_account_of_each_cluster_is_a_fact() {
    let answer = format!("{ANSWER}account.old=\naccount.new=provision-redis\naccount.odd=a b\n");
    let accounts = parse(&answer).unwrap().accounts;
    let account = |cluster: &str| accounts.get(cluster).map(String::as_str);
    assert_eq!((account("old"), account("new")), (Some(""), Some("provision-redis")));
    assert_eq!((account("odd"), account("none")), (None, None));
}

#[test]
fn what_was_noted_of_an_installed_server_is_a_fact() {
    let facts = parse(&format!("{ANSWER}knows./opt/a=0123abcd save\nknows./opt/b=\n")).unwrap();
    assert_eq!((facts.knows["/opt/a"].as_str(), facts.knows["/opt/b"].as_str()), ("0123abcd save", ""));
}

proptest! {
    #[test]
    fn whatever_a_host_says_of_itself_is_read_or_refused(lines in mutated_lines(ANSWER)) {
        if let Ok(facts) = Facts::parse(&lines) {
            prop_assert!(facts.cores >= 1);
        }
    }
}
