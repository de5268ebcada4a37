//! A node's configuration: a file whose lines may depend on what the installed server knows.
//!
//! A line that begins with `?` is written only where the server knows its directive; of several names,
//! `?replica-announce-ip|slave-announce-ip`, the first one it knows is taken. What a server knows is asked of
//! its binary and never derived from its version. Before any configuration of a host is replaced, the server
//! itself is tried on what is new.

mod data_files;
mod trial;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Answer, Answers, Content, Difference, File, Observed, Obstacle, ProbeScript, Resource, ResourceKind,
    Script, file::Found, quote,
};
pub use trial::{REFUSED, Trials};

use crate::host::{Facts, minify};

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

/// The value of the last line of a directive, without quotes.
fn value<'a>(text: &'a str, directive: &str) -> Option<&'a str> {
    let mut lines = text.lines().rev().filter_map(|line| line.split_once(' '));
    let (_, value) = lines.find(|(name, _)| name.eq_ignore_ascii_case(directive))?;
    Some(value.trim().trim_matches('"'))
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

    fn settled_by(&self, answer: &ConfigAnswer) -> Self {
        self.settle(|name| Some(answer.knows.as_ref()?.contains(name)))
    }

    fn file(&self) -> File {
        let content = Content::Text(self.text.clone());
        File { path: self.path.clone(), content, mode: self.mode, owner: self.owner.clone() }
    }
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

impl Observed {
    /// A node's configuration as it must be, decided by what its server knows, and the text that stands in
    /// its place, where that is another one.
    pub fn configuration(&self, config: &Config) -> (Config, Option<&str>) {
        let Some(Answer::Config(answer)) = self.answer(&config.key()) else { return (config.clone(), None) };
        let settled = config.settled_by(answer);
        let before = answer.found.text.as_deref().filter(|text| *text != settled.text);
        (settled, before)
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
        let renamed = || data_files::renamed(&self.path, answer.found.text.as_deref()?, &self.text);
        self.file().obstacle(&answer.found).or_else(renamed)
    }

    fn check(&self, script: &mut Script) {
        self.try_on_host(script);
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

    #[test]
    fn what_a_server_knows_is_no_part_of_a_fingerprint() {
        let read = |said: &[&str]| serde_json::to_string(&config(TEXT).read(&answers(said))).unwrap();
        assert_eq!(read(&[]), read(&["=knows /opt/redis-server a "]));
    }
}
