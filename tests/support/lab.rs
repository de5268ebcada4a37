//! A lab for tests: simulated hosts that the real binary brings up, in a folder of its own, gone without a
//! trace when it is dropped.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::MutexGuard,
};

use super::{MACHINE, Run, shared_cache};

pub struct Lab {
    folder: tempfile::TempDir,
    pub name: String,
    /// Hosts need the machine for themselves.
    _machine: MutexGuard<'static, ()>,
}

impl Lab {
    /// Brings up n1 and so on.
    pub fn up(name: &str, hosts: usize) -> Self {
        let machine = MACHINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::Builder::new().prefix("provision-lab-").tempdir().unwrap();
        let lab = Self { folder, name: name.to_owned(), _machine: machine };
        lab.lab(&["up", "--hosts", &hosts.to_string()]).ok();
        lab
    }

    /// A command line of the real binary, in the folder of the lab.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", shared_cache()).env("NO_COLOR", "1").env_remove("SSH_AUTH_SOCK");
        command.env("XDG_DATA_HOME", self.folder.path().join("data"));
        command
    }

    /// A verb of `provision lab`.
    pub fn lab(&self, args: &[&str]) -> Run {
        let verb = [&["lab", "--name", &self.name], args].concat();
        self.command(&verb).output().unwrap().into()
    }

    /// A verb on the lab's inventory.
    pub fn run(&self, args: &[&str]) -> Run {
        let inventory = self.inventory();
        let (before, after): (Vec<&str>, Vec<&str>) = match args.iter().position(|arg| *arg == "--") {
            Some(at) => (args[..at].to_vec(), args[at..].to_vec()),
            None => (args.to_vec(), Vec::new()),
        };
        let all = [before, vec![inventory.to_str().unwrap()], after].concat();
        self.command(&all).output().unwrap().into()
    }

    pub fn apply(&self) -> Run {
        self.run(&["apply", "--yes"])
    }

    /// The working directory of its commands.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder with the inventory.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("data/provision/labs").join(&self.name)
    }

    pub fn inventory(&self) -> PathBuf {
        self.home().join("inventory.toml")
    }

    /// Changes the inventory.
    pub fn edit(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.inventory()).unwrap();
        std::fs::write(self.inventory(), change(text)).unwrap();
    }

    /// A line of shell in a host, without SSH.
    pub fn sh(&self, host: &str, line: &str) -> Run {
        self.lab(&["exec", host, "--", "sh", "-c", line])
    }

    /// The address of a host.
    pub fn address(&self, host: &str) -> String {
        let state = self.state();
        let guests = state["guests"].as_array().unwrap();
        let guest = guests.iter().find(|guest| guest["name"] == host).unwrap();
        guest["address"].as_str().unwrap().to_owned()
    }

    /// What names everything of the lab on this machine.
    pub fn id(&self) -> String {
        self.state()["id"].as_str().unwrap().to_owned()
    }

    /// The root folder its hosts stand on.
    pub fn image(&self) -> PathBuf {
        self.state()["image"].as_str().unwrap().into()
    }

    fn state(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.home().join("state.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The log of a host's sshd since this boot.
    pub fn sshd_log(&self, host: &str) -> String {
        self.sh(host, "journalctl --sync; journalctl -b -u ssh --no-pager -o cat").ok().stdout
    }

    /// The replies an independent client in a namespace of its own gets from a node, a line a command; it
    /// follows redirections.
    pub fn redis(&self, host: &str, port: u16, commands: &str) -> Vec<String> {
        let password = std::fs::read_to_string(self.home().join("inventory.auth")).unwrap_or_default();
        let client = Client::new(&self.id(), &self.address("n1"));
        let mut child = Command::new("ip")
            .args([
                "netns",
                "exec",
                &client.namespace,
                "timeout",
                "60",
                "redis-cli",
                "--no-auth-warning",
                "-c",
            ])
            .args(["-h", &self.address(host), "-p", &port.to_string()])
            .env("REDISCLI_AUTH", password.trim())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "redis-cli: {output:?}");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

/// A namespace that is neither a host's nor this machine's.
struct Client {
    namespace: String,
    switch: String,
}

impl Client {
    /// Plugs into the switch, with the last address of the subnet.
    fn new(id: &str, neighbour: &str) -> Self {
        let namespace = format!("{id}-client");
        let (net, _) = neighbour.rsplit_once('.').unwrap();
        let ip = |args: &str| {
            assert!(Command::new("ip").args(args.split(' ')).status().unwrap().success(), "ip {args}");
        };
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {id}-sw link add client type veth peer name eth0 netns {namespace}"));
        ip(&format!("-n {id}-sw link set client master br0"));
        ip(&format!("-n {id}-sw link set client up"));
        ip(&format!("-n {namespace} addr add {net}.250/24 dev eth0"));
        ip(&format!("-n {namespace} link set eth0 up"));
        Self { namespace, switch: format!("{id}-sw") }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The cable goes first: with its namespace it would go a moment later.
        let _ = Command::new("ip").args(["-n", &self.switch, "link", "del", "client"]).status();
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).status();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.home().exists() {
            return;
        }
        let id = self.id();
        let down = self.lab(&["down"]);
        // What could not be taken down can be later, as long as its state is there.
        self.folder.disable_cleanup(down.code != 0);
        let left = traces(&id);
        assert!(std::thread::panicking() || (down.code == 0 && left.is_empty()), "{}{left:?}", down.text());
    }
}

/// What this machine still has of a lab.
pub fn traces(id: &str) -> Vec<String> {
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let lists =
        [said("ip", &["netns", "list"]), said("ip", &["-o", "link"]), mounts, said("ps", &["-eo", "args"])];
    let lines = lists.iter().flat_map(|list| list.lines());
    let mut left: Vec<String> = lines.filter(|line| line.contains(id)).map(str::to_owned).collect();
    for base in [
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/systemd",
        "/sys/fs/cgroup/unified",
        "/run/systemd/nspawn/propagate",
    ] {
        let entries = std::fs::read_dir(Path::new(base)).into_iter().flatten().flatten();
        left.extend(entries.map(|entry| entry.path().display().to_string()).filter(|path| path.contains(id)));
    }
    left
}
