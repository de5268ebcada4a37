//! The installed server: the binary, its digest and its provenance in a folder of their own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Action, Answers, Content, Difference, Entry, Handler, Layout, ProbeScript, ResourceKind, Script,
    probe_script::words,
};
use crate::{
    digest,
    host::Facts,
    inventory::{Engine, Fleet, Version},
};

/// An engine's server on a host. It is satisfied by whatever binary of that engine, version and recipe was
/// installed there whole, so that neither a lost cache nor a new compiler makes anyone build again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    pub engine: Engine,
    pub version: Version,
    /// Named by engine, version and recipe.
    pub folder: String,
    /// The directives that configurations write only where the server knows them.
    #[serde(default)]
    pub directives: BTreeSet<String>,
}

/// The name of a server's digest cache, beside it.
const DIGEST_CACHE: &str = "seen";

impl Binary {
    /// The server a fleet wants, built by the recipe of this id.
    pub fn new(fleet: &Fleet, layout: &Layout, recipe: &str) -> Self {
        let (engine, version) = (fleet.engine, fleet.version);
        let folder = format!("{}/{engine}-{version}-{recipe}", layout.bin);
        Self { engine, version, folder, directives: BTreeSet::new() }
    }

    /// The server itself.
    pub fn path(&self) -> String {
        format!("{}/{}", self.folder, self.engine.server())
    }

    /// Where it came from and how it was built.
    pub fn provenance(&self) -> String {
        format!("{}/provenance.json", self.folder)
    }

    /// Written last: the digest the binary must have, in the form `sha256sum -c` reads.
    fn sums(&self) -> String {
        format!("{}/SHA256SUMS", self.folder)
    }

    /// Its digest cache: the digest, with what the binary looked like when it was last read.
    fn digest_cache(&self) -> String {
        format!("{}/{DIGEST_CACHE}", self.folder)
    }

    /// The last part of an installation; `knows` says of a directive whether the server knows it.
    pub fn finish(&self, provenance: &str, sha256: &str, knows: impl Fn(&str) -> bool, script: &mut Script) {
        script.write(&self.provenance(), &Content::Text(provenance.to_owned()), 0o644, None);
        let note = Content::Text(format!("{}\n", self.note(knows)));
        script.write(&format!("{}/knows", self.folder), &note, 0o644, None);
        let line = format!("{sha256}  {}\n", self.engine.server());
        script.cache_digest(&self.path(), sha256, &self.digest_cache());
        script.write(&self.sums(), &Content::Text(line), 0o644, None);
    }

    /// What is noted beside the server and is a fact of the host from then on, short because every run sends
    /// it: a digest of the directives that were asked for, and for each of them 1 where the server knows it.
    fn note(&self, knows: impl Fn(&str) -> bool) -> String {
        let bits = self.directives.iter().map(|name| if knows(name) { '1' } else { '0' });
        format!("{} {}", self.asked(), bits.collect::<String>())
    }

    /// Whether the server knows a directive, by a note; `None` where the note does not tell.
    pub fn knows(&self, note: &str, directive: &str) -> Option<bool> {
        let (asked, known) = note.split_once(' ')?;
        let at = self.directives.iter().position(|name| name == directive)?;
        let known = known.as_bytes().get(at).filter(|_| asked == self.asked())?;
        Some(*known == b'1')
    }

    fn asked(&self) -> String {
        let names: Vec<&str> = self.directives.iter().map(String::as_str).collect();
        digest::of_parts(&names)[..8].to_owned()
    }
}

/// The digest a binary has, and the one it must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// `None` where there is no binary.
    is: Option<String>,
    /// `None` where its installation was not finished.
    must_be: Option<String>,
}

/// The shell itself reads the digest that a binary must have: a process less than asking for a text.
fn question(sums: &BTreeSet<String>, _: &Facts) -> String {
    format!("for file in {}; do read -r sum _ <\"$file\" && echo \"=must $file $sum\"; done\n", words(sums))
}

impl ResourceKind for Binary {
    type Answer = Installed;

    fn title(&self) -> String {
        format!("{} {} in {}", self.engine, self.version, self.folder)
    }

    fn ask(&self, probe: &mut ProbeScript) {
        probe.cached_digest(&self.path(), DIGEST_CACHE);
        probe.group("must", question, self.sums());
    }

    fn read(&self, answers: &Answers) -> Installed {
        let is = answers.path(&self.path()).and_then(|state| state.sha256());
        let must_be = answers.of("must", &self.sums()).next().map(str::to_owned);
        Installed { is: is.map(str::to_owned), must_be }
    }

    fn compare(&self, installed: &Installed, _: &BTreeSet<String>) -> Option<Difference> {
        match (&installed.is, &installed.must_be) {
            (Some(is), Some(must_be)) if is == must_be => None,
            (Some(_), Some(_)) => {
                Some(Difference::new(Action::Update, "the binary is not the one that was installed"))
            }
            (Some(_), None) => Some(Difference::new(Action::Create, "its installation was not finished")),
            (None, _) => Some(Difference::new(Action::Create, "it is not installed")),
        }
    }

    fn change(&self, _: &Difference, script: &mut Script) {
        script.record(&Entry::CreatedDirectory { path: self.folder.clone(), recursive: true });
        script.folder(&self.folder, Some(0o755), None);
        script.notify(Handler::Restorecon(self.folder.clone()));
    }

    fn writes(&self) -> Vec<String> {
        vec![self.path()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{
        answers::tests::answers,
        testing::{layout, lines},
    };

    fn binary() -> Binary {
        let version = Version::new(7, 2, 5);
        let directives = ["supervised", "cluster-port"].map(str::to_owned).into();
        Binary { folder: "/opt/provision/orders/redis".into(), engine: Engine::Redis, version, directives }
    }

    fn why(said: &[&str]) -> Option<String> {
        binary().compare(&binary().read(&answers(said)), &BTreeSet::new()).map(|difference| difference.why)
    }

    #[test]
    fn a_binary_is_whole_when_it_has_the_digest_that_was_written_last() {
        let path = "=path regular file|755|root|root|0|0|9|/opt/provision/orders/redis/redis-server";
        let is = "=sum abc  /opt/provision/orders/redis/redis-server";
        let same = "=must /opt/provision/orders/redis/SHA256SUMS abc";
        let other = "=must /opt/provision/orders/redis/SHA256SUMS abd";
        assert_eq!(why(&[path, is, same]), None);
        assert_eq!(why(&[path, is, other]).unwrap(), "the binary is not the one that was installed");
        assert_eq!(why(&[path, is]).unwrap(), "its installation was not finished");
        assert_eq!(why(&[same]).unwrap(), "it is not installed");
    }

    #[test]
    fn the_digest_it_must_have_is_written_last() {
        let mut script = Script::new(&layout());
        let knows = |name: &str| name == "supervised";
        binary().finish("{}", "abc", knows, &mut script);
        let all = lines(&script);
        let note = format!("redis/knows 0644 '' '{}", binary().note(knows));
        assert!(all.iter().any(|line| line.contains(&note)), "{all:?}");
        let at = |word: &str| all.iter().position(|line| line.contains(word)).unwrap();
        let [provenance, cache, sums] =
            ["provenance.json 0644", "redis/seen 0644", "SHA256SUMS 0644"].map(at);
        assert!(provenance < cache && cache < sums);
    }

    #[test]
    fn a_note_tells_what_was_asked_for_and_nothing_else() {
        let note = binary().note(|name| name == "supervised");
        assert!(note.ends_with(" 01"), "{note}");
        let knows = |binary: &Binary, name: &str| binary.knows(&note, name);
        assert_eq!(
            (knows(&binary(), "supervised"), knows(&binary(), "cluster-port")),
            (Some(true), Some(false))
        );
        assert_eq!(knows(&binary(), "io-threads"), None);
        let other = Binary { directives: ["supervised".to_owned()].into(), ..binary() };
        assert_eq!((knows(&other, "supervised"), binary().knows("", "supervised")), (None, None));
    }
}
