//! This machine as a host: the same scripts, through a child `sh` instead of an SSH channel.

use std::{io, net::SocketAddr, path::Path, process::Stdio};

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    process::{ChildStdin, Command},
};

use super::{
    Error, Result, Stream, Upload, put,
    shell::{self, Shell},
};
use crate::hashed_copy::HashedCopy;

pub(super) struct Local;

impl Local {
    /// Starts the shell. It gets a process group of its own, so that Ctrl-C reaches provision and not a script
    /// half-way through; it ends by itself when its standard input closes.
    pub(super) fn shell(host: &str) -> Result<Shell> {
        let no_shell = |source| Error::NoShell { host: host.to_owned(), source };
        let mut child = sh()
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(no_shell)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(no_shell(io::Error::other("its pipes are missing")));
        };
        tokio::spawn(async move { child.wait().await });
        Ok(Shell::new(stdin, stdout, shell::sentinel().map_err(no_shell)?))
    }

    pub(super) async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    pub(super) async fn get(&self, remote: &str, local: &Path) -> Result<String, String> {
        let say = |e: io::Error| e.to_string();
        let mut child = sh()
            .args(["-c", r#"exec cat -- "$1""#, "sh", remote])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(say)?;
        let mut stdout = child.stdout.take().ok_or("no output")?;
        let mut copy = HashedCopy::begin(local).map_err(say)?;
        copy.receive(&mut stdout, None).await.map_err(|error| error.to_string())?;
        if !child.wait().await.map_err(say)?.success() {
            return Err("it could not be read".to_owned());
        }
        copy.persist().map_err(say)
    }

    pub(super) async fn put(&self, upload: &Upload, remote: &str, mode: u32) -> Result<(), String> {
        let say = |e: io::Error| e.to_string();
        let mut child = sh()
            .args([
                "-c",
                put::SCRIPT,
                "sh",
                remote,
                &format!("{mode:o}"),
                upload.sha256(),
                &upload.bytes().len().to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(say)?;
        let stdin = child.stdin.take().ok_or("no input")?;
        // A script that ends early closes the pipe; its own words say why, not the broken pipe.
        let (_, output) = tokio::join!(feed(stdin, upload.bytes()), child.wait_with_output());
        let output = output.map_err(say)?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

async fn feed(mut stdin: ChildStdin, bytes: &[u8]) -> io::Result<()> {
    stdin.write_all(bytes).await?;
    stdin.shutdown().await
}

fn sh() -> Command {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts a local process")]
    let mut command = Command::new("sh");
    command.process_group(0).env("LC_ALL", "C").stderr(Stdio::piped()).kill_on_drop(false);
    command
}
