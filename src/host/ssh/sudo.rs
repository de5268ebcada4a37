//! Becoming root: one sudo for a whole script. The password goes down standard input, and only after sudo asked for it in
//! words that nobody else can say.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::{
    connection::Connection,
    exec::{End, Exec, after},
};
use crate::{
    host::{
        Connector,
        connect_error::{ConnectError, Phase},
        shell,
        ssh_config::SshConfig,
    },
    secret::ExposeSecret,
};

/// How long sudo may take to ask, and then to let us in; a wrong password alone costs some seconds.
const ADMIT: Duration = Duration::from_secs(30);

pub(super) struct Sudo<'a> {
    pub(super) config: &'a SshConfig,
    pub(super) connector: &'a Connector,
}

impl Sudo<'_> {
    /// Starts a script as root. Returns what it has printed already.
    pub(super) async fn start(
        &self,
        connection: &Connection,
        script: &str,
        args: &str,
        terminal: bool,
    ) -> Result<(Exec, Vec<u8>), ConnectError> {
        let nonce = shell::sentinel().map_err(|error| ConnectError::new(Phase::Sudo, error.to_string()))?;
        // sudo may give the script a terminal of its own, with all the habits of one.
        let raw = if terminal { "stty raw -echo 2>/dev/null; " } else { "" };
        let command = format!(
            "exec env LC_ALL=C sudo -H -S -p '{nonce}?' -- sh -c '{raw}LC_ALL=C; export LC_ALL; echo {nonce}!; {script}' sh{args}"
        );
        let mut exec = Exec::start(connection, &command, terminal).await?;
        let before = self.admitted(&mut exec, &nonce).await?;
        Ok((exec, before))
    }

    /// Waits until the script speaks; answers sudo's question on the way. Whoever types the answer is not hurried.
    async fn admitted(&self, exec: &mut Exec, nonce: &str) -> Result<Vec<u8>, ConnectError> {
        let (question, hello) = (format!("{nonce}?"), format!("{nonce}!"));
        let (mut said, mut asked) = (Vec::new(), 0);
        let mut errors = exec.errors.watch();
        let mut buffer = [0; 4096];
        let mut deadline = Instant::now() + ADMIT;
        loop {
            if let Some(rest) = after(&said, &hello) {
                return Ok(rest);
            }
            let questions = count(exec.errors.text().as_bytes(), &question) + count(&said, &question);
            if questions > asked {
                asked = questions;
                self.answer(exec, asked).await?;
                deadline = Instant::now() + ADMIT;
            }
            let late =
                || ConnectError::new(Phase::Sudo, "it neither asked nor let us in within 30s").transient();
            tokio::select! {
                read = timeout_at(deadline, exec.stdout.read(&mut buffer)) => match read {
                    Ok(Ok(n)) if n > 0 => said.extend_from_slice(&buffer[..n]),
                    Ok(_) => return Err(self.refused(exec, &said, &question).await),
                    Err(_) => return Err(late()),
                },
                _ = errors.changed() => {}
            }
        }
    }

    async fn answer(&self, exec: &mut Exec, times: usize) -> Result<(), ConnectError> {
        let user = &self.config.user;
        if times > 1 {
            return Err(ConnectError::new(Phase::Sudo, format!("it does not take the password of {user}"))
                .hint("correct what `sudo` under [ssh] names, or type it again"));
        }
        let question = format!("password of {user} for sudo");
        let password = self.connector.secret(self.config.ssh.sudo.as_ref(), &question).await;
        let password = password.map_err(|error| ConnectError::new(Phase::Sudo, error.to_string()))?.ok_or_else(|| {
            ConnectError::new(Phase::Sudo, format!("it wants the password of {user}, and nobody is there to give it"))
                .hint("keep it in a file or a variable: [ssh] sudo = { file = \"…\" }, or allow NOPASSWD in sudoers")
        })?;
        let lost = |error: std::io::Error| ConnectError::new(Phase::Sudo, error.to_string()).transient();
        let mut stdin = exec.writer();
        stdin.write_all(password.expose_secret().as_bytes()).await.map_err(lost)?;
        stdin.write_all(b"\n").await.map_err(lost)?;
        stdin.flush().await.map_err(lost)
    }

    async fn refused(&self, exec: &mut Exec, said: &[u8], question: &str) -> ConnectError {
        let end = exec.ended().await;
        let text = format!("{}\n{}", exec.errors.text(), String::from_utf8_lossy(said)).replace(question, "");
        let text: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match (text.is_empty(), end) {
            (true, End::Lost) => ConnectError::new(Phase::Sudo, "the connection was lost").transient(),
            (true, end) => ConnectError::new(Phase::Sudo, format!("it ended without a word ({end:?})")),
            (false, _) => ConnectError::new(Phase::Sudo, text.join("; ")),
        }
    }
}

fn count(text: &[u8], word: &str) -> usize {
    text.windows(word.len()).filter(|window| *window == word.as_bytes()).count()
}
