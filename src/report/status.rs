//! The state of every node, as a table.

use std::fmt::Write;

use owo_colors::OwoColorize;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cluster::{Finding, Member, Op, Relation, State, View, finding_sentences, members, sentences},
    inspect::Inspection,
    inventory::{Environment, Fleet, Node},
    redis::show_slots,
    units::{HostName, NodeId},
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
    /// What the cluster or its manifest knows and the inventory does not.
    pub others: Vec<Member>,
}

/// The state of one node.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NodeStatus {
    pub host: HostName,
    pub address: String,
    /// The id it has in the cluster, or had where it does not answer.
    pub id: Option<NodeId>,
    pub relation: Relation,
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
        let mut members = members(fleet, &survey.on_disk, &survey.cluster);
        let others = members.split_off(fleet.nodes().count());
        let nodes = fleet.nodes().zip(members).map(|(node, member)| NodeStatus::new(node, member, survey));
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
            nodes: nodes.collect(),
            others,
        }
    }
}

impl NodeStatus {
    fn new<D>(node: &Node, member: Member, survey: &Inspection<D>) -> Self {
        let process = survey.hosts.get(node.host()).and_then(|host| host.observed.node(node.name()));
        let process = process.and_then(|answer| answer.running.as_ref());
        let mut status = Self {
            host: node.host().clone(),
            address: node.key.to_string(),
            id: member.id,
            relation: member.relation,
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
    let remarks = status.nodes.iter().map(NodeStatus::remark);
    for (row, remark) in [(&head, String::new())].into_iter().chain(rows.iter().zip(remarks)) {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell:width$}  ");
        }
        if remark.is_empty() {
            text.truncate(text.trim_end().len());
        } else {
            text.push_str(&remark.red().to_string());
        }
        text.push('\n');
    }
    for member in &status.others {
        let _ = writeln!(text, "{} {}", "?".yellow(), other(member));
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

/// A member that the inventory does not have, as a sentence.
fn other(member: &Member) -> String {
    let name = member.name.as_ref().map(ToString::to_string);
    let id = member.id.as_ref().map(ToString::to_string);
    let who = match (id, name) {
        (Some(id), Some(name)) => format!("{id} ({name})"),
        (id, name) => id.or(name).unwrap_or_default(),
    };
    let at = member.endpoints.map_or_else(String::new, |endpoints| format!(" at {}", endpoints.client));
    let what = match member.relation {
        Relation::Leaving => "leaving: a member of the cluster that the inventory does not have",
        Relation::Moved => "moved: the inventory has it at another address",
        Relation::Remnant => "a remnant: the cluster still lists it, and it is gone",
        Relation::Stranger => "a stranger: it runs, and neither inventory nor manifest know it",
        Relation::Wanted | Relation::New | Relation::Returning => "",
    };
    format!("{who}{at}: {what}")
}

impl NodeStatus {
    /// What is wrong with it, and what it is to the cluster where that is not plain.
    fn remark(&self) -> String {
        let id = self.id.as_deref().unwrap_or("another id");
        let relation = match self.relation {
            Relation::New => Some("new".to_owned()),
            Relation::Returning => Some("blank, and the manifest knows it".to_owned()),
            Relation::Moved => Some(format!("the cluster has {id} at another address")),
            _ => None,
        };
        self.problem.iter().cloned().chain(relation).collect::<Vec<_>>().join("; ")
    }

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
