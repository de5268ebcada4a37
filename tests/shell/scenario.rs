//! One scenario of a shell program, and how it runs under each shell.

use std::{
    fmt::Write as _, fs, io::Write as _, net::TcpListener, os::unix::fs::PermissionsExt, path::Path,
    process::Command, sync::LazyLock,
};

/// The shells, one of which is `sh` on every distribution.
pub(crate) const SHELLS: [&[&str]; 4] = [&["dash"], &["bash", "--posix"], &["busybox", "ash"], &["ksh93"]];

/// How long a script may take, in seconds.
const TIMEOUT: &str = "20";

/// What is there before, a program with what stands before and after it, and what must come of it. `given`
/// and `check` are lines of `sh` that run in the scenario's folder `$T`; `$BIN` has the stubs, `$LISTENING`
/// is a port that listens.
pub(crate) struct Scenario {
    /// The program, below `src/`.
    pub(crate) program: &'static str,
    pub(crate) title: &'static str,
    /// Commands of the host that are replaced: name, and lines of `sh`.
    pub(crate) stubs: &'static [(&'static str, &'static str)],
    pub(crate) given: &'static str,
    /// Variables, arguments and functions that come before the program.
    pub(crate) before: &'static str,
    /// Programs whose functions it uses, before it.
    pub(crate) uses: &'static [&'static str],
    /// Calls that come after the program.
    pub(crate) calls: &'static str,
    pub(crate) check: &'static str,
    /// The output of all, with `T` and `BIN` for the folders, and a line `@status N` where the script fails.
    pub(crate) expected: &'static str,
    /// Whether it needs root, and mounts: what it mounts, only it sees.
    pub(crate) as_root: bool,
    /// Whether the program is sent as one line.
    pub(crate) as_one_line: bool,
}

impl Scenario {
    pub(crate) const fn new(program: &'static str, title: &'static str) -> Self {
        let (stubs, given, before, uses): (&[(&str, &str)], _, _, &[&str]) = (&[], "", "", &[]);
        let (calls, check, expected, as_root, as_one_line) = ("", "", "", false, false);
        Self { program, title, stubs, given, before, uses, calls, check, expected, as_root, as_one_line }
    }

    /// The script, as `host::minify`, `host::one_line` and the framing of `host::shell` send it.
    fn script(&self) -> String {
        let mut text = format!("{}\n", minified(self.before, "\n"));
        for program in self.uses.iter().chain([&self.program]) {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(program);
            let between = if self.as_one_line { " " } else { "\n" };
            text.push_str(&minified(&fs::read_to_string(path).unwrap(), between));
            text.push('\n');
        }
        text.push_str(&minified(self.calls, "\n"));
        format!("{{\n(\n{text}\n) </dev/null 2>&1 9>&-\nprintf '@status %s\\n' \"$?\"\n}}\n")
    }

    /// What it prints under a shell.
    fn run(&self, shell: &[&str]) -> String {
        let root = tempfile::Builder::new().prefix("provision-shell-").tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in ["bin", "here"] {
            fs::create_dir(at(folder)).unwrap();
        }
        fs::write(at("script"), self.script()).unwrap();
        for (name, lines) in self.stubs {
            let path = at("bin").join(name);
            fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let shell = shell.join(" ");
        let Self { given, check, .. } = self;
        // What `sh` says of a shell that was killed is not the program's.
        let run =
            format!("{{ cat ../script | setsid -w timeout -k 1 {TIMEOUT} {shell} -s 2>&1; }} 2>/dev/null");
        let text = format!("set -e\nexec 2>&1\n{given}\nset +e\n{run}\nset -e\n{check}\n");
        let mut command = command(if self.as_root { &["unshare", "--mount", "sh"] } else { &["sh"] });
        // A file, because a pipe would be open for as long as anything that was left behind.
        let output = fs::File::create(at("output")).unwrap();
        command.args(["-c", &text]).stdout(output).current_dir(at("here")).env_clear();
        command.envs([("LC_ALL", "C"), ("HOME", "/nonexistent")]);
        command.env("T", at("here")).env("BIN", at("bin")).env("LISTENING", LISTENING.1.to_string());
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", at("bin").display()));
        let status = command.status().unwrap();
        let mut text = String::from_utf8_lossy(&fs::read(at("output")).unwrap()).replace("@status 0\n", "");
        for (folder, name) in [("here", "T"), ("bin", "BIN")] {
            text = text.replace(&at(folder).display().to_string(), name);
        }
        if !status.success() {
            let _ = writeln!(text, "the scenario itself failed: {status}");
        }
        text
    }
}

/// A port of this machine that listens.
static LISTENING: LazyLock<(TcpListener, u16)> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
});

/// Lines without comments and indentation.
fn minified(text: &str, between: &str) -> String {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.collect::<Vec<_>>().join(between)
}

/// A command of several words.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// Runs each scenario under each shell, and reports all that end otherwise than expected.
#[track_caller]
pub(crate) fn run_all(scenarios: &[Scenario]) {
    let (mut failed, root) = (String::new(), is_root());
    for scenario in scenarios {
        let Scenario { program, title, expected, .. } = scenario;
        if scenario.as_root && !root {
            // Past the capture of cargo test.
            let _ = writeln!(std::io::stderr(), "SKIPPED, not root: {program}: {title}");
            continue;
        }
        for shell in SHELLS {
            let found = scenario.run(shell);
            if found != expected.trim_start_matches('\n') {
                let shell = shell.join(" ");
                let _ =
                    writeln!(failed, "{program}: {title}: {shell}\n--- expected{expected}--- found\n{found}");
            }
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
}
