//! Which host keys are believed: the rules of OpenSSH's `known_hosts` (see its chapter in sshd(8)), decided
//! strictly. A host that is on file is only believed with a key that is on file for it.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64, engine::general_purpose::STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::inventory::glob;

/// A public key as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, …
    pub kind: String,
    pub blob: Vec<u8>,
}

impl Key {
    /// `SHA256:…` as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }
}

impl fmt::Display for Key {
    /// As it stands in files: `ssh-ed25519 AAAA…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, BASE64.encode(&self.blob))
    }
}

/// Whether a host is who it says.
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

/// All lines of all files.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    file: Arc<Path>,
    number: usize,
    marker: Marker,
    names: HostPatterns,
    key: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    Authority,
}

#[derive(Debug, Clone)]
enum HostPatterns {
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
    Patterns(String),
}

impl KnownHosts {
    /// Reads files in this order. One that is missing is empty; one that cannot be read is an error, since what it says
    /// may be that a key is revoked.
    pub fn load(files: &[PathBuf]) -> io::Result<Self> {
        let mut lines = Vec::new();
        for file in files {
            let bytes = match std::fs::read(file) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(io::Error::new(error.kind(), format!("{}: {error}", file.display())));
                }
            };
            let (name, text): (Arc<Path>, _) = (Arc::from(file.as_path()), String::from_utf8_lossy(&bytes));
            lines.extend(text.lines().enumerate().filter_map(|(index, line)| parse(&name, index + 1, line)));
        }
        Ok(Self { lines })
    }

    /// Whether a host may have this key.
    pub fn decide(&self, host: &str, port: u16, key: &Key) -> Decision {
        if let Some(line) = self.of(host, port, Marker::Revoked).find(|line| line.key == *key) {
            return Decision::Revoked { file: line.file.to_path_buf(), line: line.number };
        }
        let mut other: Option<&Line> = None;
        for line in self.of(host, port, Marker::None) {
            if line.key == *key {
                return Decision::Trusted;
            }
            let same_kind = |line: &Line| line.key.kind == key.kind;
            if other.is_none_or(|other| same_kind(line) && !same_kind(other)) {
                other = Some(line);
            }
        }
        other.map_or(Decision::Unknown, |line| Decision::Changed {
            file: line.file.to_path_buf(),
            line: line.number,
            kind: line.key.kind.clone(),
        })
    }

    /// Whether this key may vouch for a host by a certificate.
    pub fn authority(&self, host: &str, port: u16, authority: &Key) -> Decision {
        if let Some(line) = self.of(host, port, Marker::Revoked).find(|line| line.key == *authority) {
            return Decision::Revoked { file: line.file.to_path_buf(), line: line.number };
        }
        let known = self.of(host, port, Marker::Authority).any(|line| line.key == *authority);
        if known { Decision::Trusted } else { Decision::Unknown }
    }

    /// Whether certificates can be judged for a host.
    pub fn has_authority(&self, host: &str, port: u16) -> bool {
        self.of(host, port, Marker::Authority).next().is_some()
    }

    /// The kinds of keys on file for a host, in the order of the files: those a server is to be asked for first.
    pub fn key_types(&self, host: &str, port: u16) -> Vec<String> {
        let mut kinds: Vec<String> = Vec::new();
        for line in self.of(host, port, Marker::None) {
            if !kinds.contains(&line.key.kind) {
                kinds.push(line.key.kind.clone());
            }
        }
        kinds
    }

    fn of(&self, host: &str, port: u16, marker: Marker) -> impl Iterator<Item = &Line> {
        let name = name(host, port);
        self.lines.iter().filter(move |line| line.marker == marker && line.names.match_host(&name))
    }
}

/// The name a host has in the file: `host`, or `[host]:port` where the port is not 22.
fn name(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// A line that says nothing, or nothing that can be understood, is none: it must not hide the others.
fn parse(file: &Arc<Path>, number: usize, line: &str) -> Option<Line> {
    let mut words = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty());
    let first = words.next().filter(|word| !word.starts_with('#'))?;
    let (marker, names) = match first {
        "@revoked" => (Marker::Revoked, words.next()?),
        "@cert-authority" => (Marker::Authority, words.next()?),
        other if other.starts_with('@') => return None,
        names => (Marker::None, names),
    };
    let (kind, blob) = (words.next()?, BASE64.decode(words.next()?).ok()?);
    // The blob names its kind again; what disagrees is damaged.
    let length = u32::from_be_bytes(blob.get(..4)?.try_into().ok()?);
    if blob.get(4..)?.get(..usize::try_from(length).ok()?)? != kind.as_bytes() {
        return None;
    }
    let key = Key { kind: kind.to_owned(), blob };
    Some(Line { file: Arc::clone(file), number, marker, names: HostPatterns::parse(names)?, key })
}

impl HostPatterns {
    fn parse(text: &str) -> Option<Self> {
        let Some(rest) = text.strip_prefix("|1|") else { return Some(Self::Patterns(text.to_lowercase())) };
        let (salt, hash) = rest.split_once('|')?;
        Some(Self::Hashed { salt: BASE64.decode(salt).ok()?, hash: BASE64.decode(hash).ok()? })
    }

    fn match_host(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => {
                let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(salt) else { return false };
                mac.update(name.as_bytes());
                mac.finalize().into_bytes().as_slice() == hash.as_slice()
            }
            // One negated match outweighs all others.
            Self::Patterns(patterns) => {
                let mut found = false;
                for pattern in patterns.split(',') {
                    match pattern.strip_prefix('!') {
                        Some(not) if glob(not, name) => return false,
                        Some(_) => {}
                        None => found |= glob(pattern, name),
                    }
                }
                found
            }
        }
    }
}

/// Adds a host's key to a file, unless it stands there already. Two runs that pin at the same time both keep their line.
pub fn pin(file: &Path, host: &str, port: u16, key: &Key) -> io::Result<()> {
    let mut pins = File::options().create(true).read(true).append(true).open(file)?;
    pins.lock()?;
    let mut text = String::new();
    pins.read_to_string(&mut text)?;
    let line = format!("{} {key}", name(host, port));
    if text.lines().any(|known| known.trim_end() == line) {
        return Ok(());
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    pins.write_all(format!("{gap}{line}\n").as_bytes())
}

#[cfg(test)]
mod tests;
