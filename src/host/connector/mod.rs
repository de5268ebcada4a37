//! What the connections of one run share besides each other: pins, known hosts, limits, and secrets that are
//! asked for once.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::{known_hosts::KnownHosts, once_map::OnceMap, prompt::Prompt};
use crate::secret::{self, Credential, SecretString};

/// The settings and limits that all connections of one run share. A clone shares them, too.
#[derive(Clone)]
pub struct Connector {
    shared: Arc<Shared>,
}

struct Shared {
    /// The file beside the inventory that host keys are pinned in; the user's own files are read besides.
    pins: PathBuf,
    /// Whether an unknown host key is accepted, and pinned.
    accept_new: bool,
    prompt: Box<dyn Prompt>,
    /// Connections that have not been authenticated yet, over all servers.
    connects: Arc<Semaphore>,
    /// Uploads that run at once: sshd takes megabytes before it stops the sender, and all of them wait in
    /// memory.
    uploads: Semaphore,
    /// Connections by server: sshd drops connections at random from the eleventh on (`MaxStartups
    /// 10:30:100`).
    servers: OnceMap<(String, u16), Arc<Semaphore>>,
    /// By the files they were read from.
    known: OnceMap<Vec<PathBuf>, Result<Arc<KnownHosts>, String>>,
    /// Held while a question is on the screen.
    asking: tokio::sync::Mutex<()>,
    /// By what was asked.
    answers: OnceMap<String, Option<SecretString>>,
}

/// How many connections may be on their way in at once: in all, and to one server.
const MAX_CONNECTS: usize = 32;
const MAX_CONNECTS_PER_SERVER: usize = 8;

/// How many uploads may run at once; a few fill any link.
const MAX_UPLOADS: usize = 8;

impl Connector {
    /// `pins` is the file that host keys are pinned in; it need not exist. With `accept_new` an unknown host
    /// key is accepted and pinned there.
    pub fn new(pins: PathBuf, accept_new: bool, prompt: Box<dyn Prompt>) -> Self {
        Self {
            shared: Arc::new(Shared {
                pins,
                accept_new,
                prompt,
                connects: Arc::new(Semaphore::new(MAX_CONNECTS)),
                uploads: Semaphore::new(MAX_UPLOADS),
                servers: OnceMap::default(),
                known: OnceMap::default(),
                asking: tokio::sync::Mutex::default(),
                answers: OnceMap::default(),
            }),
        }
    }

    pub(super) fn pins(&self) -> &Path {
        &self.shared.pins
    }

    pub(super) fn accepts_new(&self) -> bool {
        self.shared.accept_new
    }

    /// Shows a remark about a host to the user.
    pub(super) fn notice(&self, host: &str, text: &str) {
        self.shared.prompt.notice(host, text);
    }

    /// Waits for the right to upload a file. `None` never comes: the semaphore is never closed.
    pub(super) async fn acquire_upload_slot(&self) -> Option<SemaphorePermit<'_>> {
        self.shared.uploads.acquire().await.ok()
    }

    /// Waits for the right to connect to one server. `None` never comes: the semaphores are never closed.
    pub(super) async fn acquire_slot(&self, host: &str, port: u16) -> Option<[OwnedSemaphorePermit; 2]> {
        let cell = self.shared.servers.cell((host.to_owned(), port));
        let server = cell.get_or_init(|| async { Arc::new(Semaphore::new(MAX_CONNECTS_PER_SERVER)) }).await;
        let of_server = Arc::clone(server).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.shared.connects).acquire_owned().await.ok()?;
        Some([of_server, of_all])
    }

    /// The host keys that are known from these files, which are read once.
    pub(super) async fn known_hosts(&self, files: Vec<PathBuf>) -> Result<Arc<KnownHosts>, String> {
        let load = || async { KnownHosts::load(&files).map(Arc::new).map_err(|error| error.to_string()) };
        self.shared.known.cell(files.clone()).get_or_init(load).await.clone()
    }

    /// A secret: from where it is kept, else asked for, once for all hosts that need the same. `None` where
    /// there is no terminal to ask on.
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
        // The user may take minutes: the question gets a thread of its own, and one question is asked at a
        // time.
        let ask = || async {
            let _one = self.shared.asking.lock().await;
            tokio::task::spawn_blocking(move || shared.prompt.secret(&text)).await.ok().flatten()
        };
        Ok(cell.get_or_init(ask).await.clone())
    }
}

#[cfg(test)]
mod tests;
