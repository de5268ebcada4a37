//! What a lab is, kept beside its files: written before anything is made, so that whatever is made can be
//! taken away.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Error, Result};
use crate::{
    atomic_file::{self, Mode},
    units::HostName,
};

/// The file in the lab's folder.
pub(super) const FILE: &str = crate::inventory::LAB_STATE;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) name: String,
    /// Names everything it makes outside its folder.
    pub(super) id: String,
    pub(super) subnet: Ipv4Net,
    /// The root folder all hosts stand on.
    pub(super) image: PathBuf,
    pub(super) guests: Vec<Guest>,
    pub(super) cuts: Vec<Cut>,
}

/// One simulated host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    pub name: HostName,
    pub address: Ipv4Addr,
}

/// Groups of hosts that cannot reach each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    pub groups: Vec<Vec<HostName>>,
}

impl State {
    pub(super) fn new(
        name: &str,
        folder: &Path,
        subnet: Ipv4Net,
        image: PathBuf,
        guests: Vec<Guest>,
    ) -> Self {
        let digest = hex::encode(Sha256::digest(folder.as_os_str().as_encoded_bytes()));
        Self {
            name: name.to_owned(),
            id: format!("pv-{}", &digest[..8]),
            subnet,
            image,
            guests,
            cuts: Vec::new(),
        }
    }

    pub(super) fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::State { path, source })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let save = || -> std::io::Result<()> {
            std::fs::create_dir_all(folder)?;
            let text = serde_json::to_string_pretty(self)? + "\n";
            atomic_file::write(&path, text.as_bytes(), Mode::Private)
        };
        save().map_err(|source| Error::File { path: path.clone(), source })
    }

    /// The network namespace, machine and control group of a host.
    pub(super) fn place(&self, guest: &Guest) -> String {
        format!("{}-{}", self.id, guest.name)
    }

    /// The network namespace of the switch.
    pub(super) fn switch(&self) -> String {
        format!("{}-sw", self.id)
    }

    /// This machine's address in the lab.
    pub(super) fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.subnet.network()) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(folder: &Path) -> State {
        let guests = (1..=2)
            .map(|n| Guest { name: format!("n{n}").into(), address: Ipv4Addr::new(10, 77, 3, 10 + n) })
            .collect();
        let mut state =
            State::new("demo", folder, "10.77.3.0/24".parse().unwrap(), "/cache/debian".into(), guests);
        state.cuts.push(Cut { groups: vec![vec!["n1".into()], vec!["n2".into()]] });
        state
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let written = state(&inner);
        written.save(&inner).unwrap();
        let read = State::load(&inner).unwrap().unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&written).unwrap());
        written.save(&inner).unwrap();
        assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn no_file_is_no_lab_and_a_damaged_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(State::load(folder.path()).unwrap().is_none());
        crate::lab::files::put(&folder.path().join(FILE), "{", 0o644).unwrap();
        assert!(matches!(State::load(folder.path()), Err(Error::State { .. })));
    }

    #[test]
    fn names_follow_from_the_folder() {
        let (one, other) = (state(Path::new("/labs/a")), state(Path::new("/labs/b")));
        assert_ne!(one.id, other.id);
        assert_eq!(one.id, state(Path::new("/labs/a")).id);
        assert_eq!(one.place(&one.guests[0]), format!("{}-n1", one.id));
        assert_eq!(one.switch(), format!("{}-sw", one.id));
    }

    #[test]
    fn names_fit_into_an_interface_name() {
        // IFNAMSIZ is 16 with the zero at its end.
        assert!(state(Path::new("/labs/a")).id.len() <= 15);
    }

    #[test]
    fn this_machine_has_the_first_address() {
        assert_eq!(state(Path::new("/x")).gateway(), Ipv4Addr::new(10, 77, 3, 1));
    }
}
