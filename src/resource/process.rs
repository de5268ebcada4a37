//! A running node: under systemd where that is PID 1, else a process of our own with a pid file.
//!
//! Restarts are level-triggered: what counts is not whether this run changed a file, but whether the process
//! that runs now was started with the binary and the configuration that stand on disk. A file written at
//! start says which.

use std::{collections::BTreeSet, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{
    Action, Answer, Answers, Difference, Entry, NodePaths, Observed, Obstacle, PortInUse, ProbeScript,
    ResourceKind, Script, answers::decode, quote,
};
use crate::{
    host::{Facts, minify},
    inventory::NodeRef,
    units::NodeName,
};

/// One node that must run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The node.
    pub node: NodeRef,
    pub ip: IpAddr,
    pub port: u16,
    pub bus_port: u16,
    pub binary: String,
    /// What it is started with, its configuration first: the files the server reads, and its unit.
    pub config: Vec<String>,
    pub data: String,
    pub log: String,
    pub started: String,
    /// The account it runs as; `None` is the account that runs the script.
    pub account: Option<String>,
    /// The systemd unit, where systemd starts it.
    pub unit: Option<String>,
}

/// What a host says of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NodeAnswer {
    pub running: Option<ProcessState>,
    /// The node's ports, where it is not running.
    pub ports_in_use: Vec<PortInUse>,
    /// Its `nodes.conf`, where it is not running.
    pub nodes_conf: Option<String>,
    /// The files in its data folder and the folders there, where it is not running.
    pub files: Vec<DataFile>,
}

/// A file of a node that does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataFile {
    /// Below the data folder: `dump.rdb`, `appendonlydir/appendonly.aof.manifest`.
    pub path: String,
    /// In bytes.
    pub size: u64,
}

/// A running node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessState {
    /// Another one after each restart.
    #[serde(skip)]
    pub pid: u32,
    /// Whether its executable is the installed one, and not one that has been replaced since.
    pub installed: bool,
    /// Whether the configuration on disk is the one the process was started with.
    pub current: bool,
    /// Whether it would be there again after a reboot; `true` where that is not asked.
    pub enabled: bool,
    /// How many files it may open, where that is limited.
    #[serde(skip)]
    pub open_files: Option<u64>,
}

/// Finds the process of a node.
const FIND: &str = include_str!("find_node.sh");

/// Starts a node that systemd does not start: in a session of its own, with an empty environment. Nothing is
/// opened, written or believed in a folder that the servers' account can write to: their log is theirs to
/// create.
const RUN: &str = include_str!("node_process.sh");

/// Ends a node, whoever started it, and waits until its process is gone.
const STOP: &str = include_str!("stop_node.sh");

/// The status of a script in which a node did not end because it cannot save its keys; `stop_node.sh` gives
/// it, and this one.
pub const CANNOT_SAVE: i32 = 75;
/// The status of a script in which a node did not end and wrote nothing.
pub const DOES_NOT_END: i32 = 76;

/// How long a node that was told to end may write nothing, in seconds.
pub const STOP_TIMEOUT: u32 = 300;
/// How long a node that is undone may take to save its data, in seconds.
const UNDO_GRACE: u32 = 10;

/// The items are lines already: all of a node's question.
fn question(nodes: &BTreeSet<String>, _: &Facts) -> String {
    let nodes: String = nodes.iter().map(|node| format!("{node}\n")).collect();
    format!("{}{nodes}", Process::probe())
}

impl Observed {
    /// What the host said of a node, if it was asked.
    pub fn node(&self, name: &NodeName) -> Option<&NodeAnswer> {
        match self.answer(&key(name)) {
            Some(Answer::Process(answer)) => Some(answer),
            _ => None,
        }
    }
}

fn key(node: &NodeName) -> String {
    format!("node {node}")
}

impl Process {
    /// The name of what runs and where its files are.
    pub fn new(node: &crate::inventory::Node, paths: &NodePaths, facts: &Facts, binary: &str) -> Self {
        Self {
            node: node.key,
            ip: node.ip(),
            port: node.port(),
            bus_port: node.bus_port(),
            binary: binary.to_owned(),
            config: vec![paths.config.clone()],
            data: paths.data.clone(),
            log: paths.log.clone(),
            started: paths.started.clone(),
            account: None,
            unit: facts.runs_units().then(|| paths.unit.clone()),
        }
    }

    /// The node's name on its host.
    pub fn name(&self) -> &'static NodeName {
        &self.node.member().node
    }

    /// The line of the probe that asks for it.
    fn question(&self) -> String {
        let unit = self.unit.as_deref().unwrap_or("");
        format!(
            "node {} {} {} {} {} {:04X} {:04X} {} {}",
            quote(self.name()),
            quote(&self.started),
            quote(&self.data),
            quote(unit),
            quote(&listened_on(self.ip)),
            self.port,
            self.bus_port,
            quote(&self.binary),
            self.files()
        )
    }

    /// The fragment that stops it and waits until it is gone. It ends the script where the node does not end:
    /// with [`CANNOT_SAVE`] or [`DOES_NOT_END`].
    pub fn stop(&self, script: &mut Script) {
        functions(script);
        let unit = quote(self.unit.as_deref().unwrap_or(""));
        let (started, data, log) = (quote(&self.started), quote(&self.data), quote(&self.log));
        script.push(&format!("stop_node {started} {data} {unit} {log} {STOP_TIMEOUT} ''"));
        if self.unit.is_some() {
            // It has ended: systemd is to know, and not to start it again by itself.
            script.push(&format!("systemctl stop {unit}"));
        }
    }

    /// The fragment that starts it, unless it runs. A unit is restarted, not started: a start would wait
    /// until systemd's own restart of a crashed server is due. Forgetting the failure empties the count of
    /// starts as well.
    pub fn start(&self, script: &mut Script) {
        if let Some(unit) = &self.unit {
            script.push(&format!(
                "systemctl enable --quiet --no-reload {0}\n\
                 systemctl is-active --quiet {0} || {{ systemctl reset-failed {0} 2>/dev/null || :; systemctl restart {0}; }}",
                quote(unit)
            ));
            return;
        }
        functions(script);
        script.push(&format!(
            "arrive {0} {1} ''; find_node {0} {1} '' || start_node {2} {0} {3} {4}",
            quote(&self.started),
            quote(&self.data),
            quote(&self.binary),
            quote(self.account.as_deref().unwrap_or("")),
            self.files()
        ));
    }

    /// The functions that find a running node, for read-only scripts.
    pub fn probe() -> String {
        minify(FIND)
    }

    fn files(&self) -> String {
        self.config.iter().map(|path| quote(path)).collect::<Vec<_>>().join(" ")
    }
}

fn functions(script: &mut Script) {
    script.needs(FIND);
    script.needs(RUN);
    script.needs(STOP);
}

impl ResourceKind for Process {
    type Answer = NodeAnswer;

    fn title(&self) -> String {
        key(self.name())
    }

    fn ask(&self, probe: &mut ProbeScript) {
        probe.group("node", question, self.question());
    }

    fn read(&self, answers: &Answers) -> NodeAnswer {
        let node = self.name().as_str();
        let running = answers.of("node", node).find_map(|said| {
            let mut words = said.split(' ');
            let pid = words.next()?.parse().ok()?;
            let (current, installed) = (words.next()? == "current", words.next()? == "installed");
            let open_files = answers.of("limit", node).find_map(|soft| soft.parse().ok());
            Some(ProcessState {
                pid,
                installed,
                current,
                enabled: !answers.has("disabled", node),
                open_files,
            })
        });
        let ports_in_use = answers.of("taken", node).filter_map(|said| {
            let (port, owner) = said.split_once(' ')?;
            Some(PortInUse { node: self.name().clone(), port: port.parse().ok()?, owner: owner.to_owned() })
        });
        let ports_in_use = ports_in_use.collect();
        let files = answers.of("file", node).filter_map(|said| {
            let (size, path) = said.split_once(' ')?;
            Some(DataFile { path: path.to_owned(), size: size.parse().ok()? })
        });
        let files = files.collect();
        NodeAnswer { running, ports_in_use, nodes_conf: answers.of("conf", node).find_map(decode), files }
    }

    fn compare(&self, answer: &NodeAnswer, changing: &BTreeSet<String>) -> Option<Difference> {
        let Some(process) = &answer.running else {
            return Some(Difference::new(Action::Start, "it is not running"));
        };
        let restart = |why: &str| Some(Difference::new(Action::Restart, why));
        if changing.contains(&self.binary) || !process.installed {
            return restart("it runs another binary than the one installed");
        }
        if self.config.iter().any(|path| changing.contains(path)) {
            return restart("its configuration changes");
        }
        if !process.current {
            return restart("its configuration changed after it was started");
        }
        if !process.enabled {
            return Some(Difference::new(Action::Update, "it would not be started at boot"));
        }
        None
    }

    fn obstacle(&self, answer: &NodeAnswer) -> Option<Obstacle> {
        answer.ports_in_use.first().cloned().map(Obstacle::PortInUse)
    }

    /// One that runs already counts from here on as started with what is on disk.
    fn change(&self, difference: &Difference, script: &mut Script) {
        script.record(&Entry::StartedNode {
            name: self.name().clone(),
            data: self.data.clone(),
            started: self.started.clone(),
            unit: self.unit.clone(),
        });
        script.run_handlers();
        self.start(script);
        if difference.action == Action::Update {
            functions(script);
            let unit = quote(self.unit.as_deref().unwrap_or(""));
            let (started, data) = (quote(&self.started), quote(&self.data));
            script.push(&format!("renew_node {started} {data} {unit} {}", self.files()));
        }
    }
}

/// Stops the node, whose keys go with it.
pub(super) fn undo(data: &str, started: &str, unit: Option<&str>, script: &mut Script) {
    functions(script);
    let (its, started, data) = (quote(unit.unwrap_or("")), quote(started), quote(data));
    script.push(&format!("stop_node {started} {data} {its} '' {STOP_TIMEOUT} {UNDO_GRACE}"));
    if let Some(unit) = unit.map(quote) {
        script.push(&format!("systemctl disable --quiet --no-reload --now {unit} 2>/dev/null || :"));
        script.push(&format!("systemctl reset-failed {unit} 2>/dev/null || :"));
    }
}

/// A pattern for the addresses of `/proc/net/tcp` and `tcp6` on which a listener takes a port of the node:
/// its own, and the unspecified ones. They stand there as the kernel's words, low byte first.
fn listened_on(ip: IpAddr) -> String {
    let words = |octets: &[u8]| {
        let bytes = octets.chunks(4).flat_map(|word| word.iter().rev());
        bytes.map(|byte| format!("{byte:02X}")).collect::<String>()
    };
    match ip {
        IpAddr::V4(v4) => {
            let hex = words(&v4.octets());
            format!("0{{8}}|{hex}|0{{32}}|0{{16}}FFFF0{{4}}{hex}")
        }
        IpAddr::V6(v6) => format!("{}|0{{32}}", words(&v6.octets())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{
        Handler,
        answers::tests::answers,
        testing::{facts, layout, lines},
    };

    const UNIT: &str = "redis-orders@7001.service";

    fn process(unit: Option<&str>) -> Process {
        let at = |folder: &str| format!("/{folder}/orders/7001");
        Process {
            node: "h0/7001@10.0.0.1:7001@17001".parse().unwrap(),
            ip: "127.0.0.1".parse().unwrap(),
            port: 7001,
            bus_port: 17001,
            binary: "/opt/redis-server".into(),
            config: vec![at("etc")],
            data: at("data"),
            log: at("log"),
            started: at("run"),
            account: Some("provision-redis".into()),
            unit: unit.map(str::to_owned),
        }
    }

    fn difference(said: &[&str], changing: &[&str]) -> Option<(Action, String)> {
        let process = process(Some(UNIT));
        let changing = changing.iter().map(|path| (*path).to_owned()).collect();
        let difference = process.compare(&process.read(&answers(said)), &changing)?;
        Some((difference.action, difference.why))
    }

    #[test]
    fn a_node_that_runs_what_is_on_disk_is_left_alone() {
        assert_eq!(difference(&["=node 7001 412 current installed"], &["/etc/other"]), None);
    }

    #[test]
    fn a_restart_is_due_by_what_runs_and_not_by_what_this_run_changed() {
        let running = ["=node 7001 412 current installed"];
        for (said, changing) in [
            (["=node 7001 412 stale installed"], ""),
            (["=node 7001 412 current other"], ""),
            (running, "/etc/orders/7001"),
            (running, "/opt/redis-server"),
        ] {
            assert_eq!(difference(&said, &[changing]).unwrap().0, Action::Restart, "{said:?} {changing}");
        }
        let disabled = ["=node 7001 412 current installed", "=disabled 7001"];
        assert_eq!(difference(&disabled, &[]).unwrap().0, Action::Update);
        assert_eq!(difference(&["=node 7002 412 current installed"], &[]).unwrap().0, Action::Start);
    }

    #[test]
    fn what_a_stopped_node_left_and_who_has_its_port_is_read() {
        let process = process(None);
        let said = ["=taken 7001 17001 nginx (pid 412)", "=conf 7001 YWJjCg==", "=taken 7001 x y"];
        let answer = process.read(&answers(&said));
        assert_eq!(answer.nodes_conf.as_deref(), Some("abc\n"));
        let port = PortInUse { node: "7001".into(), port: 17001, owner: "nginx (pid 412)".into() };
        assert_eq!(answer.ports_in_use, std::slice::from_ref(&port));
        assert_eq!(process.obstacle(&answer), Some(Obstacle::PortInUse(port)));
    }

    #[test]
    fn how_many_files_it_may_open_is_read_where_that_is_limited() {
        let files = |limit: &str| {
            let said = ["=node 7001 412 current installed", &format!("=limit 7001 {limit}")];
            process(None).read(&answers(&said)).running.unwrap().open_files
        };
        assert_eq!([files("1024"), files("unlimited")], [Some(1024), None]);
    }

    #[test]
    fn another_process_id_is_no_other_state() {
        let written = |said: &str| serde_json::to_string(&process(None).read(&answers(&[said]))).unwrap();
        assert_eq!(written("=node 7001 1 current installed"), written("=node 7001 2 current installed"));
        assert_ne!(written("=node 7001 1 current installed"), written("=node 7001 1 stale installed"));
    }

    #[test]
    fn handlers_run_before_a_node_starts() {
        for process in [process(None), process(Some(UNIT))] {
            let mut script = Script::new(&layout());
            script.notify(Handler::DaemonReload);
            process.change(&Difference::new(Action::Start, ""), &mut script);
            let all = lines(&script);
            let at = |word: &str| all.iter().rposition(|line| line.starts_with(word)).unwrap();
            let start = if process.unit.is_some() { "systemctl is-active" } else { "arrive /run" };
            assert!(at("run_handlers") < at(start));
            assert!(at("ledger '") < at("run_handlers"));
        }
    }

    #[test]
    fn a_node_that_goes_on_counts_as_started_with_its_files() {
        let changed = |unit, action| {
            let mut script = Script::new(&layout());
            process(unit).change(&Difference::new(action, ""), &mut script);
            lines(&script).pop().unwrap()
        };
        let files = "/run/orders/7001 /data/orders/7001";
        assert_eq!(changed(None, Action::Update), format!("renew_node {files} '' /etc/orders/7001"));
        assert_eq!(
            changed(Some(UNIT), Action::Update),
            format!("renew_node {files} {UNIT} /etc/orders/7001")
        );
        assert!(!changed(None, Action::Restart).starts_with("renew_node"));
    }

    #[test]
    fn the_functions_are_sent_once_for_all_nodes() {
        let mut script = Script::new(&layout());
        for process in [process(None), process(None)] {
            process.stop(&mut script);
            process.start(&mut script);
        }
        assert_eq!(script.text().unwrap().matches("\nstop_node() {").count(), 1);
        let mut probe = ProbeScript::default();
        process(None).ask(&mut probe);
        Process { node: "h0/7002@10.0.0.1:7002@17002".parse().unwrap(), ..process(None) }.ask(&mut probe);
        let text = probe.script(&facts());
        assert_eq!(text.matches("\nfind_node() {").count(), 1);
        assert!(text.contains("\nnode 7001 ") && text.contains("\nnode 7002 "), "{text}");
    }

    #[test]
    fn a_node_of_ipv6_is_looked_for_in_the_kernel_s_words() {
        let pattern = listened_on("fd77::11".parse().unwrap());
        assert_eq!(pattern, "000077FD000000000000000011000000|0{32}");
    }

    #[test]
    fn a_listener_is_looked_for_on_the_node_s_own_and_on_any_address() {
        let pattern = listened_on("127.0.1.2".parse().unwrap());
        assert_eq!(pattern, "0{8}|0201007F|0{32}|0{16}FFFF0{4}0201007F");
    }
}
