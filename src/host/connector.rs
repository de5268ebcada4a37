//! What connecting takes besides a host: host keys, secrets that are asked for once, connections that are shared.

use std::{path::PathBuf, sync::Arc};

use crate::secret::SecretString;

/// The person at the keyboard. Rooms below the command line speak to nobody else.
pub trait Console: Send + Sync {
    /// Asks for a secret, without showing it. `None` where nobody can be asked.
    fn secret(&self, question: &str) -> Option<SecretString>;
    /// Says something about a host that does not stop the run.
    fn notice(&self, host: &str, text: &str);
}

/// Nobody at the keyboard: for programs and tests.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Console for Nobody {
    fn secret(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn notice(&self, _: &str, _: &str) {}
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
    pub(super) console: Box<dyn Console>,
}

impl Connector {
    pub fn new(pins: PathBuf, accept_new: bool, console: Box<dyn Console>) -> Self {
        Self { shared: Arc::new(Shared { pins, accept_new, console }) }
    }
}
