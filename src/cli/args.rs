//! The command line, as types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Turns bare machines, or this one, into a Redis or Valkey Cluster whose replication is proven.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done or nothing to do, 1 the run failed, 2 `plan` found changes, \
64 wrong arguments or inventory (nothing was touched), 130 interrupted.")]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Write a commented inventory to start from.
    Init(Init),
    /// Show what `apply` would change, and why. Changes nothing.
    Plan(Plan),
    /// Bring the hosts to what the inventory says, form the cluster and prove that it replicates.
    Apply(Apply),
    /// Show what runs where.
    Status(Look),
    /// Check the numbered invariants of the cluster.
    Verify(Verify),
    /// Undo everything provision did, by its ledger: nodes, data, files, accounts.
    Destroy(Destroy),
    /// Show the host keys of all hosts, and pin them beside the inventory.
    Trust(TrustHosts),
    /// Run a command on all hosts at once.
    Exec(Exec),
    /// Show the ends of the logs of all nodes.
    Logs(Logs),
    /// Simulated hosts on this machine: systemd, sshd and an address each, without a hypervisor.
    Lab(Lab),
    /// Print the JSON Schema of the inventory, for editors.
    Schema,
    /// Print a completion script for a shell.
    Completions { shell: Shell },
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The file to write.
    #[arg(default_value = "inventory.toml")]
    pub(super) path: PathBuf,
}

/// Which fleet.
#[derive(Debug, Args)]
pub(super) struct Inventory {
    /// The inventory file.
    #[arg(value_name = "INVENTORY")]
    pub(super) path: PathBuf,
    /// Fold all hosts of the inventory onto this machine.
    #[arg(long)]
    pub(super) single_host: bool,
    #[command(flatten)]
    pub(super) trust: Trust,
}

/// Which part of a plan, and how carefully.
#[derive(Debug, Clone, Args)]
pub(super) struct PlanOptions {
    /// Only the steps with these names or tags.
    #[arg(long, value_delimiter = ',')]
    pub(super) tags: Vec<String>,
    /// Change only these hosts: names or globs. The others are looked at, and left as they are.
    #[arg(long, value_delimiter = ',', value_name = "HOSTS")]
    pub(super) limit: Vec<String>,
    /// Change so many hosts at once, instead of all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) serial: Option<u16>,
    /// Go on while no more than so many hosts have failed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) max_failures: usize,
}

/// Which hosts are believed to be who they say.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Trust {
    /// Believe hosts that nobody knows yet, and pin their keys beside the inventory. A changed key never passes.
    #[arg(long)]
    pub(super) accept_new: bool,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) inventory: Inventory,
    #[command(flatten)]
    pub(super) options: PlanOptions,
    /// Save the plan, for `apply --plan`.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Print the plan as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The inventory file.
    #[arg(value_name = "INVENTORY", required_unless_present = "plan")]
    pub(super) path: Option<PathBuf>,
    /// Fold all hosts of the inventory onto this machine.
    #[arg(long, conflicts_with = "plan")]
    pub(super) single_host: bool,
    #[command(flatten)]
    pub(super) trust: Trust,
    /// Apply this saved plan, and refuse if a host is no longer what it was made for.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["path", "tags", "limit", "serial", "max_failures"])]
    pub(super) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(super) options: PlanOptions,
    /// Do not ask.
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Print events as JSON lines.
    #[arg(long)]
    pub(super) json: bool,
    /// Write a report of the run, with the evidence, as an HTML page.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Look {
    #[command(flatten)]
    pub(super) inventory: Inventory,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) inventory: Inventory,
    /// Print the evidence as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Write the evidence as a `JUnit` report, for CI.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Destroy {
    #[command(flatten)]
    pub(super) inventory: Inventory,
    /// Do not ask for the cluster's name.
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Print events as JSON lines.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TrustHosts {
    /// The inventory file.
    #[arg(value_name = "INVENTORY")]
    pub(super) path: PathBuf,
    /// Do not ask.
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Print the keys as JSON lines.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Exec {
    #[command(flatten)]
    pub(super) inventory: Inventory,
    /// Only on these hosts: names or globs.
    #[arg(long, value_delimiter = ',', value_name = "HOSTS")]
    pub(super) limit: Vec<String>,
    /// Print JSON lines.
    #[arg(long)]
    pub(super) json: bool,
    /// One word is a line of shell; several are a command and its arguments.
    #[arg(last = true, required = true)]
    pub(super) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Logs {
    #[command(flatten)]
    pub(super) inventory: Inventory,
    /// Only of these hosts: names or globs.
    #[arg(long, value_delimiter = ',', value_name = "HOSTS")]
    pub(super) limit: Vec<String>,
    /// So many lines of each log.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(super) lines: u32,
    /// Go on with what is logged from now on, until Ctrl-C.
    #[arg(short, long)]
    pub(super) follow: bool,
    /// Print JSON lines.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Lab {
    /// The lab's name.
    #[arg(long, global = true, default_value = "lab")]
    pub(super) name: String,
    /// The folder labs are kept in.
    #[arg(long, global = true, default_value = "lab")]
    pub(super) folder: PathBuf,
    #[command(subcommand)]
    pub(super) verb: LabVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum LabVerb {
    /// Bring a lab up, or what is missing of it, and write its inventory.
    Up(LabUp),
    /// Take a lab down, with all its disks.
    Down,
    /// Show all labs and their hosts.
    List,
    /// Log in to a host by SSH, or run a command there.
    Ssh {
        host: String,
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Run a command in a host (or in `all`), without SSH.
    Exec {
        hosts: String,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Freeze hosts: nothing in them runs, and nobody hears from them.
    Pause { hosts: String },
    /// Let frozen hosts go on.
    Resume { hosts: String },
    /// Take the power from hosts. Their disks stay.
    Kill { hosts: String },
    /// Boot hosts again.
    Start { hosts: String },
    /// Cut groups of hosts off from each other: `a,b|c,d`. One group alone is cut off from everybody.
    Cut { groups: String },
    /// Undo all cuts.
    Heal,
}

#[derive(Debug, Args)]
pub(super) struct LabUp {
    /// How many hosts; 6 where it is not given.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=200))]
    pub(super) hosts: Option<u8>,
    /// The subnet of the hosts; the first free one of 10.77.0.0/16 where it is not given.
    #[arg(long)]
    pub(super) subnet: Option<ipnet::Ipv4Net>,
    /// What the hosts run; Debian where it is not given.
    #[arg(long, value_enum)]
    pub(super) os: Option<Os>,
    /// A root folder, or a tarball of one, to use instead.
    #[arg(long, value_name = "PATH", conflicts_with = "os")]
    pub(super) rootfs: Option<PathBuf>,
    /// Install what a lab needs and this machine lacks.
    #[arg(long)]
    pub(super) install: bool,
}

/// An image that can be made here.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Os {
    Debian,
    Rocky9,
}
