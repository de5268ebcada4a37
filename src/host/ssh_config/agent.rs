//! Which agent signs (`IdentityAgent`).

use std::path::PathBuf;

use super::tokens::Tokens;

/// Which agent signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::host) enum Agent {
    /// The one that `SSH_AUTH_SOCK` names.
    Environment,
    Socket(PathBuf),
    None,
}

impl Agent {
    pub(super) fn parse(setting: Option<&str>, tokens: &Tokens<'_>) -> Result<Self, String> {
        match setting {
            None | Some("SSH_AUTH_SOCK") => Ok(Self::Environment),
            Some("none") => Ok(Self::None),
            Some(variable) if variable.starts_with('$') && !variable.starts_with("${") => {
                tokens.path(&format!("${{{}}}", &variable[1..])).map(Self::Socket)
            }
            Some(socket) => tokens.path(socket).map(Self::Socket),
        }
    }
}
