//! The environment of the processes that are started on this machine: nothing of it but what tools need. A
//! password that the inventory names as a variable would else be in the environment of every command, and of
//! `make` on a source that was downloaded.

use std::env::vars_os;

use tokio::process::Command;

/// Where tools are, who the user is, where files belong, how a network is reached, and where the agent is.
const KEPT: [&str; 24] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// Clears the environment of a process that is to be started; its messages are in English.
pub(super) fn clear(command: &mut Command) -> &mut Command {
    command.env_clear();
    command.envs(vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| KEPT.contains(&name))));
    command.env("LC_ALL", "C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_has_what_tools_need_and_nothing_else() {
        #[expect(clippy::disallowed_methods, reason = "the process whose environment is looked at")]
        let mut command = Command::new("env");
        command.env("ORDERS_PASSWORD", "hunter2");
        let output = clear(&mut command).output().await.unwrap().stdout;
        let output = String::from_utf8(output).unwrap();
        let names: Vec<&str> = output.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        assert!(names.contains(&"PATH") && names.contains(&"LC_ALL"), "{names:?}");
        // Tests run under cargo, which sets variables of its own.
        assert!(vars_os().any(|(name, _)| name == "CARGO_MANIFEST_DIR"));
        assert!(names.iter().all(|name| KEPT.contains(name) || *name == "LC_ALL"), "{names:?}");
    }
}
