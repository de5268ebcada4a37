//! A public key of a host, and what the files of known hosts say about it.

use std::{fmt, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64, engine::general_purpose::STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// A public key as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, …
    pub kind: String,
    /// The key in the encoding of RFC 4253, which begins with its kind.
    pub blob: Vec<u8>,
}

impl Key {
    /// `SHA256:…` as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }
}

impl fmt::Display for Key {
    /// As it is written in files: `ssh-ed25519 AAAA…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, BASE64.encode(&self.blob))
    }
}

/// Whether a key belongs to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Trusted,
    /// Nothing is on file for this host.
    Unknown,
    /// Other keys are on file for it; the first, of the same kind where there is one.
    Changed {
        file: PathBuf,
        line: usize,
        kind: String,
    },
    Revoked {
        file: PathBuf,
        line: usize,
    },
}

/// A key that a server showed to a scan, which trusts nothing.
#[derive(Debug, Clone)]
pub struct ScannedKey {
    /// The name it is pinned under.
    pub address: String,
    /// The port it is pinned under.
    pub port: u16,
    /// The key that was shown.
    pub key: Key,
    /// What the user's own files and the machine's say about it.
    pub user_verdict: Decision,
    /// Whether it is the key of a jump host.
    pub jump: bool,
}
