//! A node's configuration: a file whose lines may depend on what the installed server knows.
//!
//! A line that begins with `?` is written only where the server knows its directive; of several names,
//! `?replica-announce-ip|slave-announce-ip`, the first one it knows is taken. What a server knows is asked of
//! its binary and never derived from its version. Before any configuration of a host is replaced, the server
//! itself is tried on what is new.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    Answer, Answers, Content, Difference, File, Observed, Obstacle, ProbeScript, Resource, ResourceKind,
    Script, file::Found, quote,
};
use crate::host::{Facts, minify};

/// The status a script ends with where the server does not start on a configuration; its words come before.
pub const REFUSED: i32 = 78;

/// The configuration of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    pub path: String,
    /// The text, in which lines may begin with `?`.
    pub text: String,
    pub mode: u32,
    /// `user:group`; `None` is the account that runs the script.
    pub owner: Option<String>,
    /// The server that reads it.
    pub binary: String,
    /// The account the server runs as; `None` is the account that runs the script.
    pub account: Option<String>,
}

/// What stands at its path, and what its server knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigAnswer {
    #[serde(flatten)]
    found: Found,
    /// The directives that the text asks for and the server knows; `None` where nothing was asked, or no
    /// server is installed.
    #[serde(skip)]
    knows: Option<BTreeSet<String>>,
}

const KNOWS: &str = include_str!("knows.sh");

const TRIAL: &str = include_str!("trial.sh");

/// What is left out of a trial: what a node is reached by, and where its files are.
const OF_THE_NODE: [&str; 15] = [
    "bind",
    "bind-source-addr",
    "cluster-announce-ip",
    "cluster-config-file",
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

fn question(questions: &BTreeSet<String>, _: &Facts) -> String {
    let questions: String = questions.iter().map(|question| format!("{question}\n")).collect();
    format!("{}{questions}", minify(KNOWS))
}

/// The names a line depends on, and its value.
fn optional(line: &str) -> Option<(impl Iterator<Item = &str>, &str)> {
    let (names, value) = line.strip_prefix('?')?.split_once(' ')?;
    Some((names.split('|'), value))
}

/// The directives that a text, or the template of one, depends on.
pub fn optional_directives(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(optional).flat_map(|(names, _)| names.map(str::to_owned)).collect()
}

impl Config {
    /// The same, with every line decided that can be; `knows` says of a directive whether the server knows
    /// it, as far as that is known.
    #[must_use]
    pub fn settle(&self, knows: impl Fn(&str) -> Option<bool>) -> Self {
        let mut text = String::with_capacity(self.text.len());
        for line in self.text.split_inclusive('\n') {
            let Some((mut names, value)) = optional(line) else {
                text.push_str(line);
                continue;
            };
            match names.find_map(|name| Some((name, knows(name))).filter(|(_, known)| *known != Some(false)))
            {
                Some((name, Some(_))) => text.extend([name, " ", value]),
                Some((_, None)) => text.push_str(line),
                None => {}
            }
        }
        Self { text, ..self.clone() }
    }

    /// Whether it can be written as it is.
    pub fn is_settled(&self) -> bool {
        optional_directives(&self.text).is_empty()
    }

    /// A script that tries the server `binary` of this machine on it, ending as
    /// [`check`](ResourceKind::check) does. What names files of the host is not tried.
    pub fn trial(&self, binary: &str) -> String {
        format!("{}\n{}\n", minify(TRIAL), call(&self.tried(), binary, "", ""))
    }

    /// The lines that can be tried on any machine.
    fn tried(&self) -> String {
        self.lines_without(|name| {
            ["aclfile", "loadmodule"].contains(&name) || name.starts_with("tls-") || name.contains('.')
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
        let path = self.value("aclfile").filter(|path| !path.is_empty())?;
        Some(if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.value("dir")?) })
    }

    /// The value of the last line of a directive, without quotes.
    fn value(&self, directive: &str) -> Option<&str> {
        let mut lines = self.text.lines().rev().filter_map(|line| line.split_once(' '));
        let (_, value) = lines.find(|(name, _)| name.eq_ignore_ascii_case(directive))?;
        Some(value.trim().trim_matches('"'))
    }

    fn settled_by(&self, answer: &ConfigAnswer) -> Self {
        self.settle(|name| Some(answer.knows.as_ref()?.contains(name)))
    }

    fn file(&self) -> File {
        let content = Content::Text(self.text.clone());
        File { path: self.path.clone(), content, mode: self.mode, owner: self.owner.clone() }
    }
}

/// The fragment that tries a server on a configuration.
fn call(text: &str, binary: &str, account: &str, acl: &str) -> String {
    let call = format!("try_config {} {} {}", quote(binary), quote(account), quote(acl));
    format!("printf %s {} | base64 -d | {call}", BASE64_STANDARD.encode(text))
}

impl Resource {
    /// The same, as it is once what the host said is known.
    #[must_use]
    pub fn settled(&self, observed: &Observed) -> Self {
        match (self, observed.answer(&self.key())) {
            (Self::Config(config), Some(Answer::Config(answer))) => Self::Config(config.settled_by(answer)),
            _ => self.clone(),
        }
    }
}

impl ResourceKind for Config {
    type Answer = ConfigAnswer;

    fn title(&self) -> String {
        self.file().title()
    }

    /// The text is sent unless it is the one that the directives known so far give.
    fn ask(&self, probe: &mut ProbeScript) {
        self.settle(|_| Some(false)).file().ask(probe);
        let names = optional_directives(&self.text);
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
            probe.group("knows", question, format!("knows {} {}", quote(&self.binary), names.join(" ")));
        }
    }

    fn read(&self, answers: &Answers) -> ConfigAnswer {
        let knows = answers.of("knows", &self.binary).next();
        let knows = knows.map(|names| names.split_whitespace().map(str::to_owned).collect());
        ConfigAnswer { found: self.file().read(answers), knows }
    }

    fn compare(&self, answer: &ConfigAnswer, changing: &BTreeSet<String>) -> Option<Difference> {
        self.settled_by(answer).file().compare(&answer.found, changing)
    }

    fn obstacle(&self, answer: &ConfigAnswer) -> Option<Obstacle> {
        self.file().obstacle(&answer.found)
    }

    fn check(&self, script: &mut Script) {
        script.needs(TRIAL);
        let (acl, account) = (self.acl_file().unwrap_or_default(), self.account.as_deref().unwrap_or(""));
        script.push_once(&call(&self.tried_on_host(), &self.binary, account, &acl));
    }

    fn change(&self, difference: &Difference, script: &mut Script) {
        self.file().change(difference, script);
    }

    fn writes(&self) -> Vec<String> {
        self.file().writes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{answers::tests::answers, testing::facts};

    const TEXT: &str = "port 1\n?a x y\n?b|c z\n?d\nlast";

    fn config(text: &str) -> Config {
        let (path, binary) = ("/etc/redis.conf".into(), "/opt/redis-server".into());
        Config { path, text: text.into(), mode: 0o640, owner: None, binary, account: None }
    }

    fn settled(knows: &[&str]) -> String {
        config(TEXT).settle(|name| Some(knows.contains(&name))).text
    }

    #[test]
    fn a_line_is_written_where_its_directive_is_known_and_the_first_known_name_is_taken() {
        assert_eq!(
            settled(&["a", "b", "c"]),
            "port 1\na x y\nb z\n?d\nlast",
            "a mark without a value is text"
        );
        assert_eq!(settled(&["c"]), "port 1\nc z\n?d\nlast");
        assert_eq!(settled(&[]), "port 1\n?d\nlast");
    }

    #[test]
    fn what_is_not_known_yet_stays_open() {
        let half = config(TEXT).settle(|name| (name != "b").then_some(true));
        assert_eq!(half.text, "port 1\na x y\n?b|c z\n?d\nlast");
        assert!(!half.is_settled() && config("port 1\n").is_settled());
        assert_eq!(optional_directives(TEXT).into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    /// What the host says where the file has this text.
    fn difference(text: &str, knows: Option<&str>) -> Option<Difference> {
        let path = format!("=path regular file|640|root|root|0|0|6|{}", config(TEXT).path);
        let sum = format!("=sum {}  /etc/redis.conf", Content::Text(text.into()).sha256().unwrap());
        let knows = knows.map(|names| format!("=knows /opt/redis-server {names} "));
        let said: Vec<&str> = [path.as_str(), &sum].into_iter().chain(knows.as_deref()).collect();
        config(TEXT).compare(&config(TEXT).read(&answers(&said)), &BTreeSet::new())
    }

    #[test]
    fn a_file_is_compared_with_what_the_installed_server_knows() {
        assert_eq!(difference("port 1\nc z\n?d\nlast", Some("c")), None);
        assert_eq!(difference("port 1\n?d\nlast", Some("")), None);
        assert!(difference("port 1\nc z\n?d\nlast", Some("a c")).is_some());
        assert!(difference("port 1\n?d\nlast", None).is_some(), "without a server nothing is known");
    }

    #[test]
    fn a_server_is_asked_once_and_only_for_what_is_open() {
        let script = |config: &Config| {
            let mut probe = ProbeScript::default();
            config.ask(&mut probe);
            Config { path: "/etc/2".into(), ..config.clone() }.ask(&mut probe);
            probe.script(&facts())
        };
        let open = script(&config(TEXT));
        assert_eq!(open.matches("\nknows /opt/redis-server a b c\n").count(), 1, "{open}");
        assert!(!script(&config("port 1\n")).contains("knows"));
    }

    /// What the trial of a script is sent.
    fn sent(script: &str) -> String {
        let (_, word) = script.split_once(" | base64 -d | try_config").unwrap().0.rsplit_once(' ').unwrap();
        String::from_utf8(BASE64_STANDARD.decode(word).unwrap()).unwrap()
    }

    #[test]
    fn a_trial_has_no_address_no_path_and_no_secret_of_the_node() {
        let text = "# c\nbind 10.0.0.1\nPORT 7001\ndir \"/data\"\nlogfile \"/l\"\ninclude \"/p\"\nmaxmemory 1gb\n\
            loadmodule /m.so\nsearch.x 1\ntls-port 0\naclfile users.acl\nsave 60 1\n";
        assert_eq!(sent(&config(text).trial("/bin/server")), "maxmemory 1gb\nsave 60 1\n");
        let mut script = Script::new(&crate::resource::testing::layout());
        for _ in 0..2 {
            config(text).check(&mut script);
        }
        let script = script.text().unwrap();
        let host = "maxmemory 1gb\nloadmodule /m.so\nsearch.x 1\ntls-port 0\nsave 60 1\naclfile \"/data/users.acl\"\n";
        assert_eq!(sent(&script), host);
        assert_eq!(
            script.matches("| try_config /opt/redis-server '' /data/users.acl\n").count(),
            1,
            "{script}"
        );
    }

    #[test]
    fn what_a_server_knows_is_no_part_of_a_fingerprint() {
        let read = |said: &[&str]| serde_json::to_string(&config(TEXT).read(&answers(said))).unwrap();
        assert_eq!(read(&[]), read(&["=knows /opt/redis-server a "]));
    }
}
