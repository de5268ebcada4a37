//! What a lab needs of this machine.

use std::{path::Path, time::Duration};

use super::{Error, LabSpec, Result, Source, tool};

/// A host's share, measured with systemd, journald, sshd and one idle node: megabytes.
const RAM: u64 = 40;
/// What a host writes to its overlay, and the image all stand on: megabytes.
const DISK: u64 = 100;
const IMAGE: u64 = 1000;

/// Installing packages.
const INSTALL_TIMEOUT: Duration = Duration::from_mins(15);

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
    let (before, command) = installation(&missing, exists("apt-get"));
    if install {
        if !before.is_empty() {
            tool::run_with(before, "", INSTALL_TIMEOUT).await?;
        }
        return tool::run_with(&command, "", INSTALL_TIMEOUT).await.map(drop);
    }
    let missing = missing.into_iter().map(|(tool, ..)| tool).collect();
    let commands: Vec<String> = [before, command.as_slice()]
        .into_iter()
        .filter(|words| !words.is_empty())
        .map(|words| words.join(" "))
        .collect();
    let help = format!("install it with `{}`, or let --install do that", commands.join(" && "));
    Err(Error::Missing { missing, help })
}

/// The commands that install tools. A fresh Debian has no list of packages yet, so that is fetched first.
fn installation(missing: &[Tool], debian: bool) -> (&'static [&'static str], Vec<&'static str>) {
    let mut packages: Vec<&str> =
        missing.iter().map(|(_, deb, rpm)| if debian { *deb } else { *rpm }).collect();
    packages.sort_unstable();
    packages.dedup();
    let manager = if debian { ["apt-get", "install", "-y"] } else { ["dnf", "install", "-y"] };
    let before: &[&str] = if debian { &["apt-get", "update"] } else { &[] };
    (before, manager.into_iter().chain(packages).collect())
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
    enough("the hosts' memory", hosts * RAM, available_megabytes(&memory))?;
    enough("the hosts' disks", hosts * DISK, free(folder))?;
    if spec.source().is_made(&spec.cache) { Ok(()) } else { enough("the image", IMAGE, free(&spec.cache)) }
}

/// Free memory, out of `/proc/meminfo`.
fn available_megabytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_is_installed_once_under_its_own_name() {
        let missing = &TOOLS[4..7];
        let (before, command) = installation(missing, true);
        assert_eq!(before, ["apt-get", "update"]);
        assert_eq!(command, ["apt-get", "install", "-y", "mount", "openssh-client"]);
        let (before, command) = installation(missing, false);
        assert!(before.is_empty());
        assert_eq!(command, ["dnf", "install", "-y", "openssh", "openssh-clients", "util-linux"]);
    }

    #[test]
    fn memory_is_read_in_megabytes() {
        let text = "MemTotal:  8000000 kB\nMemAvailable:  2048000 kB\n";
        assert_eq!(available_megabytes(text), Some(2000));
        assert_eq!(available_megabytes("MemTotal: 1 kB"), None);
        assert_eq!(available_megabytes("MemAvailable: much kB"), None);
    }

    #[test]
    fn too_little_is_refused_with_both_figures() {
        assert!(enough("x", 100, Some(100)).is_ok());
        assert!(enough("x", 100, None).is_ok(), "what is unknown is tried");
        match enough("x", 100, Some(99)) {
            Err(Error::Resources { needed, free, .. }) => assert_eq!((needed, free), (100, 99)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_space_of_a_folder_that_is_not_there_yet_is_that_above_it() {
        assert!(free(Path::new("/no/such/folder")).is_some());
    }
}
