//! The files of a lab: keys, known hosts and the inventory for those who use it, and what each host finds on
//! its disk.

use std::{fs, io, path::Path};

use super::{
    Error, Result,
    folder::{self, INVENTORY},
    state::{self, Guest, State},
    tool,
};
use crate::atomic_file::{self, Mode};

/// What [`Fleet::known_hosts`](crate::inventory::Fleet::known_hosts) is for this inventory.
pub(super) const KNOWN_HOSTS: &str = "inventory.known_hosts";
pub(super) const KEY: &str = "id_ed25519";

/// Where the disks are.
pub(super) const HOSTS: &str = "hosts";

/// Writes all files of a lab that are not there yet: a command that was killed may have written some.
pub(super) async fn write(folder: &Path, state: &State) -> Result<()> {
    let hosts = folder.join(HOSTS);
    fs::create_dir_all(&hosts).map_err(|source| Error::File { path: hosts.clone(), source })?;
    keygen(&hosts, &folder.join(KEY), &state.name).await?;
    let public = read(&folder.join(format!("{KEY}.pub")))?;
    let mut known = String::new();
    for guest in &state.guests {
        let disk = hosts.join(guest.name.as_str());
        let upper = disk.join("upper");
        for part in ["upper/etc/ssh", "upper/root/.ssh", "work", "root"] {
            let path = disk.join(part);
            fs::create_dir_all(&path).map_err(|source| Error::File { path, source })?;
        }
        // The overlay shows these as they are here, whatever the umask was.
        for part in ["", "etc", "etc/ssh"] {
            let path = upper.join(part);
            fs::set_permissions(&path, mode(0o755)).map_err(|source| Error::File { path, source })?;
        }
        let key = upper.join("etc/ssh/ssh_host_ed25519_key");
        keygen(&hosts, &key, &guest.name).await?;
        known.push_str(&format!("{} {}", guest.address, read(&key.with_extension("pub"))?));
        if !upper.join(LAST).exists() {
            own(&upper, guest, &public).map_err(|source| Error::File { path: upper.clone(), source })?;
        }
    }
    let texts =
        [(KNOWN_HOSTS, known), (INVENTORY, inventory(state, &folder::reference(folder, &state.name)))];
    for (name, text) in texts {
        let path = folder.join(name);
        if !path.exists() {
            put(&path, &text, 0o644).map_err(|source| Error::File { path, source })?;
        }
    }
    Ok(())
}

/// What `own` writes last.
const LAST: &str = "etc/hosts";

/// What a host finds on its disk.
fn own(upper: &Path, guest: &Guest, public: &str) -> io::Result<()> {
    let Guest { name, address } = guest;
    fs::set_permissions(upper.join("root"), mode(0o700))?;
    fs::set_permissions(upper.join("root/.ssh"), mode(0o700))?;
    put(&upper.join("root/.ssh/authorized_keys"), public, 0o600)?;
    put(&upper.join("etc/hostname"), &format!("{name}\n"), 0o644)?;
    put(&upper.join(LAST), &format!("127.0.0.1 localhost\n::1 localhost\n{address} {name}\n"), 0o644)
}

/// `reference` is how a user names the file.
fn inventory(state: &State, reference: &str) -> String {
    // A cluster takes three masters, and each has a replica here.
    let nodes = match 6_usize.div_ceil(state.guests.len().max(1)) {
        1 => String::new(),
        nodes => format!("nodes = {nodes}\n"),
    };
    let hosts: String = state
        .guests
        .iter()
        .map(|guest| {
            format!("\n[[hosts]]\nname = \"{}\"\naddress = \"{}\"\n{nodes}", guest.name, guest.address)
        })
        .collect();
    let name = &state.name;
    format!(
        "# Lab {name}: {} simulated hosts on this machine, written by `provision lab up`.\n#\n\
         #   provision apply {reference}\n\
         #       form and prove the cluster\n\
         #   provision lab kill n1 --name {name}\n\
         #       take the power from a host, and see what happens\n\
         #   provision lab down --name {name}\n\
         #       take it all away\n\n\
         [cluster]\nname = \"{name}\"\nengine = \"redis\"\nversion = \"7.0.15\"\nreplicas = 1\nport = 7001\n\n\
         [ssh]\nuser = \"root\"\nport = 22\nidentity = [\"{KEY}\"]\nvia = []\n{hosts}",
        state.guests.len(),
    )
}

/// Makes a key pair, the public half last: where it is there the other is, too. A command that was killed may
/// have left one that still makes keys, so they are made aside.
async fn keygen(aside: &Path, path: &Path, comment: &str) -> Result<()> {
    let public = path.with_extension("pub");
    if public.exists() {
        return Ok(());
    }
    let failed = |source| Error::File { path: path.to_owned(), source };
    let folder = tempfile::Builder::new().prefix(".keys-").tempdir_in(aside).map_err(failed)?;
    let key = folder.path().join("key");
    let file = key.display().to_string();
    tool::run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", &file]).await?;
    fs::rename(&key, path).and_then(|()| fs::rename(key.with_extension("pub"), public)).map_err(failed)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// Writes a whole file, with the folders above it.
pub(super) fn put(path: &Path, text: &str, bits: u32) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    atomic_file::write(path, text.as_bytes(), Mode::Exact(bits))
}

fn mode(bits: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(bits)
}

/// Takes away what `write` and the hosts have left; the state goes last, and the folder only where nothing
/// else is in it.
pub(super) fn remove(folder: &Path) -> Result<()> {
    let gone = |path: std::path::PathBuf, result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::File { path, source: error }),
        _ => Ok(()),
    };
    let disks = folder.join(HOSTS);
    gone(disks.clone(), fs::remove_dir_all(&disks))?;
    let public = format!("{KEY}.pub");
    for name in [KEY, &public, KNOWN_HOSTS, INVENTORY, "inventory.auth", "inventory.toml.lock", state::FILE] {
        let path = folder.join(name);
        gone(path.clone(), fs::remove_file(&path))?;
    }
    // What the user has put there stays, and the folder with it.
    let _ = fs::remove_dir(folder);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::inventory::{Fold, parse};

    fn state(hosts: u8) -> State {
        let guest = |n| Guest { name: format!("n{n}").into(), address: Ipv4Addr::new(10, 77, 0, 10 + n) };
        let subnet = "10.77.0.0/24".parse().unwrap();
        State::new("demo", Path::new("/labs/demo"), subnet, "/image".into(), (1..=hosts).map(guest).collect())
    }

    #[test]
    fn the_inventory_that_is_written() {
        insta::assert_snapshot!(inventory(&state(6), "lab:demo"));
    }

    #[test]
    fn any_number_of_hosts_gives_an_inventory_for_a_cluster() {
        for hosts in (1..=13).chain([96, 97, 199, 200]) {
            let text = inventory(&state(hosts), "lab:demo");
            let fleet = parse("inventory.toml", &text, Fold::AsWritten).unwrap();
            assert_eq!(fleet.hosts.len(), usize::from(hosts));
            assert!(fleet.masters() >= 3, "{text}");
        }
    }

    #[test]
    fn a_file_is_written_whole_with_its_mode_and_folders() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/file");
        put(&path, "one", 0o600).unwrap();
        put(&path, "two", 0o644).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_host_finds_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let guest = state(1).guests.remove(0);
        for part in ["root/.ssh", "etc"] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        own(folder.path(), &guest, "ssh-ed25519 AAAA demo\n").unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("etc/hostname"), "n1\n");
        assert!(read("etc/hosts").contains("10.77.0.11 n1"));
        assert_eq!(read("root/.ssh/authorized_keys"), "ssh-ed25519 AAAA demo\n");
    }

    #[test]
    fn what_the_user_has_put_beside_a_lab_stays() {
        let folder = tempfile::tempdir().unwrap();
        let lab = folder.path().join("demo");
        state(1).save(&lab).unwrap();
        for name in [KEY, INVENTORY, KNOWN_HOSTS, "notes.txt"] {
            put(&lab.join(name), "x", 0o644).unwrap();
        }
        remove(&lab).unwrap();
        let left: Vec<_> = fs::read_dir(&lab).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
        fs::remove_file(lab.join("notes.txt")).unwrap();
        remove(&lab).unwrap();
        assert!(!lab.exists(), "an empty folder goes, and a second call is no error");
    }
}
