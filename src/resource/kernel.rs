//! A setting of the running kernel. What a container must leave to the machine beneath it becomes a notice,
//! and is no failure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Action, Answers, Difference, Entry, ProbeScript, ResourceKind, Script, probe_script::words, quote,
};
use crate::host::{Facts, minify};

/// A file below `/proc/sys` or `/sys` and the value it must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelSetting {
    pub path: String,
    pub value: String,
}

/// Settings whose value is the least that will do: the machine may have been given more.
const AT_LEAST: [&str; 1] = ["/proc/sys/net/core/somaxconn"];

/// Where transparent huge pages are chosen.
pub(crate) const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// What a host says of a kernel setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingState {
    /// Of several choices the chosen one.
    value: String,
    /// Whether it can be set from here.
    writable: bool,
}

const PROBE: &str = include_str!("kernel_probe.sh");
const CHANGE: &str = include_str!("kernel.sh");

fn question(paths: &BTreeSet<String>, _: &Facts) -> String {
    format!("{}kernel_settings {}\n", minify(PROBE), words(paths))
}

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

impl ResourceKind for KernelSetting {
    /// `None` where the kernel does not have it.
    type Answer = Option<SettingState>;

    fn title(&self) -> String {
        format!("kernel setting {} = {}", self.name(), self.value)
    }

    fn ask(&self, probe: &mut ProbeScript) {
        probe.group("setting", question, &self.path);
    }

    fn read(&self, answers: &Answers) -> Option<SettingState> {
        let (mode, value) = answers.of("setting", &self.path).find_map(|said| said.split_once(' '))?;
        let chosen = value.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        let value = chosen.map_or(value, |(chosen, _)| chosen).trim().to_owned();
        Some(SettingState { value, writable: mode == "rw" })
    }

    /// A setting this kernel does not have is nothing to change.
    fn compare(&self, state: &Option<SettingState>, _: &BTreeSet<String>) -> Option<Difference> {
        let state = state.as_ref().filter(|state| state.writable && !self.holds(&state.value))?;
        Some(Difference::new(Action::Update, format!("it is {}", state.value)))
    }

    fn notice(&self, state: &Option<SettingState>) -> Option<String> {
        let state = state.as_ref().filter(|state| !state.writable && !self.holds(&state.value))?;
        let (name, is, value) = (self.name(), &state.value, &self.value);
        let how = match self.path.strip_prefix("/proc/sys/") {
            Some(_) => format!("sysctl -w {name}={value}"),
            None => format!("echo {value} >{}", self.path),
        };
        Some(format!(
            "{name} is {is} and should be {value}; it belongs to the machine beneath this one: {how}"
        ))
    }

    fn change(&self, _: &Difference, script: &mut Script) {
        script.needs(CHANGE);
        let entry =
            Entry::ChangedSetting { path: self.path.clone(), was: String::new(), set: self.value.clone() };
        let entry = serde_json::to_string(&entry).unwrap_or_default();
        let words = [&self.path, &self.value, &entry];
        script.push(&format!("set_kernel {}", words.map(|word| quote(word)).join(" ")));
    }
}

/// Gives a setting its former value back, unless it was changed since, or another cluster of this host wants
/// it: its files name it, and ours are gone by now.
pub(super) fn undo(path: &str, was: &str, set: &str, script: &mut Script) {
    script.needs(CHANGE);
    let set: Vec<&str> = set.split_whitespace().collect();
    let (name, set) = (name(path), set.join(" "));
    script.push(&format!("reset_kernel {}", [path, was, &set, &name].map(quote).join(" ")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::answers::tests::answers;

    fn read(setting: &KernelSetting, value: &str, mode: &str) -> Option<SettingState> {
        setting.read(&answers(&[&format!("=setting {} {mode} {value}", setting.path)]))
    }

    fn setting(path: &str, value: &str) -> KernelSetting {
        KernelSetting { path: path.into(), value: value.into() }
    }

    fn changes(setting: &KernelSetting, value: &str) -> bool {
        setting.compare(&read(setting, value, "rw"), &BTreeSet::new()).is_some()
    }

    #[test]
    fn a_minimum_is_never_lowered() {
        let backlog = setting("/proc/sys/net/core/somaxconn", "4096");
        assert!(changes(&backlog, "128"));
        assert!(!changes(&backlog, "4096") && !changes(&backlog, "65535"));
        let memory = setting("/proc/sys/vm/overcommit_memory", "1");
        assert!(changes(&memory, "0") && changes(&memory, "2") && !changes(&memory, "1"));
    }

    #[test]
    fn what_cannot_be_set_from_here_is_noticed_and_not_changed() {
        let memory = setting("/proc/sys/vm/overcommit_memory", "1");
        let closed = read(&memory, "0", "ro");
        assert_eq!(memory.compare(&closed, &BTreeSet::new()), None);
        assert!(memory.notice(&closed).unwrap().ends_with("sysctl -w vm.overcommit_memory=1"));
        assert_eq!(memory.notice(&read(&memory, "1", "ro")), None);
        assert_eq!(memory.notice(&read(&memory, "0", "rw")), None);
    }

    #[test]
    fn a_setting_the_kernel_does_not_have_is_nothing_to_change() {
        let memory = setting("/proc/sys/vm/overcommit_memory", "1");
        assert_eq!(memory.compare(&memory.read(&Answers::default()), &BTreeSet::new()), None);
    }

    #[test]
    fn several_values_are_compared_word_by_word() {
        let range = setting("/proc/sys/net/ipv4/ip_local_port_range", "32768 60999");
        assert!(!changes(&range, "32768\t60999"));
        assert!(changes(&range, "32768\t61000"));
    }

    #[test]
    fn of_several_choices_the_chosen_one_counts() {
        let pages = setting(HUGE_PAGES, "madvise");
        assert!(!changes(&pages, "always [madvise] never"));
        assert!(changes(&pages, "[always] madvise never"));
        assert!(!changes(&pages, "always madvise [never]"), "without huge pages nothing is to be done");
    }

    #[test]
    fn a_sysctl_file_is_read_line_by_line() {
        let text = "# why\nvm.overcommit_memory = 1\n-net.core.somaxconn=4096\n";
        let settings = KernelSetting::of_sysctl(text).unwrap();
        let [memory, backlog] = &settings[..] else { panic!("{settings:?}") };
        assert_eq!(memory, &setting("/proc/sys/vm/overcommit_memory", "1"));
        assert_eq!(backlog, &setting("/proc/sys/net/core/somaxconn", "4096"));
        assert_eq!(KernelSetting::of_sysctl("vm.swappiness 1"), Err("vm.swappiness 1".to_owned()));
        assert!(KernelSetting::of_sysctl("../../etc/passwd = x").is_err());
    }
}
