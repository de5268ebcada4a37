//! The command line, as types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::units::MemberName;

/// Builds a Redis or Valkey Cluster on bare machines, or on this one, and proves that it replicates.
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
    /// Check the numbered invariants of the cluster, and show the evidence.
    Verify(Verify),
    /// Undo everything provision did on the hosts: nodes, data, files, accounts.
    Destroy(Destroy),
    /// Show the SSH host keys of all hosts, and pin them beside the inventory.
    Trust(TrustHosts),
    /// Run a command on all hosts at the same time.
    Exec(Exec),
    /// Show the last lines of the logs of all nodes.
    Logs(Logs),
    /// Simulate hosts on this machine, each with systemd, sshd and an address; no hypervisor is needed.
    Lab(Lab),
    /// Print the JSON Schema of the inventory, for editors.
    Schema(Schema),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Print the schema of what `verify --json` and `status --json` print instead.
    #[arg(long)]
    pub(super) output: bool,
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
    /// The inventory file, or `lab:NAME` for the inventory of a lab. Default: ./inventory.toml.
    #[arg(value_name = "INVENTORY")]
    pub(super) path: Option<PathBuf>,
    /// Put all hosts of the inventory onto this machine.
    #[arg(long)]
    pub(super) single_host: bool,
    #[command(flatten)]
    pub(super) trust: Trust,
}

/// Which part of a plan, and how carefully.
#[derive(Debug, Clone, Args)]
pub(super) struct PlanOptions {
    /// Run only the steps with these names or tags.
    #[arg(long, value_delimiter = ',')]
    pub(super) tags: Vec<String>,
    /// Change only these hosts (names or globs). The others are read and left as they are.
    #[arg(long, value_delimiter = ',', value_name = "HOSTS")]
    pub(super) limit: Vec<String>,
    /// Change at most N hosts at a time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) serial: Option<u16>,
    /// Go on although this node's keys are lost: a start without them, or slots served again empty. It can be
    /// given several times; nothing else implies it.
    #[arg(long, value_name = "HOST/NODE")]
    pub(super) accept_data_loss: Vec<MemberName>,
    /// Where most masters are gone, let a replica become the owner of its master's slots without a vote. A
    /// master that is only cut off loses what it has acknowledged since.
    #[arg(long)]
    pub(super) takeover: bool,
    /// Stop once more than N hosts have failed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) max_failures: usize,
}

/// Which host keys are accepted.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Trust {
    /// Accept unknown host keys, and pin them beside the inventory. Changed keys are always refused.
    #[arg(long)]
    pub(super) accept_new: bool,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) inventory: Inventory,
    #[command(flatten)]
    pub(super) options: PlanOptions,
    /// Show the content of new files, every new directory and every shard, too.
    #[arg(long)]
    pub(super) diff: bool,
    /// Save the plan to a file, for `apply --plan`.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Print the plan as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The inventory file, or `lab:NAME` for the inventory of a lab. Default: ./inventory.toml.
    #[arg(value_name = "INVENTORY")]
    pub(super) path: Option<PathBuf>,
    /// Put all hosts of the inventory onto this machine.
    #[arg(long, conflicts_with = "plan")]
    pub(super) single_host: bool,
    #[command(flatten)]
    pub(super) trust: Trust,
    /// Apply this saved plan. Refused if a host has changed since the plan was made.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["path", "tags", "limit", "serial", "max_failures", "accept_data_loss", "takeover"])]
    pub(super) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(super) options: PlanOptions,
    /// Skip the confirmation.
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Print events as JSON lines.
    #[arg(long)]
    pub(super) json: bool,
    /// Write a report of the run and the evidence to an HTML file.
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
    /// Write nothing. Otherwise one key a shard is written, followed to the replicas and removed.
    #[arg(long)]
    pub(super) read_only: bool,
    /// Print the evidence as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Write the evidence to a `JUnit` file, for CI.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Destroy {
    #[command(flatten)]
    pub(super) inventory: Inventory,
    /// Skip the confirmation.
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Print events as JSON lines.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TrustHosts {
    /// The inventory file, or `lab:NAME` for the inventory of a lab. Default: ./inventory.toml.
    #[arg(value_name = "INVENTORY")]
    pub(super) path: Option<PathBuf>,
    /// Skip the confirmation.
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
    /// Run it only on these hosts (names or globs).
    #[arg(long, value_delimiter = ',', value_name = "HOSTS")]
    pub(super) limit: Vec<String>,
    /// Print JSON lines.
    #[arg(long)]
    pub(super) json: bool,
    /// The command: one word is a line of shell, several are a command and its arguments.
    #[arg(last = true, required = true)]
    pub(super) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Logs {
    #[command(flatten)]
    pub(super) inventory: Inventory,
    /// Show only the logs of these hosts (names or globs).
    #[arg(long, value_delimiter = ',', value_name = "HOSTS")]
    pub(super) limit: Vec<String>,
    /// Number of lines to show.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(super) lines: u32,
    /// Follow the logs until Ctrl-C.
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
    /// The folder labs are kept in. Default: `$XDG_DATA_HOME/provision/labs`.
    #[arg(long, global = true)]
    pub(super) folder: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) verb: LabVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum LabVerb {
    /// Start a lab, or the parts of it that are missing, and write its inventory.
    Up(LabUp),
    /// Remove a lab with all its disks.
    Down,
    /// Show all labs and their hosts.
    List,
    /// Log in to a host by SSH, or run a command there.
    Ssh {
        /// The host's name.
        host: String,
        /// The command and its arguments; without one, a shell.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Run a command in hosts without SSH.
    Exec {
        /// Names, separated by commas, or `all`.
        hosts: String,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Freeze hosts: their processes stop where they are.
    Pause {
        /// Names, separated by commas, or `all`.
        hosts: String,
    },
    /// Resume frozen hosts.
    Resume {
        /// Names, separated by commas, or `all`.
        hosts: String,
    },
    /// Cut the power of hosts. Their disks are kept.
    Kill {
        /// Names, separated by commas, or `all`.
        hosts: String,
    },
    /// Boot hosts again.
    Start {
        /// Names, separated by commas, or `all`.
        hosts: String,
    },
    /// Block the network between groups of hosts.
    Cut {
        /// `a,b|c,d`: neither of a and b reaches c or d. A single group is cut off from all others
        /// and this machine.
        groups: String,
    },
    /// Undo all `cut`s.
    Heal,
}

#[derive(Debug, Args)]
pub(super) struct LabUp {
    /// Number of hosts. Default: 6.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=200))]
    pub(super) hosts: Option<u8>,
    /// The subnet of the hosts. Default: the first free /24 of 10.77.0.0/16.
    #[arg(long)]
    pub(super) subnet: Option<ipnet::Ipv4Net>,
    /// The distribution of the hosts. Default: debian.
    #[arg(long, value_enum)]
    pub(super) os: Option<Os>,
    /// Use this root folder, or tarball of one, instead of a distribution.
    #[arg(long, value_name = "PATH", conflicts_with = "os")]
    pub(super) rootfs: Option<PathBuf>,
    /// Install the tools a lab needs and this machine lacks.
    #[arg(long)]
    pub(super) install: bool,
}

/// An image that can be made here.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Os {
    Debian,
    Rocky9,
}

#[cfg(test)]
mod tests;
