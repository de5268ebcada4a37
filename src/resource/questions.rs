//! The probe: all questions about a host in one read-only script, its answers a line each.
//!
//! Paths are asked with one `stat` and one `sha256sum` for all of them: a process a question would make a no-op slow.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::{Process, quote};
use crate::host::{Facts, InitSystem, buffer_output, minify};

/// What is to be asked.
#[derive(Debug, Default)]
pub struct Questions {
    /// Paths whose type, mode, owner and size are asked.
    paths: BTreeSet<String>,
    /// Files whose SHA-256 is asked.
    sums: BTreeSet<String>,
    /// Files whose text is asked, unless their SHA-256 is in `known`.
    texts: BTreeSet<String>,
    known: BTreeSet<String>,
    /// Files whose digest another file knows, for as long as they are untouched.
    seals: BTreeMap<String, String>,
    packages: BTreeSet<String>,
    users: BTreeSet<String>,
    /// Guards: commands whose success is asked.
    guards: BTreeSet<String>,
    units: BTreeSet<String>,
    /// Kernel settings, by path.
    settings: BTreeSet<String>,
    processes: Vec<Process>,
}

/// What changes whenever somebody writes to a file or puts another in its place: inode, size, time of change, which nobody can set.
pub(super) const TOUCHED: &str = "stat -c '%i %s %z'";

/// The longest text that is brought home for a diff, in bytes.
const LONGEST_TEXT: usize = 65_536;

impl Questions {
    /// Asks what stands at a path.
    pub fn path(&mut self, path: &str) {
        self.paths.insert(path.to_owned());
    }

    /// Asks for a file's digest.
    pub fn sum(&mut self, path: &str) {
        self.path(path);
        self.sums.insert(path.to_owned());
    }

    /// Asks for a file's digest, and for its text where the digest is not the one given.
    pub fn text(&mut self, path: &str, unless: Option<&str>) {
        self.sum(path);
        self.texts.insert(path.to_owned());
        self.known.extend(unless.map(str::to_owned));
    }

    /// Asks for a large file's digest, which [`Script::seal`](super::Script::seal) has written into another file: it is read
    /// again only where the file was touched since.
    pub fn sealed_sum(&mut self, path: &str, seal: &str) {
        self.path(path);
        self.seals.insert(path.to_owned(), seal.to_owned());
    }

    pub fn package(&mut self, name: &str) {
        self.packages.insert(name.to_owned());
    }

    pub fn user(&mut self, name: &str) {
        self.users.insert(name.to_owned());
    }

    /// Asks whether a command succeeds. The user vouches that it only reads.
    pub fn guard(&mut self, command: &str) {
        self.guards.insert(command.to_owned());
    }

    pub fn unit(&mut self, name: &str) {
        self.units.insert(name.to_owned());
    }

    /// Asks for the value of a kernel setting, and whether it can be set from here.
    pub fn setting(&mut self, path: &str) {
        self.settings.insert(path.to_owned());
    }

    pub fn process(&mut self, process: &Process) {
        self.processes.push(process.clone());
    }

    /// The script; its answers are for [`Observed::parse`](super::Observed::parse).
    pub fn script(&self, facts: &Facts) -> String {
        let mut text = String::from("set -u\nexec 2>/dev/null\n");
        if !self.paths.is_empty() {
            let _ = writeln!(text, "stat -c '=path %F|%a|%U|%G|%u|%g|%s|%n' -- {}", words(&self.paths));
        }
        self.ask_sums(&mut text);
        self.ask_packages(&mut text, facts);
        for user in &self.users {
            // Not `-u`: an account whose making was cut off has no group.
            let _ = writeln!(text, "id -gn {0} >/dev/null && echo '=user '{0}", quote(user));
        }
        for (index, guard) in self.guards.iter().enumerate() {
            let _ = writeln!(text, "sh -c {} >/dev/null && echo '=guard {index}'", quote(guard));
        }
        if !self.settings.is_empty() {
            // Not `read`, which takes bytes one by one: proc(5) gives a number once, and then its end.
            let _ = writeln!(
                text,
                r#"for file in {}; do
  value=$(cat -- "$file") || continue
  mode=rw; [ -w "$file" ] || mode=ro
  printf '=setting %s %s %s\n' "$mode" "$file" "$value"
done"#,
                words(&self.settings)
            );
        }
        self.ask_units(&mut text, facts);
        self.ask_processes(&mut text);
        text.push_str("true\n");
        buffer_output(&text)
    }

    /// The guards in the order their answers are numbered in.
    pub(super) fn guards(&self) -> impl Iterator<Item = &String> {
        self.guards.iter()
    }

    fn ask_packages(&self, text: &mut String, facts: &Facts) {
        let Some(distro) = facts.distro().filter(|_| !self.packages.is_empty()) else { return };
        let _ = writeln!(text, "installed() {{ {}}}", minify(distro.package_manager.installed));
        let _ = writeln!(text, "installed {} | sed 's/^/=package /'", words(&self.packages));
    }

    fn ask_sums(&self, text: &mut String) {
        for (path, seal) in &self.seals {
            let _ = writeln!(
                text,
                "if [ -f {0} ]; then now=$({TOUCHED} -- {0}) was=$(cat -- {1})\n\
                 [ \"${{was% *}}\" = \"$now\" ] && echo \"=sum ${{was##* }} \"{0} || echo =sum $(sha256sum -- {0})\nfi",
                quote(path),
                quote(seal)
            );
        }
        if self.sums.is_empty() {
            return;
        }
        let known: Vec<_> = self.known.iter().map(String::as_str).collect();
        let _ = write!(
            text,
            r#"known=' {} '
sums={}
set --
for file in {}; do [ ! -f "$file" ] || [ -L "$file" ] || set -- "$@" "$file"; done
[ $# -eq 0 ] || sha256sum -- "$@" | while read -r sum path; do
  printf '=sum %s %s\n' "$sum" "$path"
  case $known in *" $sum "*) continue ;; esac
  case $sums in *"|$path|"*) continue ;; esac
  [ "$(stat -c %s -- "$path")" -gt {LONGEST_TEXT} ] || printf '=text %s %s\n' "$(base64 -w 0 -- "$path")" "$path"
done
"#,
            known.join(" "),
            quote(&format!("|{}|", self.sums.difference(&self.texts).cloned().collect::<Vec<_>>().join("|"))),
            words(&self.sums),
        );
    }

    fn ask_units(&self, text: &mut String, facts: &Facts) {
        if facts.init != InitSystem::Systemd {
            return;
        }
        for unit in &self.units {
            let unit = quote(unit);
            let _ = writeln!(
                text,
                "echo '=unit '{unit}\" $(systemctl is-enabled {unit}) $(systemctl is-active {unit})\""
            );
        }
    }

    fn ask_processes(&self, text: &mut String) {
        if self.processes.is_empty() {
            return;
        }
        text.push_str(&Process::probe());
        for process in &self.processes {
            text.push_str(&process.question());
        }
    }
}

fn words(set: &BTreeSet<String>) -> String {
    set.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}
