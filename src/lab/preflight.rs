//! What a lab needs of this machine.

use std::{path::Path, time::Duration};

use super::{Error, LabSpec, Result, Source, tool};

/// A host's share, measured with systemd, journald, sshd and one idle node: megabytes.
const RAM: u64 = 40;
/// What a host writes to its overlay, and the image all stand on: megabytes.
const DISK: u64 = 100;
const IMAGE: u64 = 1000;

/// How long installing may take.
const INSTALL: Duration = Duration::from_mins(15);

/// A tool, and the package that has it on Debian and on EL.
type Tool = (&'static str, &'static str, &'static str);

const TOOLS: [Tool; 7] = [
    ("systemd-nspawn", "systemd-container", "systemd-container"),
    ("ip", "iproute2", "iproute"),
    ("nft", "nftables", "nftables"),
    ("nsenter", "util-linux", "util-linux"),
    ("ssh", "openssh-client", "openssh-clients"),
    ("ssh-keygen", "openssh-client", "openssh"),
    ("mount", "mount", "util-linux"),
];

/// Only root makes a lab, and only root sees what runs in one.
pub(super) fn root() -> Result<()> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err(Error::NotRoot) }
}

/// Names all that is missing at once, with the one command that installs it. `image` is what has to be made.
pub(super) async fn tools(image: Option<&Source>, install: bool) -> Result<()> {
    let builder: Option<Tool> = match image {
        Some(Source::Debian) => Some(("debootstrap", "debootstrap", "debootstrap")),
        Some(Source::Rocky9) => Some(("dnf", "dnf", "dnf")),
        Some(Source::Tarball(_)) => Some(("tar", "tar", "tar")),
        Some(Source::Folder(_)) | None => None,
    };
    let missing: Vec<Tool> = TOOLS.into_iter().chain(builder).filter(|(tool, ..)| !exists(tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let debian = exists("apt-get");
    let mut packages: Vec<&str> =
        missing.iter().map(|(_, deb, rpm)| if debian { *deb } else { *rpm }).collect();
    packages.sort_unstable();
    packages.dedup();
    let manager = if debian { ["apt-get", "install", "-y"] } else { ["dnf", "install", "-y"] };
    let command: Vec<&str> = manager.into_iter().chain(packages).collect();
    // A fresh machine does not know yet what its archive has.
    let before: &[&str] = if debian { &["apt-get", "update"] } else { &[] };
    if install {
        if !before.is_empty() {
            tool::run_with(before, "", INSTALL).await?;
        }
        return tool::run_with(&command, "", INSTALL).await.map(drop);
    }
    let missing = missing.into_iter().map(|(tool, ..)| tool).collect();
    let commands: Vec<String> = [before, &command]
        .into_iter()
        .filter(|words| !words.is_empty())
        .map(|words| words.join(" "))
        .collect();
    let help = format!("install it with `{}`, or let --install do that", commands.join(" && "));
    Err(Error::Missing { missing, help })
}

fn exists(name: &str) -> bool {
    tool::path()
        .split(':')
        .filter(|folder| !folder.is_empty())
        .any(|folder| Path::new(folder).join(name).is_file())
}

/// Refuses a lab this machine cannot carry.
pub(super) fn resources(spec: &LabSpec, folder: &Path) -> Result<()> {
    let hosts = u64::from(spec.hosts.unwrap_or(super::HOSTS));
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.split_whitespace().next()?.parse::<u64>().ok());
    enough("the hosts' memory", hosts * RAM, available.map(|kilobytes| kilobytes / 1024))?;
    enough("the hosts' disks", hosts * DISK, free(folder))?;
    if spec.source().is_made(&spec.cache) { Ok(()) } else { enough("the image", IMAGE, free(&spec.cache)) }
}

fn enough(what: &'static str, needed: u64, free: Option<u64>) -> Result<()> {
    match free.filter(|free| *free < needed) {
        Some(free) => Err(Error::Resources { what, needed, free }),
        None => Ok(()),
    }
}

/// Free megabytes where a folder is or will be.
fn free(folder: &Path) -> Option<u64> {
    let existing = std::path::absolute(folder).ok()?;
    let existing = existing.ancestors().find(|folder| folder.exists())?;
    let stat = rustix::fs::statvfs(existing).ok()?;
    Some(stat.f_bavail * stat.f_frsize / 1_000_000)
}
