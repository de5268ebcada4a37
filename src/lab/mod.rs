//! A lab: hosts that are simulated on this machine, each with a systemd, an sshd and an address of its own,
//! where no VMs can be run. One root image, an overlay and a network namespace each; the switch between them
//! lives in a namespace of its own, so that nothing of this machine's network changes but for one interface
//! that leads there.
//!
//! Everything a lab makes on this machine has a name that follows from the folder it is kept in: what is
//! taken down is what has these names, also after a crash or a reboot.

mod error;
mod files;
mod folder;
mod guest;
mod image;
mod network;
mod partition;
mod preflight;
mod state;
#[cfg(test)]
mod tests;
mod tool;

use std::{
    collections::BTreeSet,
    fs::{File, TryLockError},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::try_join_all;
use ipnet::Ipv4Net;
use tokio::time::{Instant, sleep};

pub use error::Error;
pub use folder::{check_name, default_folder, inventory_of};
pub use guest::Power;
pub use image::Source;
use state::State;
pub use state::{Cut, Guest};

use crate::units::HostName;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// The lock of a lab while another command changes it: booting hosts takes longest.
const LOCK_TIMEOUT: Duration = Duration::from_mins(6);
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A lab that exists.
#[derive(Debug)]
pub struct Lab {
    folder: PathBuf,
    state: State,
}

/// What a new lab should be.
#[derive(Debug)]
pub struct LabSpec {
    pub name: String,
    /// `None`: six, or as many as the lab has.
    pub hosts: Option<u8>,
    /// `None`: the first free one of 10.77.0.0/16, or that of the lab.
    pub subnet: Option<Ipv4Net>,
    /// `None`: Debian, or what the lab has.
    pub image: Option<Source>,
    /// Where images are kept.
    pub cache: PathBuf,
}

/// As many as a cluster takes whose masters all have a replica.
const HOSTS: u8 = 6;

impl LabSpec {
    /// Where the image of a new lab comes from.
    fn source(&self) -> &Source {
        self.image.as_ref().unwrap_or(&Source::Debian)
    }

    /// Refuses an existing lab that differs from this specification.
    fn met_by(&self, state: &State) -> Result<()> {
        let differs =
            |found: String, wanted: String| Err(Error::Differs { name: state.name.clone(), found, wanted });
        if let Some(hosts) = self.hosts.map(usize::from).filter(|hosts| *hosts != state.guests.len()) {
            return differs(format!("{} hosts", state.guests.len()), format!("{hosts}"));
        }
        if let Some(subnet) = self.subnet.filter(|subnet| subnet.trunc() != state.subnet) {
            return differs(format!("the subnet {}", state.subnet), subnet.to_string());
        }
        let image = self.image.as_ref().map(|image| image.root(&self.cache)).transpose()?;
        match image.filter(|image| *image != state.image) {
            Some(image) => {
                differs(format!("the image {}", state.image.display()), image.display().to_string())
            }
            None => Ok(()),
        }
    }
}

impl Lab {
    /// Brings a lab up in a folder, or what is missing of the one that is there. Every step is in the state
    /// file before it is taken.
    pub async fn up(folder: &Path, spec: &LabSpec) -> Result<Self> {
        let folder = absolute(folder)?;
        let image = if let Some(state) = State::load(&folder)? {
            spec.met_by(&state)?;
            // The cache can have been emptied.
            if !state.image.exists() {
                image::prepare(spec.source(), &spec.cache).await?;
            }
            state.image
        } else {
            preflight::resources(spec, &folder)?;
            image::prepare(spec.source(), &spec.cache).await?
        };
        // A subnet is taken only once its route is there: two labs must not choose at the same time.
        let choosing = network::lock().await?;
        let state = match State::load(&folder)? {
            Some(state) => state,
            None => Self::create(&folder, spec, image).await?,
        };
        let mut lab = Self { folder, state };
        let _held = lab.hold().await?;
        files::write(&lab.folder, &lab.state).await?;
        lab.lay_cables().await?;
        drop(choosing);
        let boots = lab.state.guests.iter().map(|guest| guest::start(&lab.folder, &lab.state, guest));
        try_join_all(boots).await?;
        try_join_all(lab.state.guests.iter().map(guest::answers)).await?;
        Ok(lab)
    }

    async fn create(folder: &Path, spec: &LabSpec, image: PathBuf) -> Result<State> {
        let subnet = network::choose(spec.subnet).await?;
        let guests = guests(subnet, spec.hosts.unwrap_or(HOSTS))?;
        let state = State::new(&spec.name, folder, subnet, image, guests);
        state.save(folder)?;
        Ok(state)
    }

    /// Takes the right to change it: two commands that boot the same host would boot it twice. What another
    /// command has made of it until then counts.
    async fn hold(&mut self) -> Result<File> {
        let failed = |source| Error::File { path: self.folder.clone(), source };
        let folder = File::open(&self.folder).map_err(failed)?;
        let what = format!("another command that changes lab {}", self.state.name);
        locked(&self.folder, &folder, &what, LOCK_TIMEOUT).await?;
        let state = State::load(&self.folder)?;
        self.state = state.ok_or_else(|| Error::NoLab { folder: self.folder.clone() })?;
        Ok(folder)
    }

    /// Makes the switch, its cables and its cuts. After a reboot of this machine none of them is there, and
    /// the subnet can be in use by something else.
    async fn lay_cables(&self) -> Result<()> {
        let mut running = BTreeSet::new();
        for guest in &self.state.guests {
            if guest::is_busy(&self.state, guest).await {
                running.insert(guest.name.clone());
            }
        }
        if running.is_empty() && !network::is_up(&self.state).await? {
            network::down(&self.state).await?;
            network::choose(Some(self.state.subnet)).await.map_err(|error| match error {
                Error::Subnet { subnet, route } => Error::SubnetLost { subnet, route },
                other => other,
            })?;
        }
        network::up(&self.state, &running).await?;
        partition::apply(&self.state).await
    }

    /// The lab that is kept in a folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let folder = absolute(folder)?;
        match State::load(&folder)? {
            Some(state) => Ok(Self { folder, state }),
            None => Err(Error::NoLab { folder }),
        }
    }

    /// All labs below a folder.
    pub fn all(parent: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(parent).into_iter().flatten();
        let mut labs: Vec<Self> = entries.filter_map(|entry| Self::open(&entry.ok()?.path()).ok()).collect();
        labs.sort_by(|a, b| a.name().cmp(b.name()));
        labs
    }

    /// Takes it down, with all its disks.
    pub async fn down(mut self) -> Result<()> {
        let _held = self.hold().await?;
        for guest in &self.state.guests {
            guest::stop(&self.folder, &self.state, guest).await?;
            guest::unmount(&self.folder, guest).await?;
        }
        network::down(&self.state).await?;
        files::remove(&self.folder)
    }

    pub fn name(&self) -> &str {
        &self.state.name
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn subnet(&self) -> Ipv4Net {
        self.state.subnet
    }

    pub fn guests(&self) -> &[Guest] {
        &self.state.guests
    }

    pub fn cuts(&self) -> &[Cut] {
        &self.state.cuts
    }

    /// How a user names its inventory: `lab:NAME`, or a path where it is not in the default folder.
    pub fn reference(&self) -> String {
        folder::reference(&self.folder, &self.state.name)
    }

    /// A host by its name.
    pub fn guest(&self, name: &str) -> Result<&Guest> {
        let known =
            || self.state.guests.iter().map(|guest| guest.name.clone()).collect::<Vec<_>>().join(", ");
        let found = self.state.guests.iter().find(|guest| guest.name == name);
        found.ok_or_else(|| Error::NoGuest { name: name.to_owned(), known: known() })
    }

    pub async fn power(&self, guest: &Guest) -> Power {
        guest::power(&self.state, guest).await
    }

    /// Freezes a host: all its processes stop, and its peers get no answer.
    pub async fn pause(&self, guest: &Guest) -> Result<()> {
        guest::freeze(&self.state, guest, true).await
    }

    pub async fn resume(&self, guest: &Guest) -> Result<()> {
        guest::freeze(&self.state, guest, false).await
    }

    /// Takes the power away. The disk stays.
    pub async fn kill(&mut self, guest: &Guest) -> Result<()> {
        let _held = self.hold().await?;
        guest::stop(&self.folder, &self.state, guest).await
    }

    /// Boots a host again, and waits until it answers.
    pub async fn start(&mut self, guest: &Guest) -> Result<()> {
        let choosing = network::lock().await?;
        let _held = self.hold().await?;
        self.lay_cables().await?;
        drop(choosing);
        guest::start(&self.folder, &self.state, guest).await?;
        guest::answers(guest).await
    }

    /// Cuts groups of hosts off from each other; a single group is cut off from all others and from this
    /// machine.
    pub async fn cut(&mut self, groups: Vec<Vec<HostName>>) -> Result<()> {
        for name in groups.iter().flatten() {
            self.guest(name)?;
        }
        let _held = self.hold().await?;
        self.state.cuts.push(Cut { groups });
        self.state.save(&self.folder)?;
        partition::apply(&self.state).await
    }

    /// Undoes all cuts.
    pub async fn heal(&mut self) -> Result<()> {
        let _held = self.hold().await?;
        self.state.cuts.clear();
        self.state.save(&self.folder)?;
        partition::apply(&self.state).await
    }

    /// The words of a command line that runs a command in a host, without SSH.
    pub async fn enter(&self, guest: &Guest, command: &[String]) -> Result<Vec<String>> {
        let leader = guest::leader(&self.state, guest).await;
        let leader = leader.ok_or_else(|| Error::Off { name: guest.name.clone() })?.to_string();
        let words = [
            "nsenter",
            "-t",
            &leader,
            "-m",
            "-u",
            "-i",
            "-n",
            "-p",
            "-C",
            "env",
            "-i",
            guest::PATH,
            "HOME=/root",
        ];
        Ok(words.into_iter().map(str::to_owned).chain(command.iter().cloned()).collect())
    }

    /// The words of a command line that logs in by SSH.
    pub fn ssh(&self, guest: &Guest) -> Vec<String> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let known = format!("UserKnownHostsFile={}", file(files::KNOWN_HOSTS));
        let words = [
            "ssh",
            "-F",
            "none",
            "-o",
            &known,
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-i",
        ];
        let rest = [file(files::KEY), format!("root@{}", guest.address)];
        words.into_iter().map(str::to_owned).chain(rest).collect()
    }
}

/// The hosts of a lab: n1 and so on, with the addresses .11 and up.
fn guests(subnet: Ipv4Net, hosts: u8) -> Result<Vec<Guest>> {
    if u64::from(hosts) + 12 > 1 << (32 - subnet.prefix_len()) {
        return Err(Error::Narrow { subnet, hosts });
    }
    let guest = |number| Guest {
        name: format!("n{number}").into(),
        address: Ipv4Addr::from(u32::from(subnet.network()) + 10 + u32::from(number)),
    };
    Ok((1..=hosts).map(guest).collect())
}

/// Takes the lock on an open file, for as long as that is open. `what` holds it otherwise.
async fn locked(path: &Path, file: &File, what: &str, bound: Duration) -> Result<()> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => return Err(Error::File { path: path.to_owned(), source }),
            Err(TryLockError::WouldBlock) if began.elapsed() > bound => {
                return Err(Error::Late { what: what.to_owned(), after: bound });
            }
            Err(TryLockError::WouldBlock) => sleep(LOCK_POLL_INTERVAL).await,
        }
    }
}

fn absolute(folder: &Path) -> Result<PathBuf> {
    std::path::absolute(folder).map_err(|source| Error::File { path: folder.to_owned(), source })
}

/// Checks that we are root, as every verb of labs needs.
pub fn privileges() -> Result<()> {
    preflight::root()
}

/// Checks that all is there that a lab in this folder needs; `install` gets what is missing.
pub async fn prerequisites(folder: &Path, spec: &LabSpec, install: bool) -> Result<()> {
    let exists = State::load(folder)?.is_some();
    preflight::tools((!exists).then(|| spec.source()), install).await
}
