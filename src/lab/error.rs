//! Why there is no lab.

use std::{io, path::PathBuf};

use ipnet::Ipv4Net;

use crate::units::HostName;

/// What went wrong with a lab.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error("a lab needs root: it makes network namespaces and mounts")]
    #[diagnostic(help("run it with sudo, or use --single-host, which needs no privileges"))]
    NotRoot,
    #[error("there is no folder for labs: the home folder is not known")]
    #[diagnostic(help("set HOME or XDG_DATA_HOME, or name a folder with --folder"))]
    NoDataDir,
    #[error("`{name}` cannot be a lab's name")]
    #[diagnostic(help("a lowercase letter, then lowercase letters, digits and `-`, at most 32 in all"))]
    BadName { name: String },
    #[error("a lab needs {}, which this machine lacks", missing.join(", "))]
    Missing {
        missing: Vec<&'static str>,
        #[help]
        help: String,
    },
    #[error("{what} needs about {needed} MB, and {free} MB are free")]
    #[diagnostic(help("take fewer hosts with --hosts, or make room"))]
    Resources { what: &'static str, needed: u64, free: u64 },
    #[error("{subnet} is in use here: {route}")]
    #[diagnostic(help("choose another one with --subnet, or leave that out: the first free one is taken"))]
    Subnet { subnet: Ipv4Net, route: String },
    #[error("{subnet}, the lab's own, has meanwhile been taken here: {route}")]
    #[diagnostic(help(
        "remove that route, or remove the lab with `provision lab down` and make another one"
    ))]
    SubnetLost { subnet: Ipv4Net, route: String },
    #[error("lab {name} exists with {found}, and {wanted} is wanted")]
    #[diagnostic(help(
        "leave that option out, remove the lab first with `provision lab down`, or make another one with --name"
    ))]
    Differs { name: String, found: String, wanted: String },
    #[error("no subnet of 10.77.0.0/16 is free here")]
    #[diagnostic(help("choose one with --subnet"))]
    NoSubnet,
    #[error("{subnet} has no room for {hosts} hosts")]
    #[diagnostic(help("the hosts get .11 and up: a /24 is the usual size"))]
    Narrow { subnet: Ipv4Net, hosts: u8 },
    #[error("there is no lab in {}", folder.display())]
    #[diagnostic(help("`provision lab up` makes one; `provision lab list` shows those that are there"))]
    NoLab { folder: PathBuf },
    #[error("no host is called {name}; there are {known}")]
    #[diagnostic(help("`provision lab list` shows the hosts of each lab"))]
    NoGuest { name: String, known: String },
    #[error("{name} is off")]
    #[diagnostic(help("`provision lab start {name}` boots it"))]
    Off { name: HostName },
    #[error("{name} was not ready within {}s; the end of {}:{}", after.as_secs(), log.display(), tail)]
    #[diagnostic(help("see the log of its console; `provision lab down` removes what is there"))]
    NoBoot { name: HostName, after: std::time::Duration, log: PathBuf, tail: String },
    #[error("{what} did not end within {}s", after.as_secs())]
    #[diagnostic(help("see what it waits for, then run the same command again"))]
    Late { what: String, after: std::time::Duration },
    #[error("`{command}` failed{}", end_of(said))]
    #[diagnostic(help(
        "correct what it says, then run the same command again; `provision lab down` removes what is there"
    ))]
    Tool { command: String, said: String },
    #[error("`{command}` could not be run")]
    #[diagnostic(help("`provision lab up --install` installs what a lab needs"))]
    NoTool { command: String, source: io::Error },
    #[error("could not write or read {}", path.display())]
    #[diagnostic(help("see that the folder exists and is writable"))]
    File { path: PathBuf, source: io::Error },
    #[error("{} is not the state of a lab", path.display())]
    #[diagnostic(help(
        "another version wrote it, or it is damaged: restore it, or take the lab down with the version that made it"
    ))]
    State { path: PathBuf, source: serde_json::Error },
    #[error("{} is no root folder: it has no {missing}", root.display())]
    #[diagnostic(help(
        "name the root folder (or tarball) of a system with systemd and an SSH server with --rootfs"
    ))]
    NotARoot { root: PathBuf, missing: &'static str },
}

fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let skip = lines.len().saturating_sub(10);
    lines[skip..].iter().map(|line| format!("\n  {line}")).collect()
}
