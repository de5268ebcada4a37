//! One host: an overlay over the image, and a systemd that systemd-nspawn boots in it.

use std::{
    fs::{self, File},
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{
    Error, Result,
    files::HOSTS,
    state::{Guest, State},
    tool,
};

/// A boot on a machine that boots many hosts at once.
const BOOT_TIMEOUT: Duration = Duration::from_mins(5);
/// The end of all processes of a host.
const STOP_TIMEOUT: Duration = Duration::from_mins(1);
/// One attempt to read the greeting of a host's SSH server.
const GREETING_TIMEOUT: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Where a host has its tools.
pub(super) const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether a host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    On,
    Frozen,
    Off,
}

/// Boots a host that is off.
pub(super) async fn start(folder: &Path, state: &State, guest: &Guest) -> Result<()> {
    if leader(state, guest).await.is_some() {
        return Ok(());
    }
    // A command that was killed can have left it booting.
    if boots(state, guest).is_empty() {
        boot(folder, state, guest).await?;
    }
    let began = Instant::now();
    while leader(state, guest).await.is_none() {
        if began.elapsed() > BOOT_TIMEOUT {
            return Err(no_boot(guest, console(folder, guest)));
        }
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

async fn boot(folder: &Path, state: &State, guest: &Guest) -> Result<()> {
    tidy(folder, state, guest);
    mount(folder, state, guest).await?;
    let (root, place, log) = (disk(folder, guest).join("root"), state.place(guest), console(folder, guest));
    let output = File::options().create(true).append(true).open(&log);
    let output = output.map_err(|source| Error::File { path: log.clone(), source })?;
    let (directory, machine) = (format!("--directory={}", root.display()), format!("--machine={place}"));
    let network = format!("--network-namespace-path=/run/netns/{place}");
    let hostname = format!("--hostname={}", guest.name);
    let words = [
        "env",
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network",
        "sh",
        "-c",
        ENTER_CGROUP,
        "systemd-nspawn",
        &place,
        "--quiet",
        "--boot",
        "--register=no",
        "--console=pipe",
        "--capability=CAP_NET_ADMIN",
        &network,
        &machine,
        &hostname,
        &directory,
    ];
    tool::detach(&words, &output)
        .map_err(|source| Error::NoTool { command: "systemd-nspawn".to_owned(), source })
}

/// Waits until the SSH server of a host answers.
pub(super) async fn answers(guest: &Guest) -> Result<()> {
    let (began, address) = (Instant::now(), SocketAddr::from((guest.address, 22)));
    loop {
        let greeted = timeout(GREETING_TIMEOUT, async {
            let mut greeting = [0; 4];
            TcpStream::connect(address).await?.read_exact(&mut greeting).await.map(|_| greeting)
        });
        if let Ok(Ok(greeting)) = greeted.await
            && &greeting == b"SSH-"
        {
            return Ok(());
        }
        if began.elapsed() > BOOT_TIMEOUT {
            return Err(no_boot(guest, PathBuf::from("its console")));
        }
        sleep(POLL_INTERVAL).await;
    }
}

fn no_boot(guest: &Guest, log: PathBuf) -> Error {
    let text = fs::read_to_string(&log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(10)..].iter().map(|line| format!("\n  {line}")).collect();
    Error::NoBoot { name: guest.name.clone(), after: BOOT_TIMEOUT, log, tail }
}

fn disk(folder: &Path, guest: &Guest) -> PathBuf {
    folder.join(HOSTS).join(guest.name.as_str())
}

fn console(folder: &Path, guest: &Guest) -> PathBuf {
    disk(folder, guest).join("console.log")
}

async fn mount(folder: &Path, state: &State, guest: &Guest) -> Result<()> {
    let disk = disk(folder, guest);
    let path = |part: &str| disk.join(part).display().to_string();
    if is_mounted(&disk.join("root")) {
        return Ok(());
    }
    let layers =
        format!("lowerdir={},upperdir={},workdir={}", state.image.display(), path("upper"), path("work"));
    tool::run(&["mount", "-t", "overlay", "overlay", "-o", &layers, &path("root")]).await.map(drop)
}

/// Unmounts the root of a host. Its processes hold the mount for a moment after they ended.
pub(super) async fn unmount(folder: &Path, guest: &Guest) -> Result<()> {
    let root = disk(folder, guest).join("root");
    let (began, text) = (Instant::now(), root.display().to_string());
    while is_mounted(&root) {
        match tool::run(&["umount", &text]).await {
            Err(error) if began.elapsed() > STOP_TIMEOUT => return Err(error),
            Err(_) => sleep(POLL_INTERVAL).await,
            Ok(_) => {}
        }
    }
    Ok(())
}

fn is_mounted(path: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    device(path) != path.parent().and_then(device)
}

/// All processes of a host, seen from outside: those in its network namespace.
async fn processes(state: &State, guest: &Guest) -> Vec<u32> {
    let pids = tool::run(&["ip", "netns", "pids", &state.place(guest)]).await.unwrap_or_default();
    pids.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// What boots a host, from before it is in the host's namespaces.
fn boots(state: &State, guest: &Guest) -> Vec<u32> {
    let machine = format!("--machine={}", state.place(guest));
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let words = |pid: u32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    pids.filter(|pid| words(*pid).split(|byte| *byte == 0).any(|word| word == machine.as_bytes())).collect()
}

/// Whether anything of a host runs, from the first moment of its boot.
pub(super) async fn is_busy(state: &State, guest: &Guest) -> bool {
    !boots(state, guest).is_empty() || !processes(state, guest).await.is_empty()
}

/// The host's PID 1 as this machine sees it, once it is systemd.
pub(super) async fn leader(state: &State, guest: &Guest) -> Option<u32> {
    processes(state, guest).await.into_iter().find(|pid| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let status = read("status");
        let inside = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        inside.split_whitespace().next_back() == Some("1") && read("comm").trim() == "systemd"
    })
}

pub(super) async fn power(state: &State, guest: &Guest) -> Power {
    let Some(leader) = leader(state, guest).await else { return Power::Off };
    let stat = fs::read_to_string(format!("/proc/{leader}/stat")).unwrap_or_default();
    let stopped = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
    if stopped { Power::Frozen } else { Power::On }
}

/// Stops all processes of a host where they are, or resumes them. The second round catches processes started
/// meanwhile.
pub(super) async fn freeze(state: &State, guest: &Guest, freeze: bool) -> Result<()> {
    let signal = if freeze { "-STOP" } else { "-CONT" };
    if leader(state, guest).await.is_none() {
        return Err(Error::Off { name: guest.name.clone() });
    }
    for _ in 0..2 {
        self::signal(signal, &processes(state, guest).await).await;
    }
    Ok(())
}

/// Ends all processes of a host at once, as a power cut does.
pub(super) async fn stop(folder: &Path, state: &State, guest: &Guest) -> Result<()> {
    let began = Instant::now();
    loop {
        let mut processes = processes(state, guest).await;
        processes.extend(boots(state, guest));
        if processes.is_empty() {
            break;
        }
        if began.elapsed() > STOP_TIMEOUT {
            return Err(Error::Late { what: format!("the end of {}", guest.name), after: STOP_TIMEOUT });
        }
        signal("-KILL", &processes).await;
        sleep(POLL_INTERVAL).await;
    }
    // nspawn ends a moment after what it has started, and holds its control groups until then.
    while !tidy(folder, state, guest) && began.elapsed() < STOP_TIMEOUT {
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// A process that has ended meanwhile is no error.
async fn signal(signal: &str, processes: &[u32]) {
    let pids: Vec<String> = processes.iter().map(ToString::to_string).collect();
    let words: Vec<&str> = ["kill", signal].into_iter().chain(pids.iter().map(String::as_str)).collect();
    if !pids.is_empty() {
        let _ = tool::run(&words).await;
    }
}

/// Removes what nspawn leaves when it is killed: a folder named after the machine, a lock named after its
/// root, control groups. Returns whether all of it is gone.
fn tidy(folder: &Path, state: &State, guest: &Guest) -> bool {
    let place = state.place(guest);
    let _ = fs::remove_dir_all(format!("/run/systemd/nspawn/propagate/{place}"));
    if let Ok(root) = fs::metadata(disk(folder, guest).join("root")) {
        let _ = fs::remove_file(format!("/run/systemd/nspawn/locks/inode-{}:{}", root.dev(), root.ino()));
    }
    let groups = CGROUPS.map(|base| Path::new(base).join(&place));
    for group in &groups {
        remove_groups(group);
    }
    groups.iter().all(|group| !group.exists())
}

/// A control group is removed from within; only empty ones can be.
fn remove_groups(group: &Path) {
    let inner = fs::read_dir(group).into_iter().flatten().flatten();
    inner.filter(|entry| entry.path().is_dir()).for_each(|entry| remove_groups(&entry.path()));
    let _ = fs::remove_dir(group);
}

const CGROUPS: [&str; 3] = ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"];

/// Starts nspawn in a control group of its own.
const ENTER_CGROUP: &str = include_str!("enter_cgroup.sh");
