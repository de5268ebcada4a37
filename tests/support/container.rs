//! A machine whose PID 1 is systemd: a container on an overlay over the image of labs, in a network namespace
//! of its own. Whatever it left on the test host is gone when it is dropped.

use std::{
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use super::{Run, Sandbox, lab::Lab, shared_cache};

/// How long a boot or a shutdown may take.
const BOOTS: Duration = Duration::from_mins(5);

pub struct Container {
    /// Everything of it is below this folder.
    folder: tempfile::TempDir,
    name: String,
    running: Option<Running>,
}

struct Running {
    nspawn: Child,
    /// The PID of its PID 1, outside.
    leader: u32,
}

impl Container {
    /// Boots one that has the binary, a cache with the server, and this inventory.
    pub fn boot(name: &str, inventory: &str) -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests boot a systemd: run them as root");
        let (root, artifacts) = prepared();
        let folder = tempfile::Builder::new().prefix("container-").tempdir_in(shared()).unwrap();
        let name = format!("{name}-{}", std::process::id());
        let mut container = Self { folder, name, running: None };
        for part in ["upper", "work", "root", "share/cache/provision"] {
            std::fs::create_dir_all(container.path(part)).unwrap();
        }
        // Hosts of labs have keys of their own; this one has none, and needs no way in.
        let units = container.path("upper/etc/systemd/system");
        std::fs::create_dir_all(&units).unwrap();
        std::os::unix::fs::symlink("/dev/null", units.join("ssh.service")).unwrap();
        let cache = container.path("share/cache/provision");
        run("cp", &["-a", text(artifacts), text(&cache)]);
        container.write(inventory);
        let (upper, work) = (container.path("upper"), container.path("work"));
        let layers = format!("lowerdir={},upperdir={},workdir={}", text(root), text(&upper), text(&work));
        run("mount", &["-t", "overlay", "overlay", "-o", &layers, text(&container.path("root"))]);
        run("ip", &["netns", "add", &container.name]);
        run("ip", &["-n", &container.name, "link", "set", "lo", "up"]);
        container.start();
        container
    }

    /// Switches it on and waits until systemd has nothing left to start.
    pub fn start(&mut self) {
        let (root, share) = (self.path("root"), self.path("share"));
        let log = std::fs::File::options().create(true).append(true).open(self.path("console.log")).unwrap();
        let mut nspawn = Command::new("sh")
            .args(["-c", ENTER_CGROUP, "systemd-nspawn"])
            .args([text(&self.folder.path().join("cgroups")), &self.name])
            .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network")
            .args(["--quiet", "--boot", "--register=no", "--console=pipe"])
            .arg(format!("--network-namespace-path=/run/netns/{}", self.name))
            .arg(format!("--machine={}", self.name))
            .arg(format!("--directory={}", text(&root)))
            .arg(format!("--bind={}:/share", text(&share)))
            .arg(format!("--bind-ro={}:/usr/local/bin/provision", env!("CARGO_BIN_EXE_provision")))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let children = format!("/proc/{0}/task/{0}/children", nspawn.id());
        let deadline = Instant::now() + BOOTS;
        let leader = loop {
            let pid = std::fs::read_to_string(&children).unwrap_or_default();
            // It is systemd once it has executed it; until then it is a copy of nspawn.
            let comm = std::fs::read_to_string(format!("/proc/{}/comm", pid.trim())).unwrap_or_default();
            if let (Ok(pid), "systemd") = (pid.trim().parse(), comm.trim()) {
                break pid;
            }
            let ended = nspawn.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "no systemd comes up:\n{}", self.console());
            std::thread::sleep(Duration::from_millis(10));
        };
        self.running = Some(Running { nspawn, leader });
        loop {
            let state = self.sh("systemctl is-system-running --wait");
            match state.stdout.trim() {
                "running" => break,
                "degraded" => panic!("{}", self.sh("systemctl --failed; journalctl -b -p warning").text()),
                _ => {}
            }
            assert!(Instant::now() < deadline, "it does not get ready: {}\n{}", state.text(), self.console());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Shuts it down as a power button does; returns how long that took.
    pub fn stop(&mut self) -> Duration {
        let mut running = self.running.take().unwrap();
        let began = Instant::now();
        run("kill", &["-TERM", &running.nspawn.id().to_string()]);
        while running.nspawn.try_wait().unwrap().is_none() {
            if began.elapsed() > BOOTS {
                running.kill();
                panic!("it does not shut down:\n{}", self.console());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    }

    /// A command inside.
    fn command(&self, words: &[&str]) -> Command {
        let leader = self.running.as_ref().unwrap().leader.to_string();
        let mut command = Command::new("timeout");
        command.args(["600", "nsenter", "-t", &leader, "-m", "-u", "-i", "-n", "-p", "-C"]);
        command.args(["env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]);
        command.args(["LC_ALL=C", "NO_COLOR=1", "XDG_CACHE_HOME=/share/cache"]).args(words);
        command.stdin(Stdio::null());
        command
    }

    /// A line of shell inside.
    pub fn sh(&self, line: &str) -> Run {
        self.command(&["sh", "-c", line]).output().unwrap().into()
    }

    /// Runs a verb of the binary on the inventory, inside.
    pub fn run(&self, args: &[&str]) -> Run {
        let words = [&["provision"], args, &["/share/inventory.toml"]].concat();
        self.command(&words).output().unwrap().into()
    }

    pub fn apply(&self) -> Run {
        self.run(&["apply", "--yes"])
    }

    pub fn write(&self, inventory: &str) {
        std::fs::write(self.path("share/inventory.toml"), inventory).unwrap();
    }

    /// The replies an independent client gets, a line a command; it follows redirections.
    pub fn redis(&self, port: u16, commands: &str) -> Vec<String> {
        let mut client = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.name))
            .args(["timeout", "60", "redis-cli", "-c", "-p", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        client.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
        let output: Output = client.wait_with_output().unwrap();
        assert!(output.status.success(), "redis-cli: {output:?}");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Its file system, seen from outside.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.running.as_ref().unwrap().leader))
    }

    fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    fn console(&self) -> String {
        std::fs::read_to_string(self.path("console.log")).unwrap_or_default()
    }
}

impl Running {
    /// The end of PID 1 ends all that run in there, and nspawn after it has tidied up.
    fn kill(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.leader.to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.nspawn.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.nspawn.kill();
        let _ = self.nspawn.wait();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
        }
        let quiet = |program: &str, args: &[&str]| {
            let _ = Command::new(program).args(args).stderr(Stdio::null()).status();
        };
        quiet("ip", &["netns", "del", &self.name]);
        // nspawn leaves these two: a folder named by the machine, a lock named by its root.
        let _ = std::fs::remove_dir_all(format!("/run/systemd/nspawn/propagate/{}", self.name));
        if let Ok(root) = std::fs::metadata(self.path("root")) {
            let lock = format!("/run/systemd/nspawn/locks/inode-{}:{}", root.dev(), root.ino());
            let _ = std::fs::remove_file(lock);
        }
        // The kernel takes the processes' own mounts down a moment after they ended.
        for _ in 0..100 {
            quiet("umount", &[text(&self.path("root"))]);
            if std::fs::read_dir(self.path("root")).is_ok_and(|mut entries| entries.next().is_none()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let cgroups = std::fs::read_to_string(self.path("cgroups")).unwrap_or_default();
        for cgroup in cgroups.lines() {
            quiet("find", &[cgroup, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
        }
    }
}

/// Becomes nspawn in a control group of its own: two systemds in one would take each other's processes for
/// their own. Where the test host runs systemd, nspawn gets one from there. The arguments: a file to note the
/// groups in, a name.
const ENTER_CGROUP: &str = r#"
noted=$1 name=$2; shift 2
if [ ! -d /run/systemd/system ]; then
  for base in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -e "$base/cgroup.procs" ] || continue
    mkdir -p "$base/$name"; echo "$base/$name" >>"$noted"; echo $$ >"$base/$name/cgroup.procs"
  done
  set -- --keep-unit "$@"
fi
exec systemd-nspawn "$@"
"#;

/// The Debian all containers stand on, and a cache of builds made by a run on this machine; each is made
/// once.
fn prepared() -> &'static (PathBuf, PathBuf) {
    static PREPARED: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    PREPARED.get_or_init(|| {
        // The image of labs, which is made where there is none.
        let root = Lab::up("image", 1).image();
        let warm = Sandbox::new("warm", 7391);
        warm.run(&["apply", "--yes", "--tags", "build"]).ok();
        drop(warm);
        (root, shared_cache().join("provision/artifacts"))
    })
}

fn shared() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; `make prepare` installs it"));
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{program} {args:?}: {}\n{}", output.status, said.concat());
}
