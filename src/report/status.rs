//! The state of every node, as a table.

use std::fmt::Write;

use owo_colors::OwoColorize;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cluster::{Finding, Op, State, View, finding_sentences, sentences},
    inspect::Inspection,
    inventory::{Environment, Fleet, Node},
    redis::show_slots,
    units::HostName,
};

/// The most findings that are listed.
const MAX_LINES: usize = 10;

/// The state of a fleet.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Status {
    pub cluster: String,
    pub engine: String,
    pub version: String,
    pub environment: Environment,
    /// Whether nothing is broken.
    pub healthy: bool,
    /// What is missing, as text.
    pub standing: String,
    /// Why `apply` refuses to change anything, if so.
    pub refusal: Option<String>,
    /// All that is not as it should be.
    pub findings: Vec<Finding>,
    /// What `apply` would send to the cluster.
    pub ops: Vec<Op>,
    pub nodes: Vec<NodeStatus>,
}

/// The state of one node.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NodeStatus {
    pub host: HostName,
    pub address: String,
    /// `master`, `replica`, `loading`, `down`; `unknown` where its host cannot be reached.
    pub state: String,
    /// A master's slots; a replica's master.
    pub role: String,
    pub keys: Option<u64>,
    pub memory: Option<String>,
    pub version: Option<String>,
    pub pid: Option<u32>,
    /// Why it is down, or that its link is.
    pub problem: Option<String>,
}

impl Status {
    pub fn new<D>(fleet: &Fleet, survey: &Inspection<D>) -> Self {
        let nodes = fleet.nodes().map(|node| NodeStatus::new(node, survey)).collect();
        Self {
            cluster: fleet.name.clone(),
            engine: fleet.engine.to_string(),
            version: fleet.version.to_string(),
            environment: fleet.environment,
            healthy: survey.assessment.is_healthy(),
            standing: survey.assessment.state.to_string(),
            refusal: survey.assessment.refusal.as_ref().map(ToString::to_string),
            findings: survey.assessment.findings.clone(),
            ops: survey.assessment.ops.iter().cloned().chain(survey.assessment.settings()).collect(),
            nodes,
        }
    }
}

impl NodeStatus {
    fn new<D>(node: &Node, survey: &Inspection<D>) -> Self {
        let process = survey.hosts.get(node.host()).and_then(|host| host.observed.node(node.name()));
        let process = process.and_then(|answer| answer.running.as_ref());
        let mut status = Self {
            host: node.host().clone(),
            address: node.key.to_string(),
            state: "down".to_owned(),
            role: String::new(),
            keys: None,
            memory: None,
            version: None,
            pid: process.map(|process| process.pid),
            problem: None,
        };
        if survey.unreachable.contains_key(node.host()) {
            status.state = "unknown".to_owned();
            status.problem = Some("its host cannot be reached".to_owned());
            return status;
        }
        match survey.cluster.get(node.key) {
            Some(State::Up(view)) => status.up(view),
            Some(State::Loading(_)) => status.state = "loading".to_owned(),
            Some(State::Down(why) | State::AuthRejected(why)) if process.is_some() => {
                status.problem = Some(why.clone());
            }
            Some(State::Down(_) | State::AuthRejected(_)) | None => {
                status.problem = Some("it is not running".to_owned());
            }
        }
        status
    }

    fn up(&mut self, view: &View) {
        let myself = view.myself();
        if view.is_replica() {
            let master = myself.and_then(|row| row.master.as_deref()).and_then(|id| view.row(id));
            self.state = "replica".to_owned();
            self.role =
                master.map_or_else(|| "of ?".to_owned(), |row| format!("of {}", row.written_address()));
            if !view.info.replication.link_is_up() {
                self.problem = Some("its link to the master is down".to_owned());
            }
        } else {
            self.state = "master".to_owned();
            self.role = myself.map_or_else(String::new, |row| show_slots(&row.slots));
        }
        self.keys = Some(view.keys());
        self.memory = view.info.memory.used_human.clone();
        self.version = view.info.server.version().map(str::to_owned);
    }
}

/// The state as a table.
pub fn status(status: &Status) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} ({} {} {}): {}",
        status.cluster.bold(),
        status.engine,
        status.version,
        status.environment,
        status.standing
    );
    let rows: Vec<[String; 7]> = status.nodes.iter().map(NodeStatus::row).collect();
    let head = ["HOST", "NODE", "STATE", "ROLE", "KEYS", "MEMORY", "PID"].map(str::to_owned);
    let width =
        |column: usize| rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    for (row, problem) in
        [(&head, None)].into_iter().chain(rows.iter().zip(status.nodes.iter().map(|n| n.problem.as_ref())))
    {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell:width$}  ");
        }
        match problem {
            Some(problem) => text.push_str(&problem.red().to_string()),
            None => text.truncate(text.trim_end().len()),
        }
        text.push('\n');
    }
    // The heading tells what is missing where that is one thing.
    let findings: Vec<String> = finding_sentences(&status.findings)
        .into_iter()
        .filter(|finding| *finding != status.standing)
        .collect();
    for finding in findings.iter().take(MAX_LINES) {
        let _ = writeln!(text, "{} {finding}", "!".red());
    }
    if findings.len() > MAX_LINES {
        let _ = writeln!(text, "  and {} more, which --json shows", findings.len() - MAX_LINES);
    }
    for op in sentences(&status.ops) {
        let _ = writeln!(text, "{} `provision apply`: {op}", "~".yellow());
    }
    text
}

impl NodeStatus {
    fn row(&self) -> [String; 7] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            self.host.to_string(),
            self.address.clone(),
            self.state.clone(),
            self.role.clone(),
            or_dash(self.keys.map(|keys| keys.to_string())),
            or_dash(self.memory.clone()),
            or_dash(self.pid.map(|pid| pid.to_string())),
        ]
    }
}
