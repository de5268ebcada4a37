//! Hosts over SSH: real sshds of OpenSSH on this machine.
//! Long, since it is a list of stories: none depends on another.

use std::{fs, io::Write, path::PathBuf, time::Duration};

use crate::support::{sshd::Sshd, until};
use provision::{
    host::{self, Connector, Error, LockedHost, NoPrompt, Phase, Probe, Prompt, Upload},
    inventory::Ssh,
    secret::{Credential, SecretSource, SecretString},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SECOND: Duration = Duration::from_secs(1);

fn connector(sshd: &Sshd) -> Connector {
    Connector::new(sshd.pins(), false, Box::new(NoPrompt))
}

async fn connect(sshd: &Sshd) -> Probe {
    Probe::connect(&sshd.host(|_| {}), &connector(sshd)).await.unwrap()
}

async fn fails(sshd: &Sshd, connector: &Connector, change: impl FnOnce(&mut Ssh)) -> (Phase, String, String) {
    match Probe::connect(&sshd.host(change), connector).await.err().expect("it must not connect") {
        Error::Unreachable { phase, reason, help, .. } => (phase, reason.into(), help.into()),
        other => panic!("{other:?}"),
    }
}

async fn change(sshd: &Sshd, name: &str) -> LockedHost {
    connect(sshd).await.lock(name, "a story", &|_| {}).await.unwrap()
}

async fn run(change: &LockedHost, script: &str) -> host::Error {
    change.run("a script", script, 20 * SECOND, &mut |_| {}).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_one_connection_and_one_exec() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "one-exec").await;
    assert_eq!(change.probe().facts().await.unwrap().uid, 0);
    assert_eq!(change.probe().ask("words", "echo a; echo; echo b").await.unwrap(), ["a", "", "b"]);
    assert!(
        matches!(run(&change, "echo why; exit 7").await, Error::Script { status: 7, output, .. } if output == ["why"])
    );
    assert!(matches!(run(&change, "kill -KILL $$").await, Error::Script { .. } | Error::ShellLost { .. }));
    assert_eq!(
        (sshd.count("Accepted publickey"), sshd.count("Starting session: command")),
        (1, 1),
        "{}",
        sshd.log()
    );
    // A shell that is killed leaves the file, which is no lock without it.
    std::fs::remove_file("/run/provision-0-one-exec.lock").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn much_output_is_no_problem() {
    let sshd = Sshd::start("");
    let probe = connect(&sshd).await;
    let lines = probe.ask("many lines", "seq 100000; seq 100000 >&2").await.unwrap();
    assert_eq!(lines.len(), 200_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_arrive_whole_with_their_mode() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "files").await;
    change.probe().ask("nothing", ":").await.unwrap();
    for (name, content) in [("zeros", vec![0; 20 << 20]), ("noise", noise(8 << 20)), ("empty", Vec::new())] {
        let (local, remote, back) = (sshd.path("local"), sshd.path(name), sshd.path("back"));
        fs::write(&local, &content).unwrap();
        let upload = Upload::read(&local).unwrap();
        change.put(&upload, remote.to_str().unwrap(), 0o640).await.unwrap();
        assert_eq!(fs::read(&remote).unwrap(), content);
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&remote).unwrap().permissions()) & 0o777,
            0o640
        );
        assert_eq!(change.probe().get(remote.to_str().unwrap(), &back).await.unwrap(), upload.sha256());
        assert_eq!(fs::read(&back).unwrap(), content);
    }
    let upload = Upload::read(&sshd.path("local")).unwrap();
    let error = change.put(&upload, "/nowhere/at/all", 0o644).await.unwrap_err().to_string();
    assert!(error.contains("n1") && error.contains("/nowhere/at/all"), "{error}");
    let error = change.probe().get("/nowhere/at/all", &sshd.path("back")).await.unwrap_err().to_string();
    assert!(error.contains("No such file"), "{error}");
}

/// Bytes that do not shrink.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

/// A listener that sends back what it gets, and an address nobody listens on.
async fn echo() -> (std::net::SocketAddr, std::net::SocketAddr) {
    let (listener, gone) = (
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    (address, gone.local_addr().unwrap())
}

async fn dials(sshd: &Sshd) {
    let probe = connect(sshd).await;
    let (open, shut) = echo().await;
    let mut stream = probe.dial(open).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"ping").await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"ping");
    }
    let Err(Error::Dial { source, .. }) = probe.dial(shut).await else { panic!("nobody listens there") };
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused, "{source}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_through_the_connection() {
    dials(&Sshd::start("")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_through_a_command_where_sshd_forwards_nothing() {
    let sshd = Sshd::start("AllowTcpForwarding no");
    dials(&sshd).await;
    assert!(sshd.count("Starting session: command") > 1);
    // Streams that are let go leave nothing behind, neither there nor of the eight commands a connection may run.
    let probe = connect(&sshd).await;
    let (open, _) = echo().await;
    for _ in 0..20 {
        drop(probe.dial(open).await.unwrap());
    }
    let relays =
        || std::process::Command::new("pgrep").args(["-f", &format!("/dev/tcp.*{}$", open.port())]).status();
    crate::support::until("no relay is left", || !relays().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_login_prints_is_nobodys_output() {
    let noise = "echo welcome; echo to this host";
    // As a shell's own start-up file does it, for every command.
    let sshd =
        Sshd::start(&format!("ForceCommand {noise}; eval \"$SSH_ORIGINAL_COMMAND\"\nAllowTcpForwarding no"));
    let change = change(&sshd, "noise").await;
    assert_eq!(change.probe().ask("a word", "echo a").await.unwrap(), ["a"]);
    let (local, remote, back) = (sshd.path("local"), sshd.path("remote"), sshd.path("back"));
    fs::write(&local, b"content").unwrap();
    change.put(&Upload::read(&local).unwrap(), remote.to_str().unwrap(), 0o644).await.unwrap();
    change.probe().get(remote.to_str().unwrap(), &back).await.unwrap();
    assert_eq!(fs::read(&back).unwrap(), b"content");
    let (open, _) = echo().await;
    let mut stream = change.probe().dial(open).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_comes_to_no_shell_is_told_with_its_words() {
    let sshd = Sshd::start("ForceCommand echo Please login as the user centos");
    let (phase, reason, _) = fails(&sshd, &connector(&sshd), |_| {}).await;
    assert!(
        phase == Phase::Shell && reason.contains("Please login as the user centos"),
        "{phase:?} {reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_left_by_a_link_that_was_lost_without_a_word_is_taken_again() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "silent-loss").await;
    let shell = change.probe().ask("the shell", "echo $$").await.unwrap().remove(0);
    // The old session stays, as where a middlebox has forgotten the connection: its sshd stands still.
    sshd.freeze_connections();
    let again = tokio::time::timeout(90 * SECOND, async {
        loop {
            if let Ok(lines) = change.probe().ask("a word", "echo again").await {
                return lines;
            }
        }
    });
    assert_eq!(again.await.unwrap(), ["again"]);
    // Its sshd stands still and does not bury it, but what runs has an executable.
    assert!(fs::read_link(format!("/proc/{shell}/exe")).is_err(), "the shell that held the lock is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_link_is_made_again_and_the_lock_taken_again() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "lost-link").await;
    change.probe().ask("nothing", ":").await.unwrap();
    sshd.drop_connections();
    assert_eq!(change.probe().ask("a word", "echo again").await.unwrap(), ["again"]);
    let other = connect(&sshd).await.lock("lost-link", "another", &|_| {}).await;
    assert!(matches!(other.err(), Some(Error::Locked { holder, .. }) if holder == "a story"));
    let local = sshd.path("local");
    fs::write(&local, noise(1 << 20)).unwrap();
    sshd.drop_connections();
    change.put(&Upload::read(&local).unwrap(), sshd.path("remote").to_str().unwrap(), 0o644).await.unwrap();
    assert_eq!(change.probe().ask("a word", "echo again").await.unwrap(), ["again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_was_cut_off_is_not_run_twice() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "cut-off").await;
    let mut cut = |_: &str| sshd.drop_connections();
    let error =
        change.run("a script", "echo begun; sleep 2; echo done", 20 * SECOND, &mut cut).await.unwrap_err();
    assert!(matches!(error, Error::ShellLost { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_while_the_link_is_away() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "work").await;
    let counted = sshd.path("counted");
    let script = format!(
        "i=0; while [ $i -lt 60 ]; do i=$((i + 1)); echo \"line $i\"; echo >>{}; sleep 0.05; done",
        counted.display()
    );
    let mut cuts = 0;
    let mut cut = |line: &str| {
        // The last one may leave nothing to do but to tidy up.
        if line.ends_with("20") || line.ends_with("40") || line.ends_with("60") {
            cuts += 1;
            assert_eq!(works("story-count"), 1, "this check can fail");
            sshd.drop_connections();
        }
    };
    let lines = change.run_detached("counting", "story-count", &script, 20 * SECOND, &mut cut).await.unwrap();
    let expected: Vec<String> = (1..=60).map(|i| format!("line {i}")).collect();
    assert_eq!(lines, expected);
    assert_eq!((fs::read_to_string(&counted).unwrap().len(), cuts), (60, 3), "it ran once");
    assert_eq!(works("story-count"), 0, "it was tidied up");
}

/// How many works of this name the host has.
fn works(name: &str) -> usize {
    let entries = fs::read_dir("/run/provision-work").into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(name)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_was_given_up_does_not_answer_for_the_next_one() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "given-up").await;
    let error = change.run("a script", "sleep 2; echo late; exit 7", SECOND, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error:?}");
    assert_eq!(change.probe().ask("a word", "echo mine").await.unwrap(), ["mine"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_a_run_that_was_killed_is_collected() {
    let sshd = Sshd::start("");
    let file = sshd.path("ran");
    let script = format!("echo one; echo >>{}; sleep 1; echo two; exit 3", file.display());
    let first = change(&sshd, "killed").await;
    let abandoned = tokio::time::timeout(
        SECOND / 2,
        first.run_detached("it", "story-killed", &script, 20 * SECOND, &mut |_| {}),
    )
    .await;
    assert!(abandoned.is_err());
    drop(first);
    sshd.drop_connections();
    let second = change(&sshd, "killed").await;
    let error =
        second.run_detached("it", "story-killed", &script, 20 * SECOND, &mut |_| {}).await.unwrap_err();
    assert!(
        matches!(&error, Error::Script { status: 3, output, .. } if output == &["one", "two"]),
        "{error:?}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_falls_silent_is_ended() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "silent").await;
    let error = change
        .run_detached("it", "story-silent", "echo begun; sleep 317", 2 * SECOND, &mut |_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error:?}");
    let sleeps = || std::process::Command::new("pgrep").args(["-x", "-f", "sleep 317"]).status().unwrap();
    crate::support::until("nothing of it runs", || !sleeps().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_known_keys_of_hosts_pass() {
    let sshd = Sshd::start("");
    fs::write(sshd.pins(), "").unwrap();
    let (phase, reason, help) = fails(&sshd, &connector(&sshd), |_| {}).await;
    assert!(
        phase == Phase::HostKey && reason.contains("SHA256:") && help.contains("provision trust"),
        "{reason} {help}"
    );

    let accepting = Connector::new(sshd.pins(), true, Box::new(NoPrompt));
    Probe::connect(&sshd.host(|_| {}), &accepting).await.unwrap();
    connect(&sshd).await;

    let name = format!("[127.0.0.1]:{}", sshd.port);
    sshd.keygen("other", &["-t", "ed25519"]);
    let other = fs::read_to_string(sshd.path("other.pub")).unwrap();
    fs::write(sshd.pins(), format!("# one\n{name} {other}")).unwrap();
    let accepting = Connector::new(sshd.pins(), true, Box::new(NoPrompt));
    let (phase, reason, help) = fails(&sshd, &accepting, |_| {}).await;
    assert!(
        phase == Phase::HostKey && reason.contains("line 2") && help.contains("remove line 2"),
        "{reason} {help}"
    );

    let key = fs::read_to_string(sshd.path("host_ed25519.pub")).unwrap();
    fs::write(sshd.pins(), format!("{name} {key}@revoked * {key}")).unwrap();
    let (phase, reason, _) = fails(&sshd, &connector(&sshd), |_| {}).await;
    assert!(phase == Phase::HostKey && reason.contains("revoked"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kind_of_key_on_file_is_asked_for_first() {
    let sshd = Sshd::start("");
    sshd.keygen("host_rsa", &["-t", "rsa", "-b", "2048"]);
    let mut sshd = sshd;
    sshd.stop();
    let config = fs::read_to_string(sshd.path("sshd_config")).unwrap();
    fs::write(sshd.path("sshd_config"), format!("HostKey {}\n{config}", sshd.path("host_rsa").display()))
        .unwrap();
    sshd.run();
    let key = fs::read_to_string(sshd.path("host_rsa.pub")).unwrap();
    fs::write(sshd.pins(), format!("[127.0.0.1]:{} {key}", sshd.port)).unwrap();
    connect(&sshd).await;
    let (keys, failed) = connector(&sshd).host_keys(&sshd.host(|_| {})).await;
    assert!(failed.is_none());
    let kinds: Vec<&str> = keys.iter().map(|shown| shown.key.kind.as_str()).collect();
    assert_eq!(kinds, ["ssh-ed25519", "ssh-rsa"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_vouches_for_hosts() {
    let mut sshd = Sshd::start("");
    sshd.stop();
    sshd.keygen("authority", &["-t", "ed25519"]);
    let authority = fs::read_to_string(sshd.path("authority.pub")).unwrap();
    fs::write(sshd.pins(), format!("@cert-authority * {authority}")).unwrap();
    let config = fs::read_to_string(sshd.path("sshd_config")).unwrap();
    let certificate = sshd.path("host_ed25519-cert.pub");
    fs::write(sshd.path("sshd_config"), format!("HostCertificate {}\n{config}", certificate.display()))
        .unwrap();
    sshd.certify("127.0.0.1", &[]);
    sshd.run();
    connect(&sshd).await;
    // A certificate that does not count leaves the key in it, which may be on file (ssh(1)).
    sshd.certify("elsewhere", &[]);
    sshd.stop();
    sshd.run();
    let key = fs::read_to_string(sshd.path("host_ed25519.pub")).unwrap();
    let name = format!("[127.0.0.1]:{}", sshd.port);
    fs::write(sshd.pins(), format!("@cert-authority * {authority}{name} {key}")).unwrap();
    connect(&sshd).await;
    // One for a revoked key counts for nothing, whoever signed it.
    sshd.certify("127.0.0.1", &[]);
    sshd.stop();
    sshd.run();
    fs::write(sshd.pins(), format!("@cert-authority * {authority}@revoked * {key}")).unwrap();
    let (phase, reason, _) = fails(&sshd, &connector(&sshd), |_| {}).await;
    assert!(phase == Phase::HostKey && reason.contains("revoked"), "{reason}");
    fs::write(sshd.pins(), format!("@cert-authority * {authority}")).unwrap();
    for (principal, more, word) in
        [("elsewhere", &[][..], "elsewhere"), ("127.0.0.1", &["-V", "-2d:-1d"][..], "not valid")]
    {
        sshd.stop();
        sshd.certify(principal, more);
        sshd.run();
        let (phase, reason, _) = fails(&sshd, &connector(&sshd), |_| {}).await;
        assert!(phase == Phase::HostKey && reason.contains(word), "{reason}");
    }
}

/// Answers every question the same, and counts them.
struct Answers(SecretString, std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Prompt for Answers {
    fn secret(&self, _: &str) -> Option<SecretString> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Some(self.0.clone())
    }

    fn notice(&self, _: &str, _: &str) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_all_kinds_open_the_door() {
    let sshd = Sshd::start("");
    for (name, args) in [("ecdsa", &["-t", "ecdsa"][..]), ("rsa", &["-t", "rsa", "-b", "2048"][..])] {
        sshd.keygen(name, args);
        sshd.allow(&sshd.path(&format!("{name}.pub")));
        Probe::connect(&sshd.host(|ssh| ssh.identity = vec![sshd.path(name)]), &connector(&sshd))
            .await
            .unwrap();
    }
    sshd.keygen("certified", &["-t", "ed25519"]);
    sshd.keygen("authority", &["-t", "ed25519"]);
    let mut command = std::process::Command::new("ssh-keygen");
    command.args(["-q", "-s"]).arg(sshd.path("authority")).args(["-I", "me", "-n", "root"]);
    assert!(command.arg(sshd.path("certified.pub")).status().unwrap().success());
    let authority = fs::read_to_string(sshd.path("authority.pub")).unwrap();
    fs::write(sshd.path("authorized_keys"), format!("cert-authority {authority}")).unwrap();
    Probe::connect(&sshd.host(|ssh| ssh.identity = vec![sshd.path("certified")]), &connector(&sshd))
        .await
        .unwrap();
    let (phase, reason, help) = fails(&sshd, &connector(&sshd), |_| {}).await;
    assert!(
        phase == Phase::Authentication && reason.contains("id_ed25519") && reason.contains("publickey"),
        "{reason}"
    );
    let words = format!("ssh -v -o 'UserKnownHostsFile={}' -p {}", sshd.pins().display(), sshd.port);
    assert!(help.contains(&words), "{help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_for_once_or_comes_from_a_file() {
    let sshd = Sshd::start("");
    sshd.keygen("locked", &["-t", "ed25519", "-N", "open sesame"]);
    sshd.allow(&sshd.path("locked.pub"));
    let locked = |ssh: &mut Ssh| ssh.identity = vec![sshd.path("locked")];
    let asked = std::sync::Arc::default();
    let answers = Answers("open sesame".to_owned().into(), std::sync::Arc::clone(&asked));
    let connector = Connector::new(sshd.pins(), false, Box::new(answers));
    let host = sshd.host(locked);
    let (one, two) = tokio::join!(Probe::connect(&host, &connector), Probe::connect(&host, &connector));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);

    fs::write(sshd.path("passphrase"), "open sesame\n").unwrap();
    let kept = Credential::Kept(SecretSource::File(sshd.path("passphrase")));
    let nobody = Connector::new(sshd.pins(), false, Box::new(NoPrompt));
    let with =
        |ssh: &mut Ssh| (ssh.identity, ssh.passphrase) = (vec![sshd.path("locked")], Some(kept.clone()));
    Probe::connect(&sshd.host(with), &nobody).await.unwrap();
    fs::write(sshd.path("passphrase"), "wrong\n").unwrap();
    let nobody = Connector::new(sshd.pins(), false, Box::new(NoPrompt));
    let (phase, reason, _) = fails(&sshd, &nobody, with).await;
    assert!(phase == Phase::Authentication && reason.contains("passphrase"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_is_connected_to_once() {
    let (bastion, target) = (Sshd::start(""), Sshd::start(""));
    let pins = target.path("all_pins");
    let lines = [bastion.pins(), target.pins()].map(|file| fs::read_to_string(file).unwrap());
    fs::write(&pins, lines.concat()).unwrap();
    target.allow(&bastion.path("id_ed25519.pub"));
    let via = format!("root@127.0.0.1:{}", bastion.port);
    let through = |ssh: &mut Ssh| {
        ssh.via = Some(vec![via.clone()]);
        ssh.identity = vec![bastion.path("id_ed25519")];
    };
    let connector = Connector::new(pins, false, Box::new(NoPrompt));
    let host = target.host(through);
    let probes = futures_util::future::join_all((0..4).map(|_| Probe::connect(&host, &connector))).await;
    for probe in &probes {
        assert_eq!(probe.as_ref().ok().unwrap().ask("a word", "echo hello").await.unwrap(), ["hello"]);
    }
    assert_eq!((bastion.count("Accepted publickey"), target.count("Accepted publickey")), (1, 4));
    let unknown = Connector::new(bastion.path("nothing"), false, Box::new(NoPrompt));
    let (phase, reason, _) = fails(&target, &unknown, through).await;
    assert!(phase == Phase::HostKey && reason.contains("jump host"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_hosts_behind_one_jump_host_wait_for_each_other_only() {
    let (bastion, target) = (Sshd::start(""), Sshd::start("MaxStartups 100"));
    let pins = target.path("all_pins");
    let lines = [bastion.pins(), target.pins()].map(|file| fs::read_to_string(file).unwrap());
    fs::write(&pins, lines.concat()).unwrap();
    target.allow(&bastion.path("id_ed25519.pub"));
    let via = format!("root@127.0.0.1:{}", bastion.port);
    let connector = Connector::new(pins, false, Box::new(NoPrompt));
    let through = |ssh: &mut Ssh| {
        (ssh.via, ssh.identity) = (Some(vec![via.clone()]), vec![bastion.path("id_ed25519")]);
    };
    let hosts: Vec<_> = (0..40).map(|_| target.host(through)).collect();
    let all = futures_util::future::join_all(hosts.iter().map(|host| Probe::connect(host, &connector)));
    let probes = tokio::time::timeout(300 * SECOND, all).await.expect("they wait for each other");
    assert_eq!(probes.iter().filter(|probe| probe.is_ok()).count(), 40);
    assert_eq!(bastion.count("Accepted publickey"), 1);
    drop(probes);

    // One that lets nobody in is asked once for all.
    let wrong = |ssh: &mut Ssh| {
        (ssh.via, ssh.identity) = (Some(vec![via.clone()]), vec![target.path("id_ed25519")]);
    };
    let connector = Connector::new(target.path("all_pins"), false, Box::new(NoPrompt));
    let hosts: Vec<_> = (0..4).map(|_| target.host(wrong)).collect();
    for refused in
        futures_util::future::join_all(hosts.iter().map(|host| Probe::connect(host, &connector))).await
    {
        let said = refused.err().unwrap().to_string();
        assert!(said.contains("jump host") && said.contains("authentication failed"), "{said}");
    }
    until("it is logged", || bastion.count("Failed publickey") > 0);
    assert_eq!(bastion.count("Failed publickey"), 1, "{}", bastion.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_jump_hosts_are_shown_before_those_behind_them() {
    let (bastion, target) = (Sshd::start(""), Sshd::start(""));
    target.allow(&bastion.path("id_ed25519.pub"));
    let via = format!("root@127.0.0.1:{}", bastion.port);
    let host = target.host(|ssh| {
        (ssh.via, ssh.identity) = (Some(vec![via.clone()]), vec![bastion.path("id_ed25519")]);
    });
    let pins = bastion.path("empty");
    let (keys, failed) = Connector::new(pins.clone(), false, Box::new(NoPrompt)).host_keys(&host).await;
    assert!(failed.unwrap().to_string().contains("jump host"));
    assert!(keys.len() == 1 && keys[0].jump && keys[0].port == bastion.port);
    host::pin(&pins, &keys[0].address, keys[0].port, &keys[0].key).unwrap();
    let (keys, failed) = Connector::new(pins, false, Box::new(NoPrompt)).host_keys(&host).await;
    assert!(failed.is_none());
    assert_eq!(keys.iter().map(|shown| shown.port).collect::<Vec<_>>(), [bastion.port, target.port]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_names_its_phase() {
    let mut sshd = Sshd::start("");
    let connector = connector(&sshd);
    let (phase, _, help) =
        fails(&sshd, &connector, |ssh| ssh.identity = vec![PathBuf::from("/no/key")]).await;
    assert!(phase == Phase::Authentication && help.contains("ssh-keygen"), "{help}");
    let mut host = sshd.host(|_| {});
    host.address = provision::inventory::Address::Remote("no-such-host.invalid".to_owned());
    let Err(Error::Unreachable { phase: Phase::Resolve, .. }) = Probe::connect(&host, &connector).await
    else {
        panic!()
    };
    sshd.stop();
    let (phase, reason, _) = fails(&sshd, &connector, |_| {}).await;
    assert!(phase == Phase::Tcp && reason.contains("refused"), "{reason}");
    let listener = std::net::TcpListener::bind(("127.0.0.1", sshd.port)).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").unwrap();
    });
    let (phase, reason, _) = fails(&sshd, &connector, |_| {}).await;
    assert!(matches!(phase, Phase::Banner | Phase::Tcp), "{phase:?} {reason}");
    server.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn algorithms_that_do_not_meet_are_listed() {
    let sshd = Sshd::start("KexAlgorithms diffie-hellman-group14-sha1\nMACs hmac-sha1\nCiphers aes256-ctr");
    let (phase, reason, help) = fails(&sshd, &connector(&sshd), |_| {}).await;
    assert!(
        phase == Phase::KeyExchange && reason.contains("diffie-hellman-group14-sha1"),
        "{phase:?} {reason}"
    );
    assert!(help.contains("legacy = true"), "{help}");
    Probe::connect(&sshd.host(|ssh| ssh.legacy = true), &connector(&sshd)).await.unwrap();
}
