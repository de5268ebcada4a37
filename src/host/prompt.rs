//! How the user is asked for a secret, and sees a remark about a host. The command line implements it.

use crate::secret::SecretString;

/// The user at the terminal. Rooms below the command line ask no other way.
pub trait Prompt: Send + Sync {
    /// Asks for a secret, without showing it. `None` where there is no terminal to ask on.
    fn secret(&self, question: &str) -> Option<SecretString>;
    /// Shows a remark about a host that does not stop the run.
    fn notice(&self, host: &str, text: &str);
}

/// No terminal: for programs and tests.
#[derive(Debug, Clone, Copy)]
pub struct NoPrompt;

impl Prompt for NoPrompt {
    fn secret(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn notice(&self, _: &str, _: &str) {}
}
