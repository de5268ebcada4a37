//! A server is tried on a configuration before any configuration is replaced: it starts where nothing can
//! reach it, and its own words tell what it refuses.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{Config, value};
use crate::{
    digest,
    host::minify,
    resource::{Action, Difference, Script, quote},
};

const TRIAL: &str = include_str!("trial.sh");

/// The status a script ends with where the server does not start on a configuration; its words come before.
pub const REFUSED: i32 = 78;

/// What is left out of a trial: what a node is reached by, and where its files are.
const OF_THE_NODE: [&str; 18] = [
    "bind",
    "bind-source-addr",
    "cluster-announce-bus-port",
    "cluster-announce-ip",
    "cluster-announce-port",
    "cluster-config-file",
    "cluster-port",
    "daemonize",
    "dir",
    "include",
    "logfile",
    "pidfile",
    "port",
    "replica-announce-ip",
    "replica-announce-port",
    "slave-announce-ip",
    "slave-announce-port",
    "supervised",
];

/// What only the host itself can show, because it names something of the host.
const OF_THE_HOST: [&str; 4] = ["aclfile", "loadmodule", "locale-collate", "unixsocketgroup"];

/// What this machine has tried: the server, and the configurations that it started on. It is a part of the
/// plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trials {
    /// The SHA-256 of the server.
    server: String,
    /// The SHA-256 of what it was started on.
    configurations: BTreeSet<String>,
}

impl Trials {
    /// None yet, by the server with this digest.
    pub fn by(server: &str) -> Self {
        Self { server: server.to_owned(), configurations: BTreeSet::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.configurations.is_empty()
    }

    /// Notes that the server started on a configuration.
    pub fn passed(&mut self, config: &Config) {
        self.configurations.insert(fingerprint(&config.tried()));
    }

    /// Whether a trial on the host could show nothing else: the configuration is that of a new node, so that
    /// it replaces none; the host gets the very server, of this digest, that was tried here; and the host's
    /// trial would have the same lines, since none names anything of the host.
    pub fn cover(&self, config: &Config, difference: &Difference, server: &str) -> bool {
        let lines = config.tried_on_host();
        difference.action == Action::Create
            && server == self.server
            && lines == config.tried()
            && self.configurations.contains(&fingerprint(&lines))
    }
}

fn fingerprint(lines: &str) -> String {
    digest::of_parts(&[lines])
}

impl Config {
    /// A script that tries the server `binary` of this machine on it, ending as
    /// [`check`](ResourceKind::check) does. What names files of the host is not tried.
    pub fn trial(&self, binary: &str) -> String {
        format!("{}\n{}\n", minify(TRIAL), call(&self.tried(), binary, "", "", ""))
    }

    /// The lines that can be tried on any machine.
    fn tried(&self) -> String {
        self.lines_without(|name| {
            OF_THE_HOST.contains(&name) || name.starts_with("tls-") || name.contains('.')
        })
    }

    /// The lines that can be tried on its host; a path of the ACL file starts from the data folder.
    fn tried_on_host(&self) -> String {
        let acl = self.acl_file().map_or_else(String::new, |path| format!("aclfile \"{path}\"\n"));
        self.lines_without(|name| name == "aclfile") + &acl
    }

    fn lines_without(&self, is_left_out: impl Fn(&str) -> bool) -> String {
        let is_tried = |line: &&str| {
            let name = line.split_whitespace().next().unwrap_or("").to_ascii_lowercase();
            !line.starts_with(['#', '?']) && !OF_THE_NODE.contains(&&*name) && !is_left_out(&name)
        };
        self.text.lines().filter(is_tried).map(|line| format!("{line}\n")).collect()
    }

    fn acl_file(&self) -> Option<String> {
        let path = value(&self.text, "aclfile").filter(|path| !path.is_empty())?;
        Some(if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{path}", value(&self.text, "dir")?)
        })
    }

    /// Adds to a script that the host's own server is tried on it.
    pub(super) fn try_on_host(&self, script: &mut Script) {
        script.needs(TRIAL);
        let (acl, account) = (self.acl_file().unwrap_or_default(), self.account.as_deref().unwrap_or(""));
        let password = if value(&self.text, "include").is_some() { "yes" } else { "" };
        script.push_once(&call(&self.tried_on_host(), &self.binary, account, &acl, password));
    }
}

/// The fragment that tries a server on a configuration.
fn call(text: &str, binary: &str, account: &str, acl: &str, password: &str) -> String {
    let words = [binary, account, acl, password].map(quote).join(" ");
    let call = format!("try_config {words}");
    format!("printf %s {} | base64 -d | {call}", BASE64_STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::testing::layout;

    fn config(text: &str) -> Config {
        let (path, binary) = ("/etc/redis.conf".into(), "/opt/redis-server".into());
        Config { path, text: text.into(), mode: 0o640, owner: None, binary, account: None }
    }

    /// What the trial of a script is sent.
    fn sent(script: &str) -> String {
        let (_, word) = script.split_once(" | base64 -d | try_config").unwrap().0.rsplit_once(' ').unwrap();
        String::from_utf8(BASE64_STANDARD.decode(word).unwrap()).unwrap()
    }

    #[test]
    fn a_host_need_not_try_what_was_tried_here_but_what_it_replaces_and_what_names_its_own() {
        let tried = config("port 7001\nmaxmemory 1gb\ninclude \"/p\"\n");
        let mut trials = Trials::by("ab12");
        trials.passed(&tried);
        let create = Difference::new(Action::Create, "");
        assert!(trials.cover(&tried, &create, "ab12"));
        assert!(trials.cover(&config("port 7002\nmaxmemory 1gb\n"), &create, "ab12"), "another node");
        assert!(!trials.cover(&tried, &Difference::new(Action::Update, ""), "ab12"), "one is replaced");
        assert!(!trials.cover(&tried, &create, "cd34"), "another server");
        assert!(!trials.cover(&config("maxmemory 2gb\n"), &create, "ab12"), "another value");
        for line in ["aclfile /a", "loadmodule /m.so", "tls-key-file /k", "locale-collate C", "search.x 1"] {
            let of_host = config(&format!("maxmemory 1gb\n{line}\n"));
            trials.passed(&of_host);
            assert!(!trials.cover(&of_host, &create, "ab12"), "{line}");
        }
    }

    #[test]
    fn a_trial_has_no_address_no_path_and_no_secret_of_the_node() {
        let text = "# c\nbind 10.0.0.1\nPORT 7001\ndir \"/data\"\nlogfile \"/l\"\ninclude \"/p\"\nmaxmemory 1gb\n\
            loadmodule /m.so\nsearch.x 1\ntls-port 0\naclfile users.acl\nsave 60 1\n";
        assert_eq!(sent(&config(text).trial("/bin/server")), "maxmemory 1gb\nsave 60 1\n");
        let mut script = Script::new(&layout());
        for _ in 0..2 {
            config(text).try_on_host(&mut script);
        }
        let script = script.text().unwrap();
        let host = "maxmemory 1gb\nloadmodule /m.so\nsearch.x 1\ntls-port 0\nsave 60 1\naclfile \"/data/users.acl\"\n";
        assert_eq!(sent(&script), host);
        assert_eq!(
            script.matches("| try_config /opt/redis-server '' /data/users.acl yes\n").count(),
            1,
            "{script}"
        );
    }
}
