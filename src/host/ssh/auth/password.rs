//! Logging in with a password.

use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Interactive},
};

use super::refusal::{failed, lost};
use crate::{
    host::{
        connect_error::ConnectError, connector::Connector, ssh::host_key::HostKeyVerifier,
        ssh_config::SshConfig,
    },
    secret::{ExposeSecret, SecretString},
};

/// Whether a server that accepts these methods takes a password.
pub(super) fn is_accepted(methods: &MethodSet) -> bool {
    [MethodKind::Password, MethodKind::KeyboardInteractive].iter().any(|method| methods.contains(method))
}

/// The password of the inventory, which the user may have to type; `None` where the inventory has none.
pub(in crate::host::ssh) async fn get(
    config: &SshConfig,
    connector: &Connector,
) -> Result<Option<SecretString>, ConnectError> {
    let Some(credential) = &config.ssh.password else { return Ok(None) };
    let question = format!("password of {}", config.user);
    let password = connector.secret(Some(credential), &question).await.map_err(lost)?;
    let no_prompt = || {
        failed("its password was asked for, and there is no terminal to type it on")
            .hint("keep it in a file or a variable: [ssh] password = { file = \"…\" }")
    };
    password.ok_or_else(no_prompt).map(Some)
}

/// The password that was had before the connection, else as [`get`] has it.
pub(super) async fn or_get(
    known: Option<SecretString>,
    config: &SshConfig,
    connector: &Connector,
) -> Result<Option<SecretString>, ConnectError> {
    match known {
        Some(password) => Ok(Some(password)),
        None => get(config, connector).await,
    }
}

/// Sends the password by one of the two methods the server accepts; in keyboard-interactive, as the answer to
/// each prompt that does not echo. `methods` are those that the server accepts, and accepts after a refusal.
pub(super) async fn send(
    handle: &mut Handle<HostKeyVerifier>,
    user: &str,
    methods: &mut MethodSet,
    password: &SecretString,
) -> Result<bool, ConnectError> {
    if methods.contains(&MethodKind::Password) {
        match handle.authenticate_password(user, password.expose_secret()).await.map_err(lost)? {
            AuthResult::Success => return Ok(true),
            AuthResult::Failure { remaining_methods, .. } => *methods = remaining_methods,
        }
    }
    if !methods.contains(&MethodKind::KeyboardInteractive) {
        return Ok(false);
    }
    let mut answer = handle.authenticate_keyboard_interactive_start(user, None).await.map_err(lost)?;
    // Two rounds: the question, and an empty one after it.
    for _ in 0..3 {
        answer = match answer {
            Interactive::Success => return Ok(true),
            Interactive::Failure { .. } => return Ok(false),
            Interactive::InfoRequest { prompts, .. } => {
                let hidden = prompts.iter().map(|prompt| !prompt.echo);
                let given = |hidden| if hidden { password.expose_secret().to_owned() } else { String::new() };
                let answers = hidden.map(given).collect();
                handle.authenticate_keyboard_interactive_respond(answers).await.map_err(lost)?
            }
        };
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_of_two_methods_takes_a_password() {
        let accepted = |kinds: &[MethodKind]| is_accepted(&MethodSet::from(kinds));
        assert!(accepted(&[MethodKind::PublicKey, MethodKind::Password]));
        assert!(accepted(&[MethodKind::KeyboardInteractive]));
        assert!(!accepted(&[MethodKind::PublicKey, MethodKind::HostBased]) && !accepted(&[]));
    }
}
