//! Tokens and variables in the answers of `ssh -G` (`ssh_config(5)`, TOKENS).

use std::path::{Path, PathBuf};

/// The values of tokens: `ssh -G` leaves some of them as they are written.
pub(super) struct Tokens<'a> {
    pub(super) home: &'a Path,
    /// The address in the inventory.
    pub(super) name: &'a str,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    /// Our own account.
    pub(super) local_user: &'a str,
    pub(super) alias: Option<&'a str>,
}

impl Tokens<'_> {
    pub(super) fn path(&self, text: &str) -> Result<PathBuf, String> {
        let text = self.expand(text)?;
        Ok(text.strip_prefix("~/").map_or_else(|| PathBuf::from(&text), |rest| self.home.join(rest)))
    }

    /// Paths of files; `none` is no file.
    pub(super) fn paths(&self, files: Vec<&str>) -> Result<Vec<PathBuf>, String> {
        files.into_iter().filter(|file| *file != "none").map(|file| self.path(file)).collect()
    }

    pub(super) fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            let (before, token) = rest.split_at(at);
            expanded.push_str(before);
            let (value, length) = self.token(token, text)?;
            expanded.push_str(&value);
            rest = &token[length..];
        }
        Ok(expanded + rest)
    }

    /// The value of the token at the beginning, and its length.
    fn token(&self, text: &str, whole: &str) -> Result<(String, usize), String> {
        if let Some((name, _)) = text.strip_prefix("${").and_then(|inner| inner.split_once('}')) {
            #[expect(clippy::disallowed_methods, reason = "the user's ssh configuration names the variable")]
            let value = std::env::var(name);
            let value = value.map_err(|_| format!("`{whole}` names a variable that is not set"))?;
            return Ok((value, name.len() + 3));
        }
        let value = match text.as_bytes().get(..2) {
            Some(b"%%") => "%".to_owned(),
            Some(b"%d") => self.home.display().to_string(),
            Some(b"%h") => self.host.to_owned(),
            Some(b"%k") => self.alias.unwrap_or(self.host).to_owned(),
            Some(b"%n") => self.name.to_owned(),
            Some(b"%p") => self.port.to_string(),
            Some(b"%r") => self.user.to_owned(),
            Some(b"%u") => self.local_user.to_owned(),
            Some(b"%i") => rustix::process::getuid().as_raw().to_string(),
            _ if text.starts_with('$') => return Ok(("$".to_owned(), 1)),
            _ => return Err(format!("a token in `{whole}` is not supported here; write its value instead")),
        };
        Ok((value, 2))
    }
}
