//! A setting of the running kernel. What a container must leave to the machine beneath it is told, and is no failure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Action, Difference, Entry, Kind, Observed, Questions, Script, quote};

/// A file below `/proc/sys` or `/sys` and the value it must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelSetting {
    pub path: String,
    pub value: String,
}

/// Settings whose value is the least that will do: somebody may have set more.
const AT_LEAST: [&str; 1] = ["/proc/sys/net/core/somaxconn"];

/// Where transparent huge pages are chosen.
pub(crate) const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

impl KernelSetting {
    /// The settings of a `sysctl.d` file; the error is the line that is none. See sysctl.d(5).
    pub(crate) fn of_sysctl(text: &str) -> Result<Vec<Self>, String> {
        let lines =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
        let setting = |line: &str| {
            let (key, value) = line.split_once('=').ok_or_else(|| line.to_owned())?;
            let key = key.trim().trim_start_matches('-');
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
            if key.is_empty() || key.contains("..") || !key.chars().all(plain) {
                return Err(line.to_owned());
            }
            let path = format!("/proc/sys/{}", key.replace('.', "/"));
            Ok(Self { path, value: value.trim().to_owned() })
        };
        lines.map(setting).collect()
    }

    /// As people call it: `vm.overcommit_memory`.
    fn name(&self) -> String {
        name(&self.path)
    }

    fn holds(&self, now: &str) -> bool {
        let numbers = || Some((now.parse::<u64>().ok()?, self.value.parse::<u64>().ok()?));
        let enough = || AT_LEAST.contains(&&*self.path) && numbers().is_some_and(|(now, least)| now >= least);
        // Without huge pages there is nothing to tame.
        let none = || self.path == HUGE_PAGES && now == "never";
        // Several values stand apart by tabs there, and by blanks in files.
        now.split_whitespace().eq(self.value.split_whitespace()) || enough() || none()
    }
}

fn name(path: &str) -> String {
    path.strip_prefix("/proc/sys/").map_or_else(|| path.to_owned(), |key| key.replace('/', "."))
}

impl Kind for KernelSetting {
    fn title(&self) -> String {
        format!("kernel setting {} = {}", self.name(), self.value)
    }

    fn ask(&self, questions: &mut Questions) {
        questions.setting(&self.path);
    }

    /// A setting this kernel does not have is nothing to change.
    fn compare(&self, seen: &Observed, _: &BTreeSet<String>) -> Option<Difference> {
        let state =
            seen.settings.get(&self.path).filter(|state| state.writable && !self.holds(&state.value))?;
        Some(Difference::new(Action::Update, format!("it is {}", state.value)))
    }

    fn notice(&self, seen: &Observed) -> Option<String> {
        let state =
            seen.settings.get(&self.path).filter(|state| !state.writable && !self.holds(&state.value))?;
        let (name, is, value) = (self.name(), &state.value, &self.value);
        let how = match self.path.strip_prefix("/proc/sys/") {
            Some(_) => format!("sysctl -w {name}={value}"),
            None => format!("echo {value} >{}", self.path),
        };
        Some(format!(
            "{name} is {is} and should be {value}; it belongs to the machine beneath this one: {how}"
        ))
    }

    fn change(&self, _: &Difference, script: &mut Script) -> Result<(), crate::secret::Error> {
        let path = quote(&self.path);
        script.push(&format!("was=$(setting {path})"));
        script.push(&Entry::changed_setting(&self.path, &self.value));
        script.push(&format!("printf '%s\\n' {} >{path}", quote(&self.value)));
        Ok(())
    }
}

/// Gives a setting its former value back, unless somebody has changed it since, or another cluster of this host wants it:
/// its files say so, and ours are gone by now.
pub(super) fn undo(path: &str, was: &str, set: &str) -> String {
    let (word, path) = (quote(&name(path)), quote(path));
    let set: Vec<&str> = set.split_whitespace().collect();
    format!(
        "if [ \"$(setting {path})\" = {set} ] && ! cat /etc/sysctl.d/*-provision-*.conf /etc/tmpfiles.d/*-provision-*.conf \
         2>/dev/null | grep -qF -- {word}; then\n  printf '%s\\n' {was} >{path}\nfi",
        set = quote(&set.join(" ")),
        was = quote(was),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::observed::SettingState;

    fn seen(path: &str, value: &str, writable: bool) -> Observed {
        let state = SettingState { value: value.to_owned(), writable };
        Observed { settings: [(path.to_owned(), state)].into(), ..Observed::default() }
    }

    #[test]
    fn a_minimum_is_never_lowered_and_what_cannot_be_set_is_told() {
        let text = "# why\nvm.overcommit_memory = 1\n-net.core.somaxconn=4096\n";
        let settings = KernelSetting::of_sysctl(text).unwrap();
        let [memory, backlog] = &settings[..] else { panic!("{settings:?}") };
        let none = BTreeSet::new();
        for (setting, value, changes) in [
            (memory, "0", true),
            (memory, "1", false),
            (memory, "2", true),
            (backlog, "128", true),
            (backlog, "65535", false),
        ] {
            let open = seen(&setting.path, value, true);
            assert_eq!(setting.compare(&open, &none).is_some(), changes, "{setting:?} {value}");
            assert_eq!(setting.notice(&open), None);
            let closed = seen(&setting.path, value, false);
            assert_eq!(setting.compare(&closed, &none), None);
            assert_eq!(setting.notice(&closed).is_some(), changes, "{setting:?} {value}");
        }
        assert_eq!(memory.compare(&Observed::default(), &none), None, "a kernel without it");
        assert_eq!(KernelSetting::of_sysctl("vm.swappiness 1"), Err("vm.swappiness 1".to_owned()));
        assert!(KernelSetting::of_sysctl("../../etc/passwd = x").is_err());
    }
}
