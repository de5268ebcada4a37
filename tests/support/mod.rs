//! A sandbox for tests: an inventory in a folder of its own, the real binary, and a clean host afterwards.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod container;
pub mod lab;
pub mod resp;
pub mod sshd;
pub mod tree;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// Tests on this machine share it: one at a time.
static MACHINE: Mutex<()> = Mutex::new(());

/// A fleet on this machine.
pub struct Sandbox {
    pub folder: tempfile::TempDir,
    pub name: String,
    pub port: u16,
    /// A plain user to run as; `None` is the user who runs the tests.
    pub uid: Option<u32>,
    /// A network namespace to run in; `None` is that of the tests.
    pub namespace: Option<String>,
    _machine: MutexGuard<'static, ()>,
}

/// What a run of the binary gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Asserts the exit code, and shows everything where it is another one.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    #[track_caller]
    pub fn says_nothing(self) -> Self {
        assert!(self.text().trim().is_empty(), "it says something:\n{}", self.text());
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.text().contains(words), "it does not say {words:?}:\n{}", self.text());
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Sandbox {
    /// Six nodes from this port on.
    pub fn new(name: &str, port: u16) -> Self {
        Self::with(name, port, &inventory(name, port, "", ""))
    }

    /// A fleet as this inventory says.
    pub fn with(name: &str, port: u16, inventory: &str) -> Self {
        let machine = MACHINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::Builder::new().prefix("provision-test-").tempdir().unwrap();
        let sandbox =
            Self { folder, name: name.to_owned(), port, uid: None, namespace: None, _machine: machine };
        sandbox.write(inventory);
        sandbox
    }

    /// Makes it belong to a plain user, with a home folder of its own.
    pub fn for_user(mut self, uid: u32) -> Self {
        self.uid = Some(uid);
        // The clone may be where a plain user cannot go: the binary and what is built already go along.
        let folder = self.folder.path();
        std::fs::create_dir(self.home()).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_provision"), folder.join("provision")).unwrap();
        std::fs::create_dir_all(folder.join("cache/provision")).unwrap();
        let built = shared_cache().join("provision/artifacts");
        let copy =
            |from: &Path| Command::new("cp").arg("-a").args([from, &folder.join("cache/provision")]).status();
        assert!(!built.exists() || copy(&built).unwrap().success());
        let owner = format!("{uid}:{uid}");
        assert!(Command::new("chown").args(["-R", &owner]).arg(folder).status().unwrap().success());
        self
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// All files and folders of the cluster.
    pub fn tree(&self) -> tree::Tree {
        let folders: Vec<PathBuf> = ["/etc", "/opt", "/var/lib", "/var/log", "/run"]
            .iter()
            .map(|folder| Path::new(folder).join("provision").join(&self.name))
            .collect();
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        tree::of(&folders, tree::Times::Kept, &|_| false)
    }

    pub fn inventory(&self) -> PathBuf {
        self.folder.path().join("inventory.toml")
    }

    pub fn write(&self, inventory: &str) {
        std::fs::write(self.inventory(), inventory).unwrap();
    }

    /// A command line of the real binary: `apply --yes` and the like, the inventory added.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = match (self.uid, &self.namespace) {
            (None, None) => Command::new(env!("CARGO_BIN_EXE_provision")),
            (None, Some(namespace)) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_provision")]);
                command
            }
            (Some(uid), _) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups"]);
                command.arg(self.folder.path().join("provision"));
                command.env("HOME", self.home()).env_remove("XDG_DATA_HOME");
                command
            }
        };
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        let own = || self.folder.path().join("cache");
        command.env("XDG_CACHE_HOME", self.uid.map_or_else(shared_cache, |_| own())).env("NO_COLOR", "1");
        command
    }

    /// Runs a verb on the inventory.
    pub fn run(&self, args: &[&str]) -> Run {
        let inventory = self.inventory();
        let mut all = args.to_vec();
        all.push(inventory.to_str().unwrap());
        self.command(&all).output().unwrap().into()
    }

    pub fn apply(&self) -> Run {
        self.run(&["apply", "--yes"])
    }

    pub fn verify(&self) -> Run {
        self.run(&["verify"])
    }

    pub fn destroy(&self) -> Run {
        self.run(&["destroy", "--yes"])
    }

    pub fn spawn_apply(&self) -> Child {
        let inventory = self.inventory();
        let mut command = self.command(&["apply", "--yes", inventory.to_str().unwrap()]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The addresses of six nodes on consecutive ports.
    pub fn addresses(&self) -> Vec<String> {
        (self.port..self.port + 6).map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// The folder of the nodes' data.
    pub fn data(&self) -> PathBuf {
        match self.uid {
            None => PathBuf::from(format!("/var/lib/provision/{}/nodes", self.name)),
            Some(_) => self.home().join(format!(".local/share/provision/{}/data", self.name)),
        }
    }

    pub fn config(&self, node: &str) -> PathBuf {
        PathBuf::from(format!("/etc/provision/{}/{node}/redis.conf", self.name))
    }

    /// Process ids of the nodes, by their working folder, which no two nodes share.
    pub fn pids(&self) -> Vec<(String, u32)> {
        let mut found: Vec<(String, u32)> = servers()
            .into_iter()
            .filter_map(|pid| {
                let folder = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
                let name = folder.strip_prefix(self.data()).ok()?.to_str()?.to_owned();
                Some((name, pid))
            })
            .collect();
        found.sort();
        found
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let run = self.destroy();
        assert!(run.code == 0 || std::thread::panicking(), "destroy failed: {}", run.text());
    }
}

/// An inventory of six local nodes, with more lines for `[cluster]` and after it.
pub fn inventory(name: &str, port: u16, cluster: &str, rest: &str) -> String {
    format!(
        "[cluster]\nname = \"{name}\"\nversion = \"7.0.15\"\nport = {port}\n{cluster}\n{rest}\n\
         [[hosts]]\nname = \"here\"\naddress = \"local\"\n"
    )
}

/// One cache for all tests, so that the server is compiled once and the image of labs made once. Everything
/// in it is named by what it was made from, so `PROVISION_TEST_CACHE` may keep it from one clone to the next.
pub fn shared_cache() -> PathBuf {
    let kept = std::env::var_os("PROVISION_TEST_CACHE").map(PathBuf::from);
    let shared = kept.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
    std::fs::create_dir_all(&shared).unwrap();
    shared
}

/// Has the server built, for a scenario whose own runs cannot: nothing is fetched from inside a lab or a
/// namespace.
pub fn warm() {
    drop(Sandbox::new("warm", 7391).run(&["apply", "--yes", "--tags", "build"]).ok());
}

/// All running servers that provision installed on this machine itself: those of a lab are in namespaces of
/// their own.
pub fn servers() -> Vec<u32> {
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let ours = namespace("self");
    let processes = std::fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| namespace(&pid.to_string()) == ours)
        .filter(|pid| {
            let executable = std::fs::read_link(format!("/proc/{pid}/exe"));
            executable.is_ok_and(|path| {
                path.starts_with("/opt/provision")
                    || path.to_string_lossy().contains("/.local/share/provision/")
            })
        })
        .collect()
}

/// Writes a file that only its owner may read.
pub fn write_secret(path: impl AsRef<Path>, text: &str) {
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// Kills a process and waits until it is gone.
pub fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    until("the process is gone", || std::fs::read_link(format!("/proc/{pid}/exe")).is_err());
}

/// Polls an invariant until a deadline.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(3);
    while !holds() {
        assert!(Instant::now() < deadline, "three minutes passed and this does not hold: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
