//! The root folder all hosts of a lab stand on: made once and kept, by the tools of the distribution it is of.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Error, Result, tool};
use crate::artifact::digest;

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Debian,
    Rocky9,
    /// A root folder, which is only read.
    Folder(PathBuf),
    /// A root folder as a tarball.
    Tarball(PathBuf),
}

/// How long making an image may take: a slow mirror sends some hundred megabytes.
const MAKE: Duration = Duration::from_mins(30);

/// The compiler is in the image because hosts of a lab reach no mirror to install it from.
const DEBIAN: &str =
    "systemd,systemd-sysv,dbus,openssh-server,iproute2,sudo,procps,gcc,g++,make,libc6-dev,xz-utils";
const ROCKY: [&str; 12] = [
    "systemd",
    "dbus",
    "openssh-server",
    "NetworkManager",
    "iproute",
    "sudo",
    "procps-ng",
    "gcc",
    "gcc-c++",
    "make",
    "tar",
    "xz",
];

/// Units that make a boot slow and a lab no better.
const MASKED: [&str; 12] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "man-db.timer",
    "ssh.socket",
    "systemd-networkd-wait-online.service",
    "systemd-update-utmp.service",
];

/// Every login and every command in the log, so that both can be counted; keys are the only way in.
const SSHD: &str =
    "LogLevel VERBOSE\nUseDNS no\nPermitRootLogin prohibit-password\nHostKey /etc/ssh/ssh_host_ed25519_key\n";

/// The name of the image in the cache.
const ROCKY_NAME: &str = "rocky-9";

fn debian() -> String {
    format!("debian-bookworm-{}", digest::short(&digest::of_parts(&[DEBIAN])))
}

impl Source {
    /// The folder it is in, once it is made.
    pub(super) fn root(&self, cache: &Path) -> Result<PathBuf> {
        Ok(match self {
            Self::Folder(root) => {
                std::path::absolute(root).map_err(|source| Error::File { path: root.clone(), source })?
            }
            Self::Debian => cache.join(debian()),
            Self::Rocky9 => cache.join(ROCKY_NAME),
            Self::Tarball(file) => {
                let sha256 = digest::of_file(file);
                let sha256 = sha256.map_err(|source| Error::File { path: file.clone(), source })?;
                cache.join(format!("rootfs-{}", digest::short(&sha256)))
            }
        })
    }

    /// Whether nothing has to be made for it.
    pub(super) fn is_made(&self, cache: &Path) -> bool {
        match self {
            Self::Debian => cache.join(debian()).exists(),
            Self::Rocky9 => cache.join(ROCKY_NAME).exists(),
            Self::Folder(_) => true,
            Self::Tarball(_) => false,
        }
    }
}

/// Has the image; returns its folder.
pub(super) async fn prepare(source: &Source, cache: &Path) -> Result<PathBuf> {
    let root = source.root(cache)?;
    if let Source::Folder(_) = source {
        usable(&root)?;
        return Ok(root);
    }
    let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = |source| Error::File { path: cache.to_owned(), source };
    fs::create_dir_all(cache).map_err(file)?;
    // Two runs make it once: the second waits for the first.
    let path = cache.join(format!("{name}.lock"));
    let held = File::create(&path).map_err(file)?;
    super::locked(&path, &held, &format!("another command that makes the image {name}"), MAKE).await?;
    if root.exists() {
        return Ok(root);
    }
    let making = cache.join(format!("{name}.new"));
    let text = making.display().to_string();
    tool::run_with(&["rm", "-rf", "--one-file-system", &text], "", MAKE).await?;
    make(source, &text).await?;
    usable(&making)?;
    finish(&making).map_err(file)?;
    fs::rename(&making, &root).map_err(file)?;
    Ok(root)
}

async fn make(source: &Source, root: &str) -> Result<()> {
    match source {
        Source::Debian => {
            let include = format!("--include={DEBIAN}");
            tool::run_with(&["debootstrap", "--variant=minbase", &include, "bookworm", root], "", MAKE)
                .await?;
        }
        Source::Rocky9 => {
            let installroot = format!("--installroot={root}");
            let mirror = |name: &str| {
                format!(
                    "--repofrompath=lab-{name},https://dl.rockylinux.org/pub/rocky/9/{name}/$basearch/os/"
                )
            };
            let (base, streams) = (mirror("BaseOS"), mirror("AppStream"));
            let options = [
                "dnf",
                "-y",
                "-q",
                &installroot,
                "--releasever=9",
                "--repo=lab-BaseOS",
                "--repo=lab-AppStream",
                "--nogpgcheck",
                "--setopt=install_weak_deps=False",
                "--setopt=timeout=20",
                "--setopt=retries=2",
            ];
            let words: Vec<&str> =
                options.into_iter().chain([base.as_str(), &streams, "install"]).chain(ROCKY).collect();
            tool::run_with(&words, "", MAKE).await?;
        }
        Source::Tarball(file) => {
            fs::create_dir_all(root).map_err(|source| Error::File { path: root.into(), source })?;
            let file = file.display().to_string();
            tool::run_with(&["tar", "-xpf", &file, "-C", root, "--numeric-owner"], "", MAKE).await?;
        }
        Source::Folder(_) => {}
    }
    Ok(())
}

fn usable(root: &Path) -> Result<()> {
    let parts = [("usr/lib/systemd/systemd", "systemd"), ("usr/sbin/sshd", "sshd")];
    match parts.into_iter().find(|(path, _)| !root.join(path).exists()) {
        Some((_, missing)) => Err(Error::NotARoot { root: root.to_owned(), missing }),
        None => Ok(()),
    }
}

/// Makes a system out of what a package manager has put there: no keys of its own, nothing that holds up a boot.
fn finish(root: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join("etc/ssh"))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("ssh_host_") {
            fs::remove_file(entry.path())?;
        }
    }
    let units = root.join("etc/systemd/system");
    fs::create_dir_all(&units)?;
    for unit in MASKED {
        let link = units.join(unit);
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink("/dev/null", link)?;
    }
    super::files::put(&root.join("etc/ssh/sshd_config.d/00-lab.conf"), SSHD, 0o644)?;
    super::files::put(&root.join("etc/machine-id"), "", 0o444)
}
