//! Real servers on loopback: N nodes in a temporary folder, gone when the test is.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use provision::{
    cluster::{
        Evidence, FormError, Formed, HostCheckTarget, Premises, ProofMode, Topology, form, observe, verify,
    },
    event::{Events, StepEvents},
    host::{Connector, Facts, LockedHost, NoPrompt, Pool, Probe},
    inventory::{Address, Directives, Endpoints, Engine, Fleet, Host, Node, NodeRef, Source, Ssh, Version},
    redis::{Command, NodeReader, NodeWriter, Reply},
    resource::Layout,
    units::MemberName,
};
use tokio::time::Instant;

/// A fleet of one host and the processes of its nodes.
pub(crate) struct Lab {
    pub(crate) fleet: Fleet,
    pub(crate) layout: Layout,
    pub(crate) started: Instant,
    folder: tempfile::TempDir,
    processes: HashMap<NodeRef, Child>,
}

/// The server under test: `PROVISION_TEST_SERVER`, else the one in the PATH.
#[expect(clippy::disallowed_methods, reason = "a test's own switch")]
pub(crate) fn server() -> PathBuf {
    if let Ok(path) = std::env::var("PROVISION_TEST_SERVER") {
        return path.into();
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|file| file.exists());
    found
        .expect("these tests need a redis-server: apt-get install redis-server, or set PROVISION_TEST_SERVER")
}

/// What the server under test is: `Redis server v=7.0.15 sha=…`.
#[expect(clippy::disallowed_methods, reason = "a test's own question")]
fn release() -> (Engine, Version) {
    let output = std::process::Command::new(server()).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="));
    let engine = if text.starts_with("Valkey") { Engine::Valkey } else { Engine::Redis };
    (engine, version.unwrap().parse().unwrap())
}

/// Nothing listens on the port nor on its bus port; the range ends where both stay below the ephemeral ports.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() * 53 % 9_000).unwrap();
    loop {
        let port = 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 11_000;
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}

impl Lab {
    /// `count` nodes on free ports of 127.0.0.1, started.
    pub(crate) fn start(count: usize, replicas: usize) -> Self {
        let addresses = (0..count).map(|_| SocketAddr::from(([127, 0, 0, 1], free_port()))).collect();
        let mut lab = Self::stopped(addresses, replicas, false);
        lab.start_all();
        lab
    }

    /// Nodes that do not run yet.
    pub(crate) fn stopped(addresses: Vec<SocketAddr>, replicas: usize, simulated: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (engine, version) = release();
        let node = |address: SocketAddr| {
            let (ip, port) = (address.ip(), address.port());
            let node = if simulated { format!("{ip}-{port}") } else { port.to_string() };
            let member = MemberName { host: "here".into(), node: node.into() };
            let listen = Endpoints::at(address);
            Node { key: NodeRef::new(member, listen), listen, simulated, config: BTreeMap::new() }
        };
        let host = Host {
            name: "here".into(),
            address: Address::Local,
            ssh: Ssh::default(),
            zone: None,
            nodes: addresses.into_iter().map(node).collect(),
        };
        let fleet = Fleet {
            name: "test".to_owned(),
            engine,
            version,
            replicas,
            config: config(),
            auth: None,
            source: Source::default(),
            hosts: vec![host],
            environment: provision::inventory::Environment::SingleHost,
            inventory: "test.toml".into(),
        };
        let layout = Layout::new(&fleet, &facts(folder.path()));
        Self { fleet, layout, started: Instant::now(), folder, processes: HashMap::new() }
    }

    pub(crate) fn nodes(&self) -> Vec<NodeRef> {
        self.fleet.nodes().map(|node| node.key).collect()
    }

    pub(crate) fn start_all(&mut self) {
        for node in self.nodes() {
            self.start_node(node);
        }
        self.started = Instant::now();
    }

    pub(crate) fn start_node(&mut self, key: NodeRef) {
        let node = self.fleet.nodes().find(|node| node.key == key).unwrap().clone();
        let paths = self.layout.node(&node);
        let managed = self.fleet.config.iter();
        let managed =
            managed.flat_map(|(name, values)| values.iter().map(move |value| format!("{name} {value}")));
        let mut lines: Vec<String> = managed.collect();
        lines.push(format!("port {}\nbind {}\ncluster-enabled yes", node.port(), node.ip()));
        lines.push(format!("dir {}\nlogfile {}", paths.data, paths.log));
        // Protected mode takes 127.0.0.1 alone for local, and would turn the replicas away.
        if node.simulated {
            let ip = node.ip();
            lines.push(format!("bind-source-addr {ip}\ncluster-announce-ip {ip}\nprotected-mode no"));
        }
        for file in [&paths.config, &paths.log] {
            std::fs::create_dir_all(Path::new(file).parent().unwrap()).unwrap();
        }
        std::fs::create_dir_all(&paths.data).unwrap();
        write(&paths.config, &(lines.join("\n") + "\n"));
        #[expect(clippy::disallowed_methods, reason = "the test's own servers")]
        let child = std::process::Command::new(server())
            .arg(&paths.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.processes.insert(key, child);
    }

    /// SIGKILL, as a crash would.
    pub(crate) fn kill(&mut self, key: NodeRef) {
        let mut child = self.processes.remove(&key).expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops a node and lets it go on, as a machine that hangs.
    pub(crate) fn signal(&self, key: NodeRef, name: &str) {
        let pid = self.processes[&key].id().to_string();
        #[expect(clippy::disallowed_methods, reason = "the test's own servers")]
        let status = std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn nodes_conf(&self, key: NodeRef) -> PathBuf {
        let node = self.fleet.nodes().find(|node| node.key == key).unwrap();
        Path::new(&self.layout.node(node).data).join("nodes.conf")
    }

    /// The right to change the host. Labs run side by side, so that each lock has a name of its own.
    pub(crate) async fn lock(&self) -> LockedHost {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let name = format!("lab-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let pool = Pool::new(Connector::new(PathBuf::new(), false, Box::new(NoPrompt)));
        let probe = Probe::connect(&self.fleet.hosts[0], &pool).await.unwrap();
        probe.lock(&name, "tests/cluster", &|_| {}).await.unwrap()
    }

    pub(crate) fn writer<'a>(&self, host: &'a LockedHost) -> NodeWriter<'a> {
        NodeWriter::new(&self.fleet, [host]).unwrap()
    }

    /// Those of hosts that keep nothing of the cluster.
    pub(crate) fn premises(&self) -> Premises<'_> {
        Premises::of(&self.fleet)
    }

    pub(crate) async fn form(&self, writer: &NodeWriter<'_>) -> Result<Formed, FormError> {
        form(writer, &self.premises(), &Topology::place(&self.fleet), Some(self.started), &silent()).await
    }

    pub(crate) async fn verify(&self, reader: &NodeReader<'_>) -> Evidence {
        self.verify_in(reader, ProofMode::WriteProbes).await
    }

    pub(crate) async fn verify_in(&self, reader: &NodeReader<'_>, mode: ProofMode) -> Evidence {
        let binary = Some(server().display().to_string());
        let side = HostCheckTarget { layout: self.layout.clone(), binary, units: false };
        verify(reader, &self.fleet, &BTreeMap::from([("here".into(), side)]), mode).await
    }

    /// Verifies, and shows what failed where something did.
    pub(crate) async fn prove(&self, reader: &NodeReader<'_>) -> Evidence {
        let evidence = self.verify(reader).await;
        let failed: Vec<_> =
            evidence.failed().map(|i| format!("{} {}: {}", i.id, i.title, i.evidence)).collect();
        assert!(evidence.holds(), "{failed:#?}");
        evidence
    }

    /// Forms and proves.
    pub(crate) async fn formed<'a>(&self, host: &'a LockedHost) -> NodeWriter<'a> {
        let writer = self.writer(host);
        self.form(&writer).await.unwrap();
        self.prove(writer.reader()).await;
        writer
    }

    /// The end of every log, for a test that failed.
    fn show_logs(&self) {
        for node in self.fleet.nodes() {
            let text = std::fs::read_to_string(self.layout.node(node).log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            println!("--- {node}\n{}", lines[lines.len().saturating_sub(15)..].join("\n"));
        }
    }

    /// Waits for all nodes to answer at all.
    pub(crate) async fn up(&self, reader: &NodeReader<'_>) {
        let end = Instant::now() + Duration::from_mins(1);
        while observe(reader).await.down().next().is_some() {
            assert!(Instant::now() < end, "the servers did not start: see {}", self.folder.path().display());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_logs();
        }
        for child in self.processes.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn silent() -> StepEvents {
    Events::channel().0.step(&"form".into(), None)
}

pub(crate) fn command(text: &str) -> Command {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Sends one command and returns its reply.
pub(crate) async fn tell(writer: &NodeWriter<'_>, node: NodeRef, text: &str) -> Reply {
    writer.write(node, &[command(text)]).await.unwrap().remove(0)
}

fn config() -> Directives {
    let set = |name: &str, values: &[&str]| (name.to_owned(), values.iter().map(|&v| v.to_owned()).collect());
    BTreeMap::from([
        set("cluster-node-timeout", &["5000"]),
        set("maxmemory", &["100mb"]),
        set("appendonly", &["yes"]),
        set("save", &["3600 1", "300 100"]),
    ])
}

/// Facts of a plain user whose data home is the folder: all paths are below it.
fn facts(folder: &Path) -> Facts {
    Facts {
        uid: 1000,
        data_home: folder.display().to_string(),
        cache_home: folder.display().to_string(),
        arch: "x86_64".to_owned(),
        cores: 2,
        systemd: 0,
        init: provision::host::InitSystem::Other,
        os: vec!["debian".to_owned()],
        os_version: "12".to_owned(),
        codename: "bookworm".to_owned(),
        libc: "glibc 2.36".to_owned(),

        lacks: Vec::new(),
        level: 1,
        compiler: String::new(),
        boot_id: String::new(),
        accounts: std::collections::BTreeMap::new(),
        knows: BTreeMap::new(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own files")]
pub(crate) fn write(path: impl AsRef<Path>, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// 127.0.1.1 to 127.0.1.`count`, on one port that is free on all of them.
pub(crate) fn simulated(count: u8) -> Vec<SocketAddr> {
    let port = free_port();
    (1..=count).map(|last| SocketAddr::new(IpAddr::from([127, 0, 1, last]), port)).collect()
}
