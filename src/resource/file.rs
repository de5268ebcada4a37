//! A file, with its content, mode and owner.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use similar::TextDiff;

use super::{
    Action, Answer, Answers, Content, Difference, Entry, Handler, Observed, Obstacle, PathState, ProbeScript,
    ResourceKind, Script, path_state::attributes, quote,
};

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub path: String,
    pub content: Content,
    pub mode: u32,
    /// `user:group`; `None` is the account that runs the script.
    pub owner: Option<String>,
}

/// What stands at the path of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Without its digest where the content is secret: a saved plan and a fingerprint must not tell it.
    state: Option<PathState>,
    /// Where it is a file.
    #[serde(skip)]
    sha256: Option<String>,
    /// Where it differs and may be shown.
    pub(super) text: Option<String>,
}

impl Observed {
    /// What stands in the file at this path, where it differs from what is desired and may be shown.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.answer(&key(path)) {
            Some(Answer::File(found)) => found.text.as_deref(),
            _ => None,
        }
    }
}

fn key(path: &str) -> String {
    format!("file {path}")
}

impl ResourceKind for File {
    type Answer = Found;

    fn title(&self) -> String {
        key(&self.path)
    }

    fn ask(&self, probe: &mut ProbeScript) {
        match &self.content {
            Content::Text(_) => probe.text(&self.path, self.content.sha256().as_deref()),
            Content::Password(_) => probe.digest(&self.path),
        }
    }

    fn read(&self, answers: &Answers) -> Found {
        let state = answers.path(&self.path).cloned();
        let sha256 = state.as_ref().and_then(|state| state.sha256()).map(str::to_owned);
        let text = answers.text(&self.path).filter(|_| self.is_open()).map(str::to_owned);
        let state = if self.is_open() { state } else { state.map(|state| state.with_sha256("")) };
        Found { state, sha256, text }
    }

    fn compare(&self, found: &Found, _: &BTreeSet<String>) -> Option<Difference> {
        let mut difference = match &found.state {
            None => Difference::new(Action::Create, "it does not exist"),
            Some(PathState::File { mode, owner, .. }) => {
                let other = self.content.sha256() != found.sha256;
                let attributes = attributes(Some(self.mode), self.owner.as_deref(), *mode, owner);
                let content = other.then(|| "its content differs".to_owned());
                let why: Vec<String> = content.into_iter().chain(attributes).collect();
                if why.is_empty() {
                    return None;
                }
                Difference::new(Action::Update, why.join(", "))
            }
            Some(_) => Difference::new(Action::Create, "something else stands there, which will be refused"),
        };
        difference.diff = self.diff(found);
        difference.before = found.state.clone();
        Some(difference)
    }

    fn obstacle(&self, found: &Found) -> Option<Obstacle> {
        let state = found.state.as_ref().filter(|state| !state.is_file())?;
        Some(Obstacle::at(&self.path, "file", state))
    }

    fn change(&self, difference: &Difference, script: &mut Script) {
        let sha256 = self.content.open_sha256();
        let (path, word) = (self.path.clone(), quote(&self.path));
        match &difference.before {
            None => {
                script.push(&format!("absent {word}"));
                script.record(&Entry::CreatedFile { path, sha256 });
            }
            Some(PathState::File { sha256: before, .. }) => {
                let backup = backup_name(&self.path, before);
                script.push(&format!("backup {word} {} '{before}'", quote(&backup)));
                script.record(&Entry::ReplacedFile { path, backup, sha256 });
            }
            Some(_) => script.push(&format!("echo {word} is not a regular file; exit 1")),
        }
        script.write(&self.path, &self.content, self.mode, self.owner.as_deref());
    }

    fn writes(&self) -> Vec<String> {
        vec![self.path.clone()]
    }
}

impl File {
    /// Whether its content may be shown.
    fn is_open(&self) -> bool {
        self.content.text().is_some()
    }

    fn diff(&self, found: &Found) -> Option<String> {
        let new = self.content.text()?;
        let old = found.text.as_deref().unwrap_or("");
        if found.state.is_some() && found.text.is_none() {
            return None;
        }
        let (before, after) = (format!("{} (now)", self.path), format!("{} (planned)", self.path));
        Some(
            TextDiff::from_lines(masked(old), masked(new)).unified_diff().header(&before, &after).to_string(),
        )
    }
}

/// A backup is named by the path and the content it had: the same state is kept once.
fn backup_name(path: &str, sha256: &str) -> String {
    let digest = sha256.get(..12).unwrap_or("secret");
    format!("{}-{digest}", path.trim_start_matches('/').replace('/', "+"))
}

/// Removes a file that was created, unless its digest is none of `ours`; where they are not known, in any
/// case.
pub(super) fn undo_create(path: &str, ours: &str, script: &mut Script) {
    script.push(&format!("erase {} '{ours}'", quote(path)));
    Handler::of_file(path)
        .filter(|handler| *handler == Handler::DaemonReload)
        .for_each(|handler| script.notify(handler));
}

/// Puts the file back that was replaced, with the mode and owner it had.
pub(super) fn undo_replace(path: &str, backup: &str, ours: &str, script: &mut Script) {
    script.push(&format!("restore {} {} '{ours}'", quote(path), quote(backup)));
    Handler::of_file(path).for_each(|handler| script.notify(handler));
}

/// The text with the values of password directives starred out: a user may have put one where it does not
/// belong.
fn masked(text: &str) -> String {
    const SECRETS: [&str; 6] =
        ["requirepass", "masterauth", "primaryauth", "user", "tls-key-file-pass", "tls-client-key-file-pass"];
    let mask = |line: &str| match line.split_whitespace().next() {
        Some(word) if SECRETS.contains(&word.to_ascii_lowercase().as_str()) => format!("{word} ***\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        resource::{
            answers::tests::answers,
            testing::{layout, lines},
        },
        secret::SecretSource,
    };

    fn file() -> File {
        File { path: "/etc/motd".into(), content: Content::Text("hello\n".into()), mode: 0o644, owner: None }
    }

    fn secret() -> File {
        File { content: Content::Password(SecretSource::Env("NO_SUCH_VARIABLE".into())), ..file() }
    }

    const PATH: &str = "=path regular file|644|root|root|0|0|6|/etc/motd";

    /// What the host says where the file has the digest of `text`.
    fn compare(file: &File, path: &str, text: &str) -> Option<Difference> {
        let sum = format!("=sum {}  /etc/motd", Content::Text(text.into()).sha256().unwrap());
        let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text);
        let told = format!("=text {encoded} /etc/motd");
        let said = [path, &sum, &told];
        file.compare(&file.read(&answers(&said)), &BTreeSet::new())
    }

    #[test]
    fn a_file_with_its_content_mode_and_owner_is_as_it_should_be() {
        assert_eq!(compare(&file(), PATH, "hello\n"), None);
        let owned = File { owner: Some("root:root".into()), ..file() };
        assert_eq!(compare(&owned, PATH, "hello\n"), None);
    }

    #[test]
    fn each_difference_is_named_and_content_is_shown() {
        let difference = compare(&file(), &PATH.replace("644", "600"), "bye\n").unwrap();
        assert_eq!(difference.why, "its content differs, its mode is 0600 and must be 0644");
        let diff = difference.diff.unwrap();
        assert!(diff.contains("-bye") && diff.contains("+hello"), "{diff}");
    }

    #[test]
    fn passwords_in_a_text_are_starred_out() {
        let content = Content::Text("port 1\nRequirePass sesame\n".into());
        let diff = compare(&File { content, ..file() }, PATH, "masterauth sesame\n").unwrap().diff.unwrap();
        assert!(diff.contains("RequirePass ***") && diff.contains("masterauth ***"), "{diff}");
        assert!(!diff.contains("sesame"), "{diff}");
    }

    #[test]
    fn what_a_secret_file_has_is_in_no_plan_and_no_fingerprint() {
        let said = [PATH, "=sum abc  /etc/motd", "=text aGVsbG8K /etc/motd"];
        let found = secret().read(&answers(&said));
        assert_eq!(found.sha256.as_deref(), Some("abc"));
        let written = serde_json::to_string(&found).unwrap();
        assert!(!written.contains("abc") && !written.contains("hello"), "{written}");
        let difference = secret().compare(&found, &BTreeSet::new()).unwrap();
        assert_eq!((difference.diff, difference.before.unwrap().sha256()), (None, Some("")));
    }

    #[test]
    fn what_is_no_file_is_in_the_way() {
        let found = file().read(&answers(&["=path symbolic link|777|root|root|0|0|6|/etc/motd"]));
        let obstacle = file().obstacle(&found).unwrap();
        let (path, found) = ("/etc/motd".to_owned(), "symbolic link".to_owned());
        assert_eq!(obstacle, Obstacle::InTheWay { path, wanted: "file", found });
        assert_eq!(file().obstacle(&file().read(&answers(&[PATH]))), None);
    }

    #[test]
    fn a_new_file_must_not_be_there_and_an_old_one_must_be_the_one_of_the_plan() {
        let change = |file: &File, difference: &Difference| {
            let mut script = Script::new(&layout());
            file.change(difference, &mut script);
            let all = lines(&script);
            let at = all.iter().position(|line| line.starts_with("ledger {") || line.starts_with("ledger '"));
            (all[at.unwrap() - 1].clone(), Entry::read(&shlex::split(&all[at.unwrap()]).unwrap()[1]).unwrap())
        };
        let sha256 = file().content.sha256();
        let (before, entries) = change(&file(), &Difference::new(Action::Create, ""));
        assert_eq!(before, "absent /etc/motd");
        assert_eq!(entries, [Entry::CreatedFile { path: "/etc/motd".into(), sha256: sha256.clone() }]);
        let (before, entries) = change(&file(), &compare(&file(), PATH, "bye\n").unwrap());
        let digest = Content::Text("bye\n".into()).sha256().unwrap();
        let backup = format!("etc+motd-{}", &digest[..12]);
        assert_eq!(before, format!("backup /etc/motd {backup} '{digest}'"));
        assert_eq!(entries, [Entry::ReplacedFile { path: "/etc/motd".into(), backup, sha256 }]);
    }

    #[test]
    fn a_backup_is_named_by_path_and_content() {
        assert_eq!(backup_name("/etc/a b", "0123456789abcdef"), "etc+a b-0123456789ab");
        assert_eq!(backup_name("/etc/motd", ""), "etc+motd-secret");
    }
}
