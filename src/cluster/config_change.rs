//! How the configuration a running node must have differs from its file and from what it runs with, and what
//! of it the node takes without a restart. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{drift, tunable::Tunable};

/// Directives that no `CONFIG SET` changes: those the engine marks as immutable in any of the releases of
/// which we have the sources (`IMMUTABLE_CONFIG` in config.c of Redis 7.0.15 and Valkey 9.1.2), those it
/// protects from being set by default (`PROTECTED_CONFIG`), and those that would move a node to another
/// address. A start reads them.
const READ_AT_START: [&str; 53] = [
    "aclfile",
    "always-show-logo",
    "aof-rewrite-cpulist",
    "aof_rewrite_cpulist",
    "appenddirname",
    "appendfilename",
    "bgsave-cpulist",
    "bgsave_cpulist",
    "bind",
    "bio-cpulist",
    "bio_cpulist",
    "client-default-resp",
    "cluster-config-file",
    "cluster-databases",
    "cluster-enabled",
    "cluster-port",
    "daemonize",
    "databases",
    "dbfilename",
    "dir",
    "disable-thp",
    "enable-debug-assert",
    "enable-debug-command",
    "enable-module-command",
    "enable-protected-configs",
    "hash-seed",
    "include",
    "io-threads",
    "io-threads-do-reads",
    "loadmodule",
    "logfile",
    "lua-enable-insecure-api",
    "mptcp",
    "pidfile",
    "port",
    "rdbchecksum",
    "rdma-completion-vector",
    "rdma-rx-size",
    "rename-command",
    "repl-mptcp",
    "req-res-logfile",
    "server-cpulist",
    "server_cpulist",
    "set-proc-title",
    "socket-mark-id",
    "supervised",
    "syslog-enabled",
    "syslog-facility",
    "syslog-ident",
    "tcp-backlog",
    "unixsocket",
    "unixsocketgroup",
    "unixsocketperm",
];

/// What there is to do about the configuration of one running node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigChange {
    /// Whether its file has another text than the one it must have.
    pub file_differs: bool,
    /// What is set while it runs, in this order.
    pub live: Vec<Setting>,
    /// The directives that differ and are read at a start only.
    pub at_start: Vec<String>,
    /// What the engine itself lowered when it started, and would refuse to raise again.
    pub lowered: Option<Setting>,
}

/// A directive that a running node gets another value for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub directive: String,
    /// As `CONFIG SET` takes it.
    pub value: String,
    /// The running value.
    pub was: String,
}

/// The lines of each directive, without its name.
type Lines = BTreeMap<String, Vec<String>>;

impl ConfigChange {
    /// What leads from the `running` values to the `desired` text; `on_disk` is the text of the file where it
    /// is another one. Nothing can be told of a node whose running values are not known.
    ///
    /// `open_files` is how many files the node may open, where that is limited.
    ///
    /// A value that a start alone reads is compared with the file, since that is what the node was started
    /// with: the engine returns some of them in another form.
    pub fn of(
        desired: &str,
        on_disk: Option<&str>,
        running: &BTreeMap<String, String>,
        open_files: Option<u64>,
    ) -> Option<Self> {
        if running.is_empty() {
            return None;
        }
        let (wanted, had) = (lines(desired), lines(on_disk.unwrap_or(desired)));
        let mut change = Self { file_differs: on_disk.is_some(), ..Self::default() };
        let names: BTreeSet<&String> = wanted.keys().chain(had.keys()).collect();
        for name in names.into_iter().filter(|name| !is_tuned(name)) {
            let (wants, before) = (wanted.get(name), had.get(name));
            let settable = wants.zip(running.get(name)).filter(|(wants, _)| is_live(name, wants, before));
            if let Some((wants, was)) = settable {
                if drift::is_lowered(name, wants, was, open_files) {
                    change.lowered = Some(Setting::new(name, wants, was));
                } else if !drift::same(name, wants, was) || switches_aof(name, wants, before) {
                    change.live.push(Setting::new(name, wants, was));
                }
            } else if wants != before {
                // The engine's default of a directive that is not set any more is known to the engine alone.
                change.at_start.push(name.clone());
            }
        }
        change.live.sort_by_key(Setting::turn);
        Some(change)
    }

    /// Whether nothing differs that can be changed, or must be told.
    pub fn is_empty(&self) -> bool {
        !self.file_differs && self.live.is_empty() && self.at_start.is_empty() && self.lowered.is_none()
    }
}

impl Setting {
    fn new(directive: &str, lines: &[String], was: &str) -> Self {
        let value = match lines {
            // Each line sets one class of clients, or adds a save point.
            lines if adds_up(directive) => {
                lines.iter().map(|line| unquoted(line)).collect::<Vec<_>>().join(" ")
            }
            lines => lines.last().map_or_else(String::new, |line| unquoted(line)),
        };
        Self { directive: directive.to_owned(), value: value.trim().to_owned(), was: was.to_owned() }
    }

    /// Whether it has the node keep an AOF.
    pub fn brings_aof(&self) -> bool {
        self.directive == "appendonly" && self.value == "yes"
    }

    /// One way of keeping keys goes only after the other has come: an AOF before the save points change, and
    /// save points before the AOF ends.
    fn turn(&self) -> u8 {
        match (&*self.directive, &*self.value) {
            ("appendonly", "yes") => 0,
            ("save", _) => 1,
            ("appendonly", _) => 3,
            _ => 2,
        }
    }
}

fn is_tuned(name: &str) -> bool {
    Tunable::ALL.iter().any(|tunable| tunable.name() == name.replace("slave", "replica"))
}

/// Whether a running node can be given these lines. A class of clients that is not limited any more would
/// keep its limit.
fn is_live(name: &str, wants: &[String], before: Option<&Vec<String>>) -> bool {
    let class = |line: &String| line.split_whitespace().next().map(str::to_lowercase);
    let keeps_classes = || {
        let wanted: Vec<_> = wants.iter().map(class).collect();
        before.is_none_or(|before| before.iter().map(class).all(|class| wanted.contains(&class)))
    };
    !READ_AT_START.contains(&name) && (name != "client-output-buffer-limit" || keeps_classes())
}

/// Whether the file is to say another kind of file than it did. A run that was stopped may have switched the
/// node and not waited: what must be on disk before the file says so is seen to again.
fn switches_aof(name: &str, wants: &[String], before: Option<&Vec<String>>) -> bool {
    let is_on = |lines: Option<&String>| lines.is_some_and(|line| line.eq_ignore_ascii_case("yes"));
    name == "appendonly" && is_on(wants.last()) != is_on(before.and_then(|before| before.last()))
}

fn adds_up(name: &str) -> bool {
    ["save", "client-output-buffer-limit"].contains(&name)
}

/// The directives of a configuration.
fn lines(text: &str) -> Lines {
    let mut lines = Lines::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (name, value) = (name.to_lowercase(), value.trim().to_owned());
        let all = lines.entry(name.clone()).or_default();
        // `save ""` takes back the lines above it, and the last line of most directives is the one that
        // counts.
        if !adds_up(&name) && name != "include" && name != "loadmodule" && name != "rename-command"
            || name == "save" && unquoted(&value).is_empty()
        {
            all.clear();
        }
        all.push(value);
    }
    lines
}

/// The arguments of a line as the engine splits them, one blank apart.
fn unquoted(line: &str) -> String {
    shlex::split(line).map_or_else(|| line.to_owned(), |words| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(desired: &str, on_disk: Option<&str>, running: &[(&str, &str)]) -> ConfigChange {
        let running = running.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ConfigChange::of(desired, on_disk, &running.collect(), Some(1024)).unwrap()
    }

    fn live(change: &ConfigChange) -> Vec<String> {
        let text = |setting: &Setting| format!("{} {}→{}", setting.directive, setting.was, setting.value);
        change.live.iter().map(text).collect()
    }

    #[test]
    fn what_runs_as_its_file_says_needs_nothing() {
        let text = "# a comment\nport 7001\nmaxmemory 100mb\nsave 3600 1\nsave 300 100\ninclude \"/p\"\n";
        let running = [("port", "7001"), ("maxmemory", "104857600"), ("save", "3600 1 300 100")];
        assert!(change(text, None, &running).is_empty());
        assert_eq!(ConfigChange::of(text, None, &BTreeMap::new(), None), None, "nothing is known");
    }

    #[test]
    fn lines_of_the_template_and_of_the_inventory_are_set_live() {
        let text = "appendonly yes\ncluster-node-timeout 5000\nmaxmemory 100mb\n";
        let running = [("appendonly", "no"), ("cluster-node-timeout", "60000"), ("maxmemory", "0")];
        let drifted = change(text, None, &running);
        assert_eq!(
            live(&drifted),
            ["appendonly no→yes", "cluster-node-timeout 60000→5000", "maxmemory 0→100mb"]
        );
        assert!(!drifted.file_differs && drifted.at_start.is_empty());
    }

    #[test]
    fn what_a_start_alone_reads_is_compared_with_the_file() {
        let running = [("io-threads", "1"), ("maxmemory", "0"), ("dir", "/mnt/data")];
        let text = "dir \"/var/lib\"\nio-threads 2\nmaxmemory 1gb\n";
        let mixed = change(text, Some("dir \"/var/lib\"\n"), &running);
        assert_eq!(
            (live(&mixed), mixed.at_start),
            (vec!["maxmemory 0→1gb".to_owned()], vec!["io-threads".into()])
        );
        assert!(
            change(text, None, &[("dir", "/mnt"), ("io-threads", "1"), ("maxmemory", "1073741824")])
                .is_empty()
        );
    }

    #[test]
    fn a_directive_that_is_taken_away_or_that_the_engine_does_not_show_needs_a_start() {
        let gone =
            change("hz 10\n", Some("hz 10\nmaxmemory 1gb\n"), &[("hz", "10"), ("maxmemory", "1073741824")]);
        assert_eq!((live(&gone), gone.at_start), (vec![], vec!["maxmemory".to_owned()]));
        let hidden = change("key-load-delay 5\n", Some("key-load-delay 1\n"), &[("hz", "10")]);
        assert_eq!(hidden.at_start, ["key-load-delay"]);
    }

    #[test]
    fn another_comment_is_no_other_directive() {
        let change = change("# new\nhz 10\n", Some("# old\nhz 10\n"), &[("hz", "10")]);
        assert!(change.file_differs && change.live.is_empty() && change.at_start.is_empty());
    }

    #[test]
    fn what_formation_tunes_is_no_drift() {
        let text = "repl-diskless-sync-delay 5\nrepl-ping-slave-period 10\n";
        let running = [("repl-diskless-sync-delay", "0"), ("repl-ping-slave-period", "1")];
        assert!(change(text, None, &running).is_empty());
    }

    #[test]
    fn keys_are_kept_the_new_way_before_the_old_way_ends() {
        let turns = |text: &str, running: &[(&str, &str)]| {
            change(text, None, running).live.into_iter().map(|setting| setting.directive).collect::<Vec<_>>()
        };
        let running = [("appendonly", "no"), ("save", "60 1"), ("hz", "1")];
        assert_eq!(turns("save \"\"\nhz 10\nappendonly yes\n", &running), ["appendonly", "save", "hz"]);
        let running = [("appendonly", "yes"), ("save", ""), ("hz", "1")];
        assert_eq!(turns("appendonly no\nhz 10\nsave 60 1\n", &running), ["save", "hz", "appendonly"]);
    }

    #[test]
    fn a_switch_that_a_stopped_run_began_is_seen_to_again() {
        let running = [("appendonly", "yes")];
        assert_eq!(
            live(&change("appendonly yes\n", Some("appendonly no\n"), &running)),
            ["appendonly yes→yes"]
        );
        assert!(live(&change("appendonly yes\n", Some("appendonly yes\nhz 1\n"), &running)).is_empty());
    }

    #[test]
    fn values_are_set_as_the_engine_takes_them() {
        let value = |text: &str, name: &str| change(text, None, &[(name, "other")]).live[0].value.clone();
        assert_eq!(value("save 3600 1\nsave 300 100\n", "save"), "3600 1 300 100");
        assert_eq!(value("save 3600 1\nsave \"\"\n", "save"), "");
        assert_eq!(
            value("proc-title-template \"{title} {port}\"\n", "proc-title-template"),
            "{title} {port}"
        );
        assert_eq!(value("hz 10\nhz 20\n", "hz"), "20");
        let limit = "client-output-buffer-limit";
        assert_eq!(
            value(
                "client-output-buffer-limit replica 1mb 0 0\nclient-output-buffer-limit pubsub 1 1 1\n",
                limit
            ),
            "replica 1mb 0 0 pubsub 1 1 1"
        );
    }

    #[test]
    fn a_class_of_clients_that_is_not_limited_any_more_needs_a_start() {
        let (limit, running) = ("client-output-buffer-limit", "normal 0 0 0 slave 5 5 5 pubsub 1 1 1");
        let both = format!("{limit} replica 5 5 5\n{limit} pubsub 1 1 1\n");
        let change = change(&format!("{limit} replica 5 5 5\n"), Some(&both), &[(limit, running)]);
        assert_eq!(change.at_start, [limit]);
    }

    #[test]
    fn what_the_engine_lowered_to_its_limit_of_open_files_is_not_set() {
        let lowered = |wants: &str, was| {
            let change = change(&format!("maxclients {wants}\n"), None, &[("maxclients", was)]);
            (live(&change), change.lowered.map(|setting| (setting.was, setting.value)))
        };
        assert_eq!(lowered("10000", "992"), (vec![], Some(("992".into(), "10000".into()))));
        // It was set by hand, or fits.
        assert_eq!(lowered("10000", "500"), (vec!["maxclients 500→10000".to_owned()], None));
        assert_eq!(lowered("900", "992"), (vec!["maxclients 992→900".to_owned()], None));
        assert_eq!(lowered("992", "992"), (vec![], None));
    }
}
