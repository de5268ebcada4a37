//! The user's own configuration, as `ssh -G` resolves it.

use std::{path::Path, time::Duration};

use tokio::{process::Command, time::timeout};

use crate::{
    inventory,
    secret::{Credential, SecretSource},
};

/// How long `ssh -G` may take; a `Match exec` in the user's configuration may be slow.
const SSH_G_TIMEOUT: Duration = Duration::from_secs(10);

/// The answer of `ssh -G`: a line `key value` for each setting; empty where there is no `ssh`.
pub(super) async fn run_ssh_g(address: &str, ssh: &inventory::Ssh) -> Result<String, String> {
    #[expect(clippy::disallowed_methods, reason = "it does not connect: it prints the user's configuration")]
    let mut command = Command::new("ssh");
    command.arg("-G");
    // Its environment stays but for secrets: the user's configuration may name variables.
    for credential in [&ssh.password, &ssh.passphrase, &ssh.sudo].into_iter().flatten() {
        if let Credential::Kept(SecretSource::Env(name)) = credential {
            command.env_remove(name);
        }
    }
    if let Some(user) = &ssh.user {
        command.args(["-l", user]);
    }
    command.args(["--", address]).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = match timeout(SSH_G_TIMEOUT, command.output()).await {
        Err(_) => {
            return Err(format!("`ssh -G {address}` gave no answer within {}s", SSH_G_TIMEOUT.as_secs()));
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Ok(Err(error)) => return Err(format!("`ssh -G {address}` could not be run: {error}")),
        Ok(Ok(output)) => output,
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("`ssh -G {address}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Whether the configuration has settings that an inventory cannot have: where host keys, certificates and
/// the agent are.
pub(super) fn needs_ssh_g(home: &Path) -> bool {
    const KEYWORDS: [&str; 7] = [
        "certificatefile",
        "globalknownhostsfile",
        "hostkeyalias",
        "identityagent",
        "include",
        "revokedhostkeys",
        "userknownhostsfile",
    ];
    // Every distribution's own file includes these.
    let parts = std::fs::read_dir("/etc/ssh/ssh_config.d").into_iter().flatten().flatten();
    let files = [home.join(".ssh/config"), "/etc/ssh/ssh_config".into()];
    files.into_iter().chain(parts.map(|part| part.path())).any(|file| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().filter(|line| line.trim() != "Include /etc/ssh/ssh_config.d/*.conf").any(|line| {
            let keyword = line.trim().split(|c: char| c.is_whitespace() || c == '=').next();
            keyword.is_some_and(|keyword| KEYWORDS.contains(&keyword.to_ascii_lowercase().as_str()))
        })
    })
}
