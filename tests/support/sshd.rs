//! A real sshd of our own on this machine, with keys of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use provision::inventory::{Address, Host, Ssh};

use super::until;

pub struct Sshd {
    pub folder: tempfile::TempDir,
    pub port: u16,
    child: Option<Child>,
}

impl Sshd {
    /// Lets root in with `id_ed25519` of its folder; more lines for its configuration.
    pub fn start(config: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("provision-sshd-").tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut sshd = Self { folder, port, child: None };
        sshd.keygen("host_ed25519", &["-t", "ed25519"]);
        sshd.keygen("id_ed25519", &["-t", "ed25519"]);
        fs::copy(sshd.path("id_ed25519.pub"), sshd.path("authorized_keys")).unwrap();
        sshd.configure(config);
        sshd.run();
        sshd.pin();
        sshd
    }

    fn configure(&self, more: &str) {
        let folder = self.folder.path().display();
        let text = format!(
            "{more}\nPort {}\nListenAddress 127.0.0.1\nHostKey {folder}/host_ed25519\nPidFile none\nUsePAM no\nUseDNS no\n\
             LogLevel VERBOSE\nStrictModes no\nAuthorizedKeysFile {folder}/authorized_keys\nPermitRootLogin yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n",
            self.port
        );
        fs::write(self.path("sshd_config"), text).unwrap();
    }

    /// Listens until it is stopped.
    pub fn run(&mut self) {
        fs::create_dir_all("/run/sshd").unwrap();
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let before = self.count("Server listening");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(self.path("sshd_config"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let address: SocketAddr = ([127, 0, 0, 1], self.port).into();
        // Another process may listen there.
        until("sshd listens", || {
            self.count("Server listening") > before && TcpStream::connect(address).is_ok()
        });
    }

    /// Ends it, and all connections it has.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        drop_connections_of(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends all connections; new ones are accepted.
    pub fn drop_connections(&self) {
        drop_connections_of(self.child.as_ref().unwrap().id());
    }

    /// Freezes the processes of all connections: their peers get no answer, and they keep what they hold.
    /// They end with the server.
    pub fn freeze_connections(&self) {
        for child in children(self.child.as_ref().unwrap().id()) {
            let _ = Command::new("kill").args(["-STOP", &child]).stderr(Stdio::null()).status();
        }
    }

    /// Makes a key pair.
    pub fn keygen(&self, name: &str, args: &[&str]) {
        let path = self.path(name);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-C", name, "-f"]).arg(path).args(args);
        if !args.contains(&"-N") {
            command.args(["-N", ""]);
        }
        assert!(command.status().unwrap().success());
    }

    /// Has its key certified by the key pair `authority`.
    pub fn certify(&self, principal: &str, more: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-s"]).arg(self.path("authority")).args(["-I", "n1", "-h", "-n", principal]);
        command.args(more).arg(self.path("host_ed25519.pub"));
        assert!(command.status().unwrap().success());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn pins(&self) -> PathBuf {
        self.path("known_hosts")
    }

    /// Writes its key down as known.
    pub fn pin(&self) {
        let key = fs::read_to_string(self.path("host_ed25519.pub")).unwrap();
        fs::write(self.pins(), format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
    }

    /// Lets another key in.
    pub fn allow(&self, public: &Path) {
        let mut keys = fs::read_to_string(self.path("authorized_keys")).unwrap();
        keys.push_str(&fs::read_to_string(public).unwrap());
        fs::write(self.path("authorized_keys"), keys).unwrap();
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// How often a line of its log holds these words.
    pub fn count(&self, words: &str) -> usize {
        self.log().lines().filter(|line| line.contains(words)).count()
    }

    /// It as a host of an inventory.
    pub fn host(&self, change: impl FnOnce(&mut Ssh)) -> Host {
        let mut ssh = Ssh {
            user: Some("root".to_owned()),
            port: Some(self.port),
            identity: vec![self.path("id_ed25519")],
            via: Some(Vec::new()),
            ..Ssh::default()
        };
        change(&mut ssh);
        let address = Address::Remote("127.0.0.1".to_owned());
        Host { name: "n1".into(), address, ssh, zone: None, nodes: Vec::new() }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn drop_connections_of(pid: u32) {
    for child in children(pid) {
        let _ = Command::new("kill").args(["-KILL", &child]).stderr(Stdio::null()).status();
    }
}

fn children(pid: u32) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(str::to_owned).collect()
}
