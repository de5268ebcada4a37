//! This machine as a host: the same scripts, through a child `sh` instead of an SSH channel.

use std::{io, net::SocketAddr, path::Path, process::Stdio};

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    process::{ChildStdin, Command},
};

use super::{
    environment,
    error::{Error, Result},
    put,
    shell::{Shell, sentinel},
    stream::Stream,
    upload::Upload,
};
use crate::{hashed_copy::HashedCopy, units::HostName};

pub(super) struct Local;

impl Local {
    /// Starts the shell. It gets a process group of its own, so that Ctrl-C reaches provision and not a
    /// script half-way through; it ends when its standard input closes.
    pub(super) fn shell(host: &HostName) -> Result<Shell> {
        let no_shell = |source| Error::NoShell { host: host.clone(), source };
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
        Ok(Shell::new(stdin, stdout, sentinel().map_err(no_shell)?))
    }

    pub(super) async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    pub(super) async fn get(&self, remote: &str, local: &Path) -> Result<String, String> {
        let text = |e: io::Error| e.to_string();
        let mut child = sh()
            .args(["-c", r#"exec cat -- "$1""#, "sh", remote])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(text)?;
        let mut stdout = child.stdout.take().ok_or("no output")?;
        let mut copy = HashedCopy::begin(local).map_err(text)?;
        copy.receive(&mut stdout, None).await.map_err(|error| error.to_string())?;
        if !child.wait().await.map_err(text)?.success() {
            return Err("it could not be read".to_owned());
        }
        copy.persist().map_err(text)
    }

    pub(super) async fn put(&self, upload: &Upload, remote: &str, mode: u32) -> Result<(), String> {
        let text = |e: io::Error| e.to_string();
        let mut child = sh()
            .args([
                "-c",
                &put::script(),
                "sh",
                remote,
                &format!("{mode:o}"),
                upload.sha256(),
                &upload.bytes().len().to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(text)?;
        let stdin = child.stdin.take().ok_or("no input")?;
        // A script that ends early closes the pipe; its error output says why, not the broken pipe.
        let (_, output) = tokio::join!(feed(stdin, upload.bytes()), child.wait_with_output());
        let output = output.map_err(text)?;
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
    environment::clear(&mut command).process_group(0).stderr(Stdio::piped()).kill_on_drop(false);
    command
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_file_is_put_with_its_mode_and_got_back_with_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let [source, target, back] = ["source", "target", "back"].map(|name| folder.path().join(name));
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(&source, "content\n").unwrap();
        let upload = Upload::read(&source).unwrap();
        Local.put(&upload, target.to_str().unwrap(), 0o640).await.unwrap();
        assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(Local.get(target.to_str().unwrap(), &back).await.unwrap(), upload.sha256());
        assert_eq!(std::fs::read(&back).unwrap(), b"content\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing temporary is left");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_or_written_is_an_error_that_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let [source, target] = ["source", "target"].map(|name| folder.path().join(name));
        assert!(Local.get(source.to_str().unwrap(), &target).await.is_err());
        assert!(!target.exists());
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(&source, "content\n").unwrap();
        let nowhere = folder.path().join("missing/target");
        let upload = Upload::read(&source).unwrap();
        let reason = Local.put(&upload, nowhere.to_str().unwrap(), 0o600).await.unwrap_err();
        assert!(!reason.is_empty());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
