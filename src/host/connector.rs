//! What connecting takes besides a host: host keys, secrets that are asked for once, connections that are shared.

use std::{
    collections::HashMap,
    hash::Hash,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::{
    Decision, Error, Key, KnownHosts, Result,
    ssh::{Common, Ssh},
};
use crate::{
    inventory::{Address, Host},
    secret::{self, Credential, SecretString},
};

/// The person at the keyboard. Rooms below the command line speak to nobody else.
pub trait Prompt: Send + Sync {
    /// Asks for a secret, without showing it. `None` where nobody can be asked.
    fn secret(&self, question: &str) -> Option<SecretString>;
    /// Says something about a host that does not stop the run.
    fn notice(&self, host: &str, text: &str);
}

/// Nobody at the keyboard: for programs and tests.
#[derive(Debug, Clone, Copy)]
pub struct NoPrompt;

impl Prompt for NoPrompt {
    fn secret(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn notice(&self, _: &str, _: &str) {}
}

/// A key a server shows.
#[derive(Debug, Clone)]
pub struct ScannedKey {
    /// The name it is pinned under.
    pub address: String,
    pub port: u16,
    pub key: Key,
    /// What the user's own files say of it, and the machine's.
    pub user_verdict: Decision,
    /// Whether it is a jump host's.
    pub jump: bool,
}

/// Everything the connections of one run share.
#[derive(Clone)]
pub struct Connector {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    /// The file beside the inventory that host keys are pinned in; those of the user are read besides.
    pub(super) pins: PathBuf,
    /// Whether a host that nobody knows yet is believed, and pinned.
    pub(super) accept_new: bool,
    pub(super) prompt: Box<dyn Prompt>,
    /// Connects that have not been authenticated yet, over all servers.
    connects: Arc<Semaphore>,
    /// Files on their way at once: sshd takes megabytes before it says stop, and all of them wait in memory.
    pub(super) uploads: Semaphore,
    /// Connects, by server: sshd drops connections at random from the eleventh on (`MaxStartups 10:30:100`).
    servers: Once<(String, u16), Arc<Semaphore>>,
    /// By the files they were read from.
    known: Once<Vec<PathBuf>, Result<Arc<KnownHosts>, String>>,
    /// Held while a question is on the screen.
    asking: tokio::sync::Mutex<()>,
    /// By what was asked.
    answers: Once<String, Option<SecretString>>,
    pub(super) common: Common,
}

/// Things that are made once a key, whoever asks first; the others wait for it.
pub(super) struct Once<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K, V> Default for Once<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V> Once<K, V> {
    pub(super) fn cell(&self, key: K) -> Arc<OnceCell<V>> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
    }
}

/// How many connections may be on their way in at once: in all, and to one server.
const CONNECTS: usize = 32;
const CONNECTS_A_SERVER: usize = 8;

/// How many files may be on their way at once; few fill any link.
const UPLOADS: usize = 8;

impl Connector {
    pub fn new(pins: PathBuf, accept_new: bool, prompt: Box<dyn Prompt>) -> Self {
        Self {
            shared: Arc::new(Shared {
                pins,
                accept_new,
                prompt,
                connects: Arc::new(Semaphore::new(CONNECTS)),
                uploads: Semaphore::new(UPLOADS),
                servers: Once::default(),
                known: Once::default(),
                asking: tokio::sync::Mutex::default(),
                answers: Once::default(),
                common: Common::default(),
            }),
        }
    }

    /// The keys a host shows to whoever asks, after those of the jump hosts before it; and why there are not all of them.
    /// Nothing is believed by that. Empty for this machine.
    pub async fn host_keys(&self, host: &Host) -> (Vec<ScannedKey>, Option<Error>) {
        match &host.address {
            Address::Local => (Vec::new(), None),
            Address::Remote(address) => Ssh::host_keys(host, address, self).await,
        }
    }

    /// The turn to connect to one server. `None` never comes: nobody closes the semaphores.
    pub(super) async fn acquire_slot(&self, host: &str, port: u16) -> Option<[OwnedSemaphorePermit; 2]> {
        let cell = self.shared.servers.cell((host.to_owned(), port));
        let server = cell.get_or_init(|| async { Arc::new(Semaphore::new(CONNECTS_A_SERVER)) }).await;
        let of_server = Arc::clone(server).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.shared.connects).acquire_owned().await.ok()?;
        Some([of_server, of_all])
    }

    /// The host keys that are known from these files.
    pub(super) async fn known_hosts(&self, files: Vec<PathBuf>) -> Result<Arc<KnownHosts>, String> {
        let load = || async { KnownHosts::load(&files).map(Arc::new).map_err(|error| error.to_string()) };
        self.shared.known.cell(files.clone()).get_or_init(load).await.clone()
    }

    /// A secret: from where it is kept, else asked for, once for all hosts that need the same. `None` where nobody answers.
    pub(super) async fn secret(
        &self,
        credential: Option<&Credential>,
        question: &str,
    ) -> Result<Option<SecretString>, secret::Error> {
        if let Some(Credential::Kept(source)) = credential {
            return source.reveal().map(Some);
        }
        let cell = self.shared.answers.cell(question.to_owned());
        let (shared, text) = (Arc::clone(&self.shared), question.to_owned());
        // A terminal waits for a human: not on a thread that others need, and with one question at a time.
        let ask = || async {
            let _one = self.shared.asking.lock().await;
            tokio::task::spawn_blocking(move || shared.prompt.secret(&text)).await.ok().flatten()
        };
        Ok(cell.get_or_init(ask).await.clone())
    }
}
